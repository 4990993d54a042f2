/*
 * What pg_query_tree.c finds in libpg_query's raw parse tree, as plain C structs: the border
 * between PostgreSQL's headers, which only the C files include, and C++.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The order is that of router::StatementKind; pg_query_parser.cc asserts it. */
enum weir_kind {
    WEIR_UNKNOWN,
    WEIR_EMPTY,
    WEIR_SELECT,
    WEIR_INSERT,
    WEIR_UPDATE,
    WEIR_DELETE,
    WEIR_MERGE,
    WEIR_BEGIN,
    WEIR_COMMIT,
    WEIR_ROLLBACK,
    WEIR_SAVEPOINT,
    WEIR_RELEASE,
    WEIR_ROLLBACK_TO,
    WEIR_PREPARE_TRANSACTION,
    WEIR_COMMIT_PREPARED,
    WEIR_ROLLBACK_PREPARED,
    WEIR_SET,
    WEIR_SET_TRANSACTION,
    WEIR_SET_CONSTRAINTS,
    WEIR_RESET,
    WEIR_SHOW,
    WEIR_PREPARE,
    WEIR_EXECUTE,
    WEIR_DEALLOCATE,
    WEIR_DISCARD,
    WEIR_DECLARE_CURSOR,
    WEIR_FETCH,
    WEIR_CLOSE_PORTAL,
    WEIR_LISTEN,
    WEIR_UNLISTEN,
    WEIR_NOTIFY,
    WEIR_LOCK,
    WEIR_LOAD,
    WEIR_DO,
    WEIR_CALL,
    WEIR_COPY_IN,
    WEIR_COPY_OUT,
    WEIR_COPY_FILE,
    WEIR_EXPLAIN,
    WEIR_CREATE_TABLE,
    WEIR_CREATE_TABLE_AS,
    WEIR_CREATE_VIEW,
    WEIR_CREATE_SEQUENCE,
    WEIR_CREATE_INDEX,
    WEIR_CREATE_FUNCTION,
    WEIR_TRUNCATE,
    WEIR_VACUUM,
    WEIR_REINDEX,
    WEIR_CLUSTER,
    WEIR_REFRESH,
    WEIR_CHECKPOINT,
    WEIR_ALTER_SYSTEM,
    WEIR_DDL,
    WEIR_UTILITY_OTHER,
    WEIR_KIND_LAST = WEIR_UTILITY_OTHER
};

/* The order is that of router::PinReason up to here; the C++ side adds those it finds itself. */
enum weir_pin {
    WEIR_PIN_NONE,
    WEIR_PIN_SET_SETTING,
    WEIR_PIN_SET_CONFIG,
    WEIR_PIN_TEMP_OBJECT,
    WEIR_PIN_ADVISORY_LOCK,
    WEIR_PIN_LISTEN,
    WEIR_PIN_SQL_PREPARE,
    WEIR_PIN_SQL_EXECUTE,
    WEIR_PIN_HOLD_CURSOR,
    WEIR_PIN_LOAD,
    WEIR_PIN_DO_BLOCK,
    WEIR_PIN_CALL,
    WEIR_PIN_SETSEED,
    WEIR_PIN_DBLINK,
    WEIR_PIN_REPLICATION_ORIGIN,
    WEIR_PIN_REPLICATION_SLOT,
    WEIR_PIN_BACKUP,
    WEIR_PIN_DYNAMIC_SQL,
    WEIR_PIN_UNKNOWN_FUNCTION,
    WEIR_PIN_UNKNOWN_OPERATOR,
    WEIR_PIN_UNPARSABLE,
    WEIR_PIN_TOO_LONG,
    WEIR_PIN_TOO_DEEP,
    WEIR_PIN_UNKNOWN_ENCODING,
    WEIR_PIN_UNKNOWN_NODE,
    WEIR_PIN_LAST = WEIR_PIN_UNKNOWN_NODE
};

/* Bits of weir_tree.facts. */
#define WEIR_MAY_WRITE (1U << 0)
#define WEIR_LOCKING_CLAUSE (1U << 1)
#define WEIR_CREATES_RELATION (1U << 2)
#define WEIR_MAY_ADVANCE_SEQUENCE (1U << 3)
#define WEIR_READS_SESSION_STATE (1U << 4)
#define WEIR_MAY_NOTIFY (1U << 5)
#define WEIR_NOT_IN_PIPELINE (1U << 6)
#define WEIR_RESET_ALL (1U << 7)
#define WEIR_DEALLOCATE_ALL (1U << 8)
#define WEIR_DISCARD_ALL (1U << 9)
#define WEIR_DISCARD_TEMP (1U << 10)
#define WEIR_DISCARD_SEQUENCES (1U << 11)
#define WEIR_CLOSE_ALL (1U << 12)
#define WEIR_UNLISTEN_ALL (1U << 13)
#define WEIR_CHANGES_NEW_SESSIONS (1U << 14)
#define WEIR_LITERALS_MATTER (1U << 15)
#define WEIR_UNLOCKS_ADVISORY (1U << 16)
#define WEIR_DEFINES (1U << 17)
#define WEIR_CHANGES_EFFECTS (1U << 18)
#define WEIR_ANY_RELATION (1U << 19)
#define WEIR_TRUNCATES (1U << 20)
#define WEIR_MAY_END_TRANSACTION (1U << 21)
#define WEIR_CHAINS (1U << 22)
#define WEIR_SHOWS_NODE (1U << 23)     /* SHOW of what primary and replica answer differently */
#define WEIR_LOCKS_STRONGLY (1U << 24) /* LOCK in a mode that no standby grants */
/* Of WEIR_DEFINES: more than what is in `changed` may be something else after it. */
#define WEIR_CHANGES_ANYTHING (1U << 25)
/* ... no more than what the text has a name for, but not only what is in `changed`. */
#define WEIR_CHANGES_WORDS (1U << 26)

