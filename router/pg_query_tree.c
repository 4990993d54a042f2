/* The raw parse tree: parsing under an error frame, expressions and DML. */
/* Pg_query_walk.h must come before anything that includes postgres.h. */
/* clang-format off */
#include "router/pg_query_walk.h"
#include <pg_query.h>
#include <pg_query/pg_query_internal.h>
/* clang-format on */

#include <stdlib.h>

/*
 * Levels of nested nodes the walk goes down; about 250 bytes of stack each. A chain of operators
 * (1+1+1+...) and of UNIONs is walked in a loop and counts once.
 */
#define MAX_DEPTH 1500
/* Nodes visited. 16 KiB of text make fewer; a limit in case that some node is shared by many. */
#define MAX_VISITS 100000

static bool walk_expression(Node* node, void* context);

void weir_note_pin(struct weir_walk* walk, enum weir_pin pin, const char* detail) {
    struct weir_tree* tree = walk->tree;

    if (walk->definition && pin != WEIR_PIN_TEMP_OBJECT && pin != WEIR_PIN_TOO_DEEP &&
        pin != WEIR_PIN_UNKNOWN_NODE)
        return;
    tree->pins |= 1U << pin;
    if (tree->first_pin != WEIR_PIN_NONE) return;
    tree->first_pin = pin;
    tree->pin_detail = detail;
}

void* weir_grown(void* array, int count, int* capacity, size_t element) {
    if (count < *capacity) return array;
    *capacity = *capacity == 0 ? 8 : *capacity * 2;
    if (array == NULL) return palloc((size_t)*capacity * element);
    return repalloc(array, (size_t)*capacity * element);
}

void weir_note_setting(
    struct weir_walk* walk,
    const char* name,
    const char* value,
    enum weir_setting_action action,
    bool is_local
) {
    struct weir_tree* tree = walk->tree;
    struct weir_setting setting = {name, value, action, is_local, walk->statement};

    walk->settings = weir_grown(
        walk->settings, tree->setting_count, &walk->setting_capacity, sizeof(struct weir_setting)
    );
    tree->settings = walk->settings;
    walk->settings[tree->setting_count++] = setting;
}

void weir_note_scope(struct weir_walk* walk, enum weir_kind kind, const char* name) {
    struct weir_tree* tree = walk->tree;
    struct weir_scope scope = {kind, name};

    walk->scopes = weir_grown(
        walk->scopes, tree->scope_count, &walk->scope_capacity, sizeof(struct weir_scope)
    );
    tree->scopes = walk->scopes;
    walk->scopes[tree->scope_count++] = scope;
}

void weir_note_new_sessions(struct weir_walk* walk, const char* role, const char* database) {
    struct weir_tree* tree = walk->tree;
    struct weir_new_sessions sessions = {role, database};

    weir_note(walk, WEIR_CHANGES_NEW_SESSIONS);
    walk->new_sessions = weir_grown(
        walk->new_sessions,
        tree->new_session_count,
        &walk->new_session_capacity,
        sizeof(struct weir_new_sessions)
    );
    tree->new_sessions = walk->new_sessions;
    walk->new_sessions[tree->new_session_count++] = sessions;
}

void weir_note_relation_name(struct weir_walk* walk, const char* name) {
    struct weir_tree* tree = walk->tree;

    walk->relations =
        weir_grown(walk->relations, tree->relation_count, &walk->relation_capacity, sizeof(char*));
    tree->relations = walk->relations;
    walk->relations[tree->relation_count++] = name;
}

void weir_note_changed(struct weir_walk* walk, const char* name) {
    struct weir_tree* tree = walk->tree;

    walk->changed =
        weir_grown(walk->changed, tree->changed_count, &walk->changed_capacity, sizeof(char*));
    tree->changed = walk->changed;
    walk->changed[tree->changed_count++] = name;
}

static void add_kind(struct weir_walk* walk, enum weir_kind kind) {
    struct weir_tree* tree = walk->tree;

    walk->kinds = weir_grown(walk->kinds, tree->kind_count, &walk->kind_capacity, 1);
    tree->kinds = walk->kinds;
    walk->kinds[tree->kind_count++] = (uint8_t)kind;
}

/* pg_temp, and the real name pg_temp_3 of such a schema (pg_toast_temp_3 cannot be written to). */
bool weir_is_temp_schema(const char* schema) {
    return schema != NULL && strncmp(schema, "pg_temp", 7) == 0 &&
           (schema[7] == '\0' || schema[7] == '_');
}

