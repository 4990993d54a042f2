/*
 * Between pg_query_tree.c (expressions and DML) and pg_query_utility.c (utility statements).
 * Includes PostgreSQL's server headers, so only those two may include it.
 */
#pragma once

/*
 * libpg_query made these variables thread-local; PostgreSQL's headers, which do not know, would
 * declare them otherwise. Hide those declarations and give our own.
 */
/* The order of includes is PostgreSQL's. */
/* clang-format off */
#define PG_exception_stack weir_hidden_PG_exception_stack
#define error_context_stack weir_hidden_error_context_stack
#define CurrentMemoryContext weir_hidden_CurrentMemoryContext
#include <postgres.h>
#include <catalog/pg_class.h>
#include <nodes/nodeFuncs.h>
#include <nodes/parsenodes.h>
#include <parser/parser.h>
#include <utils/memutils.h>
/* clang-format on */
#undef PG_exception_stack
#undef error_context_stack
#undef CurrentMemoryContext
extern __thread sigjmp_buf* PG_exception_stack;
extern __thread ErrorContextCallback* error_context_stack;
extern __thread MemoryContext CurrentMemoryContext;

#include "router/pg_query_tree.h"

/* One walk. Lists are in palloc'd arrays that double. */
struct weir_walk {
    struct weir_tree* tree;
    int statement; /* index of the one being walked */
    int depth;
    int visits;
    bool definition; /* in a view's query: nothing of it is executed now */
    bool judging;    /* in a stored expression: its calls are noted as such */
    uint8_t* kinds;
    int kind_capacity;
    struct weir_call* calls;
    int call_capacity;
    struct weir_setting* settings;
    int setting_capacity;
    struct weir_scope* scopes;
    int scope_capacity;
    struct weir_new_sessions* new_sessions;
    int new_session_capacity;
    const char** relations;
    int relation_capacity;
    const char** operators;
    int operator_capacity;
    const char** changed;
    int changed_capacity;
    struct weir_use* uses;
    int use_capacity;
    struct weir_transaction_options* modes;
    int mode_capacity;
    const char** ctes; /* names in scope, the innermost last */
    int cte_count;
    int cte_capacity;
};

/* Room for one more in an array that doubles. */
void* weir_grown(void* array, int count, int* capacity, size_t element);

/* Walks an expression, a DML statement, a list of those, or NULL. */
void weir_walk_node(struct weir_walk* walk, const void* node);

/* Walks a statement of any kind, as the whole or as the body of another. */
enum weir_kind weir_walk_statement(struct weir_walk* walk, Node* node);

/* The kind of a utility statement, its effects noted. */
enum weir_kind weir_walk_utility(struct weir_walk* walk, Node* node);

/* SELECT INTO, CREATE TABLE AS: the new relation. */
void weir_note_into(struct weir_walk* walk, const IntoClause* into);

/* Note WEIR_CHANGES_EFFECTS if what they store may have an effect on later statements. */
void weir_judge_table(struct weir_walk* walk, const CreateStmt* table);
void weir_judge_index(struct weir_walk* walk, const IndexStmt* index);
void weir_judge_statistics(struct weir_walk* walk, const CreateStatsStmt* statistics);
void weir_judge_alteration(struct weir_walk* walk, const AlterTableCmd* command);

/* False: this DDL statement counts as WEIR_CHANGES_EFFECTS whatever is in it. */
bool weir_is_plain_definition(const Node* node);

/* Which names mean something else after this DDL statement; see weir_tree.changed. */
void weir_note_changed_names(struct weir_walk* walk, Node* node);
void weir_note_changed(struct weir_walk* walk, const char* name);

void weir_note_pin(struct weir_walk* walk, enum weir_pin pin, const char* detail);
void weir_note_setting(
    struct weir_walk* walk,
    const char* name,
    const char* value,
    enum weir_setting_action action,
    bool is_local
);
/* The call as it is noted, or NULL if it is not. */
struct weir_call* weir_note_call(
    struct weir_walk* walk, List* names, List* arguments, bool procedure
);
void weir_note_use(
    struct weir_walk* walk, enum weir_use_kind kind, const char* schema, const char* name
);
/* A relation that is read, unless the name is a CTE's where it stands. */
void weir_note_relation_use(struct weir_walk* walk, const RangeVar* relation);
void weir_note_type(struct weir_walk* walk, const TypeName* type);
/* Of names: `t.f` may be f(t). Without `all` the first one is a table or column. */
void weir_note_attributes(struct weir_walk* walk, List* names, bool all);
/* Operators that the grammar has words for (BETWEEN, IN, LIKE ...): found by the search_path. */
void weir_note_syntax_operator(struct weir_walk* walk, const A_Expr* expression);
void weir_note_equality(struct weir_walk* walk);
/*
 * WITH: each query sees the names before its own, of RECURSIVE all of them. They stay in scope; the
 * caller takes them away behind what the clause belongs to.
 */
void weir_walk_with(struct weir_walk* walk, const WithClause* with);
void weir_note_scope(struct weir_walk* walk, enum weir_kind kind, const char* name);
/* Sessions of this role and database begin otherwise from now on; NULL: of all. */
void weir_note_new_sessions(struct weir_walk* walk, const char* role, const char* database);
/* A relation that the statement reads or writes, whose triggers, rules and defaults may run. */
void weir_note_relation_name(struct weir_walk* walk, const char* name);
bool weir_is_temp_schema(const char* schema);

static inline void weir_note(struct weir_walk* walk, uint32_t facts) {
    walk->tree->facts |= facts;
}

static inline void weir_note_name(struct weir_walk* walk, const char* name) {
    if (walk->tree->name == NULL) walk->tree->name = name;
}

/* The name and, if there is one, the schema of a qualified name (a list of String). */
const char* weir_last_name(List* names, const char** schema);

/* A constant behind casts that do not change what it says. */
struct weir_argument weir_constant(const Node* node);