enum weir_argument_kind {
    WEIR_ABSENT,
    WEIR_STRING,
    WEIR_NUMBER,
    WEIR_BOOLEAN,
    WEIR_NULL,
    WEIR_COMPUTED
};

struct weir_argument {
    enum weir_argument_kind kind;
    const char* text; /* of a string or number; "true" or "false" */
};

#define WEIR_ARGUMENTS 3

struct weir_call {
    const char* schema; /* NULL without one */
    const char* name;
    struct weir_argument arguments[WEIR_ARGUMENTS]; /* the first ones, by position */
    int count;                                      /* of all arguments */
    int statement;
    bool stored;    /* in a default, check or key: not called now */
    bool procedure; /* of CALL: none of PostgreSQL's own */
};

/* A DO statement: its language (NULL: plpgsql) and its body. */
struct weir_do {
    const char* language;
    const char* body;
};

/* A name in use by what this text runs; functions are among the calls. */
enum weir_use_kind {
    WEIR_USE_RELATION,
    WEIR_USE_OPERATOR,
    WEIR_USE_TYPE,
    WEIR_USE_ATTRIBUTE, /* t.name */
    WEIR_USE_FIELD      /* (expression).name */
};

struct weir_use {
    enum weir_use_kind kind;
    const char* schema; /* NULL without one */
    const char* name;
};

enum weir_setting_action { WEIR_SETTING_SET, WEIR_SETTING_TO_DEFAULT };

struct weir_setting {
    const char* name;
    const char* value; /* NULL if not constant */
    enum weir_setting_action action;
    bool is_local;
    int statement;
};

/* LISTEN, UNLISTEN (NULL: all), SAVEPOINT, RELEASE, ROLLBACK TO. */
struct weir_scope {
    enum weir_kind kind;
    const char* name;
};

/* Whose sessions begin otherwise after ALTER ROLE, ALTER DATABASE ...; NULL: all. */
struct weir_new_sessions {
    const char* role;
    const char* database;
};

/* -1: not given. */
struct weir_transaction_options {
    bool present;
    int isolation; /* order of router::Isolation */
    int read_only;
    int deferrable;
    bool chain;
    bool snapshot;
    bool contradictory;
    int statement;
};

struct weir_tree {
    bool parsed;
    uint32_t facts;
    uint32_t pins; /* bit per weir_pin */
    enum weir_pin first_pin;
    const char* pin_detail;
    const char* name;
    struct weir_transaction_options transaction;

    const uint8_t* kinds; /* enum weir_kind */
    int kind_count;
    const struct weir_call* calls;
    int call_count;
    const struct weir_setting* settings;
    int setting_count;
    const struct weir_scope* scopes;
    int scope_count;
    const struct weir_new_sessions* new_sessions;
    int new_session_count;
    const char* const* relations; /* names without schemas, as often as they are written */
    int relation_count;
    const char* const* operators; /* those that are not PostgreSQL's own, likewise */
    int operator_count;
    const char* const* changed; /* relations and functions that DDL makes or changes */
    int changed_count;
    const struct weir_use* uses; /* as often as they are written; not names of CTEs */
    int use_count;
    const struct weir_transaction_options* modes; /* of every BEGIN and SET TRANSACTION */
    int mode_count;
    struct weir_do do_block; /* of the first DO; without a body there is none, or one too many */
    int do_count;

    void* memory; /* what everything above lives in */
};

/*
 * Parses and walks. Whatever the text: no exit, no longjmp out of here. What `tree` points to lives
 * until weir_tree_free(), which must follow on the same thread, and before the next call.
 * REQUIRES: no NUL in the text but the one at its end; a length the parser can stand.
 */
void weir_tree_analyse(const char* text, struct weir_tree* tree);
void weir_tree_free(struct weir_tree* tree);

/* PG_VERSION_NUM of the library's grammar, and of the headers compiled with; 0 if not to be had. */
int weir_tree_library_version(void);
int weir_tree_header_version(void);

/* Supplied by C++ (builtins.cc): whether pg_catalog has an operator of this name. Never throws. */
bool weir_is_builtin_operator(const char* name);

#ifdef __cplusplus
}
#endif