const char* weir_last_name(List* names, const char** schema) {
    const char* parts[2] = {NULL, NULL};
    ListCell* cell;

    foreach (cell, names) {
        Node* node = (Node*)lfirst(cell);

        parts[0] = parts[1];
        parts[1] = node != NULL && IsA(node, String) ? strVal(node) : NULL;
    }
    if (schema != NULL) *schema = parts[0];
    return parts[1];
}

/* Casts to these leave a string constant as it is. */
static bool is_text_like(const TypeName* type) {
    static const char* const names[] = {"text", "varchar", "bool", "name"};
    const char* name = weir_last_name(type->names, NULL);
    size_t i;

    if (name == NULL || type->setof || type->arrayBounds != NIL || type->typmods != NIL)
        return false;
    for (i = 0; i < lengthof(names); i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

struct weir_argument weir_constant(const Node* node) {
    struct weir_argument computed = {WEIR_COMPUTED, NULL};
    struct weir_argument result = {WEIR_NULL, NULL};
    const A_Const* constant;

    while (node != NULL && IsA(node, TypeCast) && is_text_like(((const TypeCast*)node)->typeName))
        node = ((const TypeCast*)node)->arg;
    if (node == NULL || !IsA(node, A_Const)) return computed;
    constant = (const A_Const*)node;
    if (constant->isnull) return result;
    switch (nodeTag(&constant->val)) {
        case T_String:
            result.kind = WEIR_STRING;
            result.text = constant->val.sval.sval;
            return result;
        case T_Integer:
            result.kind = WEIR_NUMBER;
            result.text = psprintf("%d", constant->val.ival.ival);
            return result;
        case T_Float:
            result.kind = WEIR_NUMBER;
            result.text = constant->val.fval.fval;
            return result;
        case T_Boolean:
            result.kind = WEIR_BOOLEAN;
            result.text = constant->val.boolval.boolval ? "true" : "false";
            return result;
        default:
            return computed;
    }
}

struct weir_call* weir_note_call(
    struct weir_walk* walk, List* names, List* arguments, bool procedure
) {
    struct weir_tree* tree = walk->tree;
    struct weir_call call;
    ListCell* cell;

    if (walk->definition && !walk->judging) return NULL;
    memset(&call, 0, sizeof call);
    call.name = weir_last_name(names, &call.schema);
    call.statement = walk->statement;
    call.stored = walk->judging;
    call.procedure = procedure;
    if (call.name == NULL) {
        weir_note_pin(walk, WEIR_PIN_UNKNOWN_NODE, "function name");
        return NULL;
    }
    foreach (cell, arguments) {
        if (call.count < WEIR_ARGUMENTS)
            call.arguments[call.count] = weir_constant((Node*)lfirst(cell));
        call.count++;
    }
    walk->calls =
        weir_grown(walk->calls, tree->call_count, &walk->call_capacity, sizeof(struct weir_call));
    tree->calls = walk->calls;
    walk->calls[tree->call_count] = call;
    return &walk->calls[tree->call_count++];
}

/* The aggregated arguments of an ordered-set aggregate are arguments, too. */
static void note_function_call(struct weir_walk* walk, const FuncCall* function) {
    struct weir_call* call = weir_note_call(walk, function->funcname, function->args, false);

    if (call != NULL && function->agg_within_group) call->count += list_length(function->agg_order);
}

/* The handler of a sampling method takes one argument, of type internal. */
static void note_sampling_method(struct weir_walk* walk, const RangeTableSample* sample) {
    struct weir_call* call = weir_note_call(walk, sample->method, NIL, false);

    if (call != NULL) call->count = 1;
}

static void note_operator(struct weir_walk* walk, List* names) {
    const char* schema;
    const char* name = weir_last_name(names, &schema);

    weir_note_use(walk, WEIR_USE_OPERATOR, schema, name);
    if (name != NULL && weir_is_builtin_operator(name) &&
        (schema == NULL || strcmp(schema, "pg_catalog") == 0))
        return;
    weir_note_pin(walk, WEIR_PIN_UNKNOWN_OPERATOR, name);
    if (walk->definition || name == NULL) return;
    walk->operators = weir_grown(
        walk->operators, walk->tree->operator_count, &walk->operator_capacity, sizeof(char*)
    );
    walk->tree->operators = walk->operators;
    walk->operators[walk->tree->operator_count++] = name;
}

static void note_relation(struct weir_walk* walk, const RangeVar* relation) {
    const char* name = relation->relname;

    weir_note_relation_use(walk, relation);
    if (weir_is_temp_schema(relation->schemaname)) weir_note_pin(walk, WEIR_PIN_TEMP_OBJECT, name);
    weir_note_relation_name(walk, name);
    if (strcmp(name, "pg_prepared_statements") == 0 || strcmp(name, "pg_cursors") == 0)
        weir_note(walk, WEIR_READS_SESSION_STATE);
}

void weir_note_into(struct weir_walk* walk, const IntoClause* into) {
    const RangeVar* relation = into->rel;

    weir_note(walk, WEIR_MAY_WRITE | WEIR_DEFINES);
    if (relation == NULL) return;
    weir_note_changed(walk, relation->relname);
    if (relation->relpersistence == RELPERSISTENCE_TEMP ||
        weir_is_temp_schema(relation->schemaname)) {
        if (into->onCommit != ONCOMMIT_DROP)
            weir_note_pin(walk, WEIR_PIN_TEMP_OBJECT, relation->relname);
    } else if (relation->schemaname == NULL)
        weir_note(walk, WEIR_CREATES_RELATION);
}

/* The left side of a chain of operators is as long as the text: a loop, not recursion. */
static void walk_operators(struct weir_walk* walk, A_Expr* expression) {
    Node* left;

    for (;;) {
        if (++walk->visits > MAX_VISITS) return;
        if (expression->kind == AEXPR_OP || expression->kind == AEXPR_OP_ANY ||
            expression->kind == AEXPR_OP_ALL)
            note_operator(walk, expression->name);
        else
            weir_note_syntax_operator(walk, expression);
        weir_walk_node(walk, expression->rexpr);
        left = expression->lexpr;
        if (left == NULL || !IsA(left, A_Expr)) break;
        expression = (A_Expr*)left;
    }
    weir_walk_node(walk, left);
}

/* The same for UNION, whose first branch is at the bottom left and sees the outer ones' CTEs. */
static void walk_select(struct weir_walk* walk, SelectStmt* select) {
    int outer_ctes = walk->cte_count;

    for (; select != NULL; select = select->larg) {
        if (++walk->visits > MAX_VISITS) return;
        weir_walk_with(walk, select->withClause);
        if (select->intoClause != NULL) weir_note_into(walk, select->intoClause);
        if (select->lockingClause != NIL) weir_note(walk, WEIR_LOCKING_CLAUSE | WEIR_MAY_WRITE);
        weir_walk_node(walk, select->distinctClause);
        weir_walk_node(walk, select->targetList);
        weir_walk_node(walk, select->fromClause);
        weir_walk_node(walk, select->whereClause);
        weir_walk_node(walk, select->groupClause);
        weir_walk_node(walk, select->havingClause);
        weir_walk_node(walk, select->windowClause);
        weir_walk_node(walk, select->valuesLists);
        weir_walk_node(walk, select->sortClause);
        weir_walk_node(walk, select->limitOffset);
        weir_walk_node(walk, select->limitCount);
        weir_walk_node(walk, select->rarg);
    }
    walk->cte_count = outer_ctes;
}

/* What a node itself means. False: the walk goes on below it by other means, or not at all. */
static bool visit(struct weir_walk* walk, Node* node) {
    switch (nodeTag(node)) {
        case T_A_Expr:
            walk_operators(walk, (A_Expr*)node);
            return false;
        case T_SelectStmt:
            walk_select(walk, (SelectStmt*)node);
            return false;
        case T_InsertStmt:
        case T_MergeStmt:
            weir_note(walk, WEIR_MAY_WRITE | WEIR_MAY_ADVANCE_SEQUENCE);
            return true;
        case T_UpdateStmt:
            weir_note(walk, WEIR_MAY_WRITE | WEIR_MAY_ADVANCE_SEQUENCE);
            /* The rule of this view calls set_config(..., false). */
            if (strcmp(((UpdateStmt*)node)->relation->relname, "pg_settings") == 0)
                weir_note_pin(walk, WEIR_PIN_SET_CONFIG, "pg_settings");
            return true;
        case T_DeleteStmt:
            weir_note(walk, WEIR_MAY_WRITE | WEIR_MAY_ADVANCE_SEQUENCE);
            return true;
        case T_FuncCall:
            note_function_call(walk, (FuncCall*)node);
            return true;
        case T_ColumnRef:
            weir_note_attributes(walk, ((ColumnRef*)node)->fields, false);
            if (walk->judging && list_length(((ColumnRef*)node)->fields) > 1)
                weir_note(walk, WEIR_CHANGES_EFFECTS);
            return true;
        case T_A_Indirection:
            weir_note_attributes(walk, ((A_Indirection*)node)->indirection, true);
            if (walk->judging) weir_note(walk, WEIR_CHANGES_EFFECTS);
            return true;
        case T_SubLink:
            if (((SubLink*)node)->operName != NIL)
                note_operator(walk, ((SubLink*)node)->operName);
            else if (((SubLink*)node)->testexpr != NULL) /* IN */
                weir_note_equality(walk);
            return true;
        case T_CaseExpr:
            if (((CaseExpr*)node)->arg != NULL) weir_note_equality(walk);
            return true;
        case T_JoinExpr:
            if (((JoinExpr*)node)->isNatural || ((JoinExpr*)node)->usingClause != NIL)
                weir_note_equality(walk);
            return true;
        case T_TypeName:
            weir_note_type(walk, (TypeName*)node);
            return true;
        case T_SortBy:
            if (((SortBy*)node)->useOp != NIL) note_operator(walk, ((SortBy*)node)->useOp);
            return true;
        case T_RangeTableSample:
            note_sampling_method(walk, (RangeTableSample*)node);
            return true;
        case T_RangeVar:
            note_relation(walk, (RangeVar*)node);
            return false;
        case T_TypeCast: {
            const TypeName* type = ((TypeCast*)node)->typeName;
            const char* name = weir_last_name(type->names, NULL);

            if (name != NULL && strncmp(name, "reg", 3) == 0) weir_note(walk, WEIR_LITERALS_MATTER);
            return true;
        }
        case T_MultiAssignRef:
            /* (a, b, c) = source: three nodes share the source; nested, their number would explode.
             */
            return ((MultiAssignRef*)node)->colno == 1;
        default:
            return true;
    }
}

/* The nodes raw_expression_tree_walker() knows: for any other it raises an error. */
static bool is_expression_node(NodeTag tag) {
    switch (tag) {
        case T_SetToDefault:
        case T_CurrentOfExpr:
        case T_SQLValueFunction:
        case T_Integer:
        case T_Float:
        case T_Boolean:
        case T_String:
        case T_BitString:
        case T_ParamRef:
        case T_A_Const:
        case T_A_Star:
        case T_Alias:
        case T_RangeVar:
        case T_GroupingFunc:
        case T_SubLink:
        case T_CaseExpr:
        case T_RowExpr:
        case T_CoalesceExpr:
        case T_MinMaxExpr:
        case T_XmlExpr:
        case T_NullTest:
        case T_BooleanTest:
        case T_JoinExpr:
        case T_IntoClause:
        case T_List:
        case T_InsertStmt:
        case T_DeleteStmt:
        case T_UpdateStmt:
        case T_MergeStmt:
        case T_MergeWhenClause:
        case T_SelectStmt:
        case T_A_Expr:
        case T_BoolExpr:
        case T_ColumnRef:
        case T_FuncCall:
        case T_NamedArgExpr:
        case T_A_Indices:
        case T_A_Indirection:
        case T_A_ArrayExpr:
        case T_ResTarget:
        case T_MultiAssignRef:
        case T_TypeCast:
        case T_CollateClause:
        case T_SortBy:
        case T_WindowDef:
        case T_RangeSubselect:
        case T_RangeFunction:
        case T_RangeTableSample:
        case T_RangeTableFunc:
        case T_RangeTableFuncCol:
        case T_TypeName:
        case T_ColumnDef:
        case T_IndexElem:
        case T_GroupingSet:
        case T_LockingClause:
        case T_XmlSerialize:
        case T_WithClause:
        case T_InferClause:
        case T_OnConflictClause:
        case T_CommonTableExpr:
            return true;
        default:
            return false;
    }
}

/* A callback of raw_expression_tree_walker(); true ends the walk. */
static bool walk_expression(Node* node, void* context) {
    struct weir_walk* walk = context;

    if (node == NULL) return false;
    if (walk->depth >= MAX_DEPTH || ++walk->visits > MAX_VISITS) {
        weir_note_pin(walk, WEIR_PIN_TOO_DEEP, NULL);
        return true;
    }
    if (!is_expression_node(nodeTag(node))) {
        weir_note_pin(walk, WEIR_PIN_UNKNOWN_NODE, NULL);
        return false;
    }
    if (visit(walk, node)) {
        walk->depth++;
        raw_expression_tree_walker(node, walk_expression, walk);
        walk->depth--;
    }
    return false;
}

void weir_walk_node(struct weir_walk* walk, const void* node) {
    walk->depth++;
    walk_expression((Node*)node, walk);
    walk->depth--;
    if (walk->visits > MAX_VISITS) weir_note_pin(walk, WEIR_PIN_TOO_DEEP, NULL);
}

enum weir_kind weir_walk_statement(struct weir_walk* walk, Node* node) {
    if (node == NULL) return WEIR_EMPTY;
    switch (nodeTag(node)) {
        case T_SelectStmt:
            weir_walk_node(walk, node);
            return WEIR_SELECT;
        case T_InsertStmt:
            weir_walk_node(walk, node);
            return WEIR_INSERT;
        case T_UpdateStmt:
            weir_walk_node(walk, node);
            return WEIR_UPDATE;
        case T_DeleteStmt:
            weir_walk_node(walk, node);
            return WEIR_DELETE;
        case T_MergeStmt:
            weir_walk_node(walk, node);
            return WEIR_MERGE;
        default:
            return weir_walk_utility(walk, node);
    }
}

static void walk_statements(struct weir_tree* tree, List* statements) {
    struct weir_walk walk;
    ListCell* cell;

    memset(&walk, 0, sizeof walk);
    walk.tree = tree;
    foreach (cell, statements) {
        RawStmt* raw = lfirst(cell);
        bool is_raw = raw != NULL && IsA(raw, RawStmt);

        walk.statement = tree->kind_count;
        if (!is_raw) weir_note_pin(&walk, WEIR_PIN_UNKNOWN_NODE, NULL);
        add_kind(&walk, is_raw ? weir_walk_statement(&walk, raw->stmt) : WEIR_UNKNOWN);
    }
}

static void forget(struct weir_tree* tree, enum weir_pin pin) {
    void* memory = tree->memory;

    memset(tree, 0, sizeof *tree);
    tree->memory = memory;
    tree->pins = 1U << pin;
    tree->first_pin = pin;
}

static void parse_and_walk(const char* text, struct weir_tree* tree) {
    PgQueryInternalParsetreeAndError result = pg_query_raw_parse(text);

    free(result.stderr_buffer);
    if (result.error != NULL) {
        pg_query_free_error(result.error);
        forget(tree, WEIR_PIN_UNPARSABLE);
        return;
    }
    tree->parsed = true;
    walk_statements(tree, result.tree);
}

void weir_tree_analyse(const char* text, struct weir_tree* tree) {
    sigjmp_buf* outer_frame = PG_exception_stack;
    ErrorContextCallback* outer_context = error_context_stack;
    sigjmp_buf frame;

    memset(tree, 0, sizeof *tree);
    /* Without a frame an elog(ERROR) would end the process. */
    if (sigsetjmp(frame, 0) == 0) {
        PG_exception_stack = &frame;
        tree->memory = pg_query_enter_memory_context();
        parse_and_walk(text, tree);
    } else {
        FlushErrorState();
        forget(tree, WEIR_PIN_UNKNOWN_NODE);
    }
    PG_exception_stack = outer_frame;
    error_context_stack = outer_context;
}

void weir_tree_free(struct weir_tree* tree) {
    if (tree->memory != NULL) pg_query_exit_memory_context((MemoryContext)tree->memory);
    tree->memory = NULL;
}

int weir_tree_library_version(void) {
    static const char key[] = "\"version\":";
    PgQueryParseResult result = pg_query_parse("SELECT 1");
    const char* found = result.parse_tree == NULL ? NULL : strstr(result.parse_tree, key);
    int version = found == NULL ? 0 : atoi(found + sizeof key - 1);

    pg_query_free_parse_result(result);
    return version;
}

int weir_tree_header_version(void) {
    return PG_VERSION_NUM;
}
