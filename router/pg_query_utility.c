/*
 * The utility statements: an explicit table, for raw_expression_tree_walker() knows none of them. A
 * node that is not in it is unknown, and pins.
 */
#include "router/pg_query_walk.h"

#include <storage/lockdefs.h>
#include <strings.h>

static const DefElem* find_option(List* options, const char* name) {
    ListCell* cell;

    foreach (cell, options) {
        const DefElem* option = lfirst(cell);

        if (option != NULL && IsA(option, DefElem) && option->defname != NULL &&
            strcmp(option->defname, name) == 0)
            return option;
    }
    return NULL;
}

/* An object that a DDL statement creates under this name. */
static void note_created(struct weir_walk* walk, List* names) {
    const char* schema;
    const char* name = weir_last_name(names, &schema);

    if (weir_is_temp_schema(schema)) weir_note_pin(walk, WEIR_PIN_TEMP_OBJECT, name);
    if (schema == NULL) weir_note(walk, WEIR_CREATES_RELATION);
}

static void note_created_relation(
    struct weir_walk* walk, const RangeVar* relation, bool dropped_on_commit
) {
    if (relation == NULL) return;
    if (relation->relpersistence == RELPERSISTENCE_TEMP ||
        weir_is_temp_schema(relation->schemaname)) {
        if (!dropped_on_commit) weir_note_pin(walk, WEIR_PIN_TEMP_OBJECT, relation->relname);
    } else if (relation->schemaname == NULL)
        weir_note(walk, WEIR_CREATES_RELATION);
}

static int isolation_level(const char* name) {
    static const char* const levels[] = {
        "read uncommitted", "read committed", "repeatable read", "serializable"};
    int i;

    for (i = 0; i < (int)lengthof(levels); i++)
        if (name != NULL && strcmp(name, levels[i]) == 0) return i;
    return -1;
}

static void set_option(struct weir_transaction_options* options, int* option, int value) {
    if (*option != -1 && *option != value) options->contradictory = true;
    *option = value;
}

/* Into `found`, which gets "not given" for what is not there. */
static void read_transaction_options(List* list, struct weir_transaction_options* found) {
    ListCell* cell;

    memset(found, 0, sizeof *found);
    found->present = true;
    found->isolation = found->read_only = found->deferrable = -1;
    foreach (cell, list) {
        const DefElem* option = lfirst(cell);
        struct weir_argument value = weir_constant(option->arg);
        bool truth =
            value.text != NULL && (strcmp(value.text, "1") == 0 || strcmp(value.text, "true") == 0);

        if (strcmp(option->defname, "transaction_isolation") == 0)
            set_option(found, &found->isolation, isolation_level(value.text));
        else if (strcmp(option->defname, "transaction_read_only") == 0)
            set_option(found, &found->read_only, truth);
        else if (strcmp(option->defname, "transaction_deferrable") == 0)
            set_option(found, &found->deferrable, truth);
    }
}

static void add_modes(struct weir_walk* walk, const struct weir_transaction_options* options) {
    struct weir_tree* tree = walk->tree;

    walk->modes = weir_grown(walk->modes, tree->mode_count, &walk->mode_capacity, sizeof *options);
    tree->modes = walk->modes;
    walk->modes[tree->mode_count] = *options;
    walk->modes[tree->mode_count++].statement = walk->statement;
}

static struct weir_transaction_options* note_transaction_options(
    struct weir_walk* walk, List* list
) {
    static __thread struct weir_transaction_options unused;
    struct weir_transaction_options* options = &walk->tree->transaction;

    if (options->present) options = &unused; /* those of the first statement count */
    read_transaction_options(list, options);
    return options;
}

static enum weir_kind walk_transaction(struct weir_walk* walk, const TransactionStmt* statement) {
    switch (statement->kind) {
        case TRANS_STMT_BEGIN:
        case TRANS_STMT_START:
            add_modes(walk, note_transaction_options(walk, statement->options));
            return WEIR_BEGIN;
        case TRANS_STMT_COMMIT:
            if (statement->chain) weir_note(walk, WEIR_CHAINS);
            note_transaction_options(walk, NIL)->chain = statement->chain;
            return WEIR_COMMIT;
        case TRANS_STMT_ROLLBACK:
            if (statement->chain) weir_note(walk, WEIR_CHAINS);
            note_transaction_options(walk, NIL)->chain = statement->chain;
            return WEIR_ROLLBACK;
        case TRANS_STMT_SAVEPOINT:
            weir_note_name(walk, statement->savepoint_name);
            weir_note_scope(walk, WEIR_SAVEPOINT, statement->savepoint_name);
            return WEIR_SAVEPOINT;
        case TRANS_STMT_RELEASE:
            weir_note_name(walk, statement->savepoint_name);
            weir_note_scope(walk, WEIR_RELEASE, statement->savepoint_name);
            return WEIR_RELEASE;
        case TRANS_STMT_ROLLBACK_TO:
            weir_note_name(walk, statement->savepoint_name);
            weir_note_scope(walk, WEIR_ROLLBACK_TO, statement->savepoint_name);
            return WEIR_ROLLBACK_TO;
        case TRANS_STMT_PREPARE:
            weir_note_name(walk, statement->gid);
            weir_note(walk, WEIR_MAY_WRITE | WEIR_LITERALS_MATTER);
            return WEIR_PREPARE_TRANSACTION;
        case TRANS_STMT_COMMIT_PREPARED:
        case TRANS_STMT_ROLLBACK_PREPARED:
            weir_note_name(walk, statement->gid);
            weir_note(walk, WEIR_MAY_WRITE | WEIR_LITERALS_MATTER | WEIR_NOT_IN_PIPELINE);
            /* What was prepared may be DDL. */
            if (statement->kind == TRANS_STMT_COMMIT_PREPARED)
                weir_note(walk, WEIR_DEFINES | WEIR_CHANGES_EFFECTS | WEIR_CHANGES_ANYTHING);
            return statement->kind == TRANS_STMT_COMMIT_PREPARED ? WEIR_COMMIT_PREPARED
                                                                 : WEIR_ROLLBACK_PREPARED;
    }
    weir_note_pin(walk, WEIR_PIN_UNKNOWN_NODE, NULL);
    return WEIR_UNKNOWN;
}

/* As quote_identifier() does, but also for keywords, which need no quotes in a setting's list. */
static const char* list_item(const char* name) {
    const char* c;
    char* quoted;
    char* out;

    for (c = name; (*c >= 'a' && *c <= 'z') || *c == '_' || (c > name && *c >= '0' && *c <= '9');
         c++)
        ;
    if (*c == '\0' && c > name) return name;
    out = quoted = palloc(2 * strlen(name) + 3);
    *out++ = '"';
    for (c = name; *c != '\0'; c++) {
        if (*c == '"') *out++ = '"';
        *out++ = *c;
    }
    *out++ = '"';
    *out = '\0';
    return quoted;
}

/* Settings whose lists are of identifiers (GUC_LIST_QUOTE in guc.c). */
static bool is_identifier_list(const char* name) {
    static const char* const names[] = {
        "search_path",
        "temp_tablespaces",
        "session_preload_libraries",
        "local_preload_libraries",
        "shared_preload_libraries",
        "unix_socket_directories"};
    size_t i;

    for (i = 0; i < lengthof(names); i++)
        if (strcasecmp(name, names[i]) == 0) return true;
    return false;
}

/* As flatten_set_variable_args() does; NULL if an item is no simple constant. */
static const char* setting_value(const char* name, List* arguments) {
    bool quote = is_identifier_list(name);
    const char* result = NULL;
    ListCell* cell;

    foreach (cell, arguments) {
        const Node* node = lfirst(cell);
        struct weir_argument item = weir_constant(node);

        if (item.text == NULL || !IsA(node, A_Const)) return NULL;
        if (quote && item.kind == WEIR_STRING) item.text = list_item(item.text);
        result = result == NULL ? item.text : psprintf("%s, %s", result, item.text);
    }
    return result;
}

static void note_characteristics(struct weir_walk* walk, List* list) {
    static const char* const levels[] = {
        "read uncommitted", "read committed", "repeatable read", "serializable"};
    struct weir_transaction_options found;

    read_transaction_options(list, &found);
    if (found.isolation >= 0)
        weir_note_setting(
            walk, "default_transaction_isolation", levels[found.isolation], WEIR_SETTING_SET, false
        );
    if (found.read_only >= 0)
        weir_note_setting(
            walk,
            "default_transaction_read_only",
            found.read_only ? "on" : "off",
            WEIR_SETTING_SET,
            false
        );
    if (found.deferrable >= 0)
        weir_note_setting(
            walk,
            "default_transaction_deferrable",
            found.deferrable ? "on" : "off",
            WEIR_SETTING_SET,
            false
        );
}

static enum weir_kind walk_set(struct weir_walk* walk, const VariableSetStmt* statement) {
    struct weir_transaction_options* options;

    weir_note(walk, WEIR_LITERALS_MATTER);
    switch (statement->kind) {
        case VAR_SET_VALUE:
            weir_note_setting(
                walk,
                statement->name,
                setting_value(statement->name, statement->args),
                WEIR_SETTING_SET,
                statement->is_local
            );
            return WEIR_SET;
        case VAR_SET_CURRENT:
            weir_note_setting(walk, statement->name, NULL, WEIR_SETTING_SET, statement->is_local);
            return WEIR_SET;
        case VAR_SET_DEFAULT:
        case VAR_RESET:
            weir_note_setting(
                walk, statement->name, NULL, WEIR_SETTING_TO_DEFAULT, statement->is_local
            );
            return WEIR_RESET;
        case VAR_RESET_ALL:
            weir_note(walk, WEIR_RESET_ALL);
            return WEIR_RESET;
        case VAR_SET_MULTI:
            if (strcmp(statement->name, "TRANSACTION") == 0) {
                add_modes(walk, note_transaction_options(walk, statement->args));
                return WEIR_SET_TRANSACTION;
            }
            if (strcmp(statement->name, "TRANSACTION SNAPSHOT") == 0) {
                options = note_transaction_options(walk, NIL);
                options->snapshot = true;
                add_modes(walk, options);
                return WEIR_SET_TRANSACTION;
            }
            if (strcmp(statement->name, "SESSION CHARACTERISTICS") == 0) {
                note_characteristics(walk, statement->args);
                return WEIR_SET;
            }
            break;
    }
    weir_note_pin(walk, WEIR_PIN_UNKNOWN_NODE, statement->name);
    return WEIR_UNKNOWN;
}

static enum weir_kind walk_discard(struct weir_walk* walk, const DiscardStmt* statement) {
    switch (statement->target) {
        case DISCARD_ALL:
            weir_note(
                walk,
                WEIR_DISCARD_ALL | WEIR_RESET_ALL | WEIR_DEALLOCATE_ALL | WEIR_DISCARD_TEMP |
                    WEIR_DISCARD_SEQUENCES | WEIR_CLOSE_ALL | WEIR_UNLISTEN_ALL |
                    WEIR_UNLOCKS_ADVISORY | WEIR_NOT_IN_PIPELINE
            );
            break;
        case DISCARD_TEMP:
            weir_note(walk, WEIR_DISCARD_TEMP);
            break;
        case DISCARD_SEQUENCES:
            weir_note(walk, WEIR_DISCARD_SEQUENCES);
            break;
        case DISCARD_PLANS:
            break;
    }
    return WEIR_DISCARD;
}

static enum weir_kind walk_copy(struct weir_walk* walk, const CopyStmt* statement) {
    if (statement->relation != NULL) weir_walk_node(walk, statement->relation);
    if (statement->query != NULL) weir_walk_statement(walk, statement->query);
    weir_walk_node(walk, statement->whereClause);
    if (statement->is_from) weir_note(walk, WEIR_MAY_WRITE | WEIR_MAY_ADVANCE_SEQUENCE);
    if (statement->filename != NULL || statement->is_program) {
        weir_note(walk, WEIR_MAY_WRITE);
        return WEIR_COPY_FILE;
    }
    return statement->is_from ? WEIR_COPY_IN : WEIR_COPY_OUT;
}

/*
 * With ANALYZE the statement runs. Without, planning may still call functions, so those count in
 * any case; what a utility statement would create does not.
 */
static enum weir_kind walk_explain(struct weir_walk* walk, const ExplainStmt* statement) {
    bool analyze = find_option(statement->options, "analyze") != NULL;
    Node* query = statement->query;

    if (IsA(query, DeclareCursorStmt))
        weir_walk_statement(walk, ((DeclareCursorStmt*)query)->query);
    else if (IsA(query, CreateTableAsStmt) && !analyze) {
        weir_note(walk, WEIR_MAY_WRITE);
        weir_walk_statement(walk, ((CreateTableAsStmt*)query)->query);
    } else
        weir_walk_statement(walk, query);
    return WEIR_EXPLAIN;
}

static enum weir_kind walk_declare_cursor(
    struct weir_walk* walk, const DeclareCursorStmt* statement
) {
    weir_note_name(walk, statement->portalname);
    if (statement->options & CURSOR_OPT_HOLD)
        weir_note_pin(walk, WEIR_PIN_HOLD_CURSOR, statement->portalname);
    weir_walk_statement(walk, statement->query);
    return WEIR_DECLARE_CURSOR;
}

static void walk_partition_bound(struct weir_walk* walk, const PartitionBoundSpec* bound) {
    if (bound == NULL) return;
    weir_walk_node(walk, bound->listdatums);
    /* Range datums are plain expressions in a raw tree. */
    weir_walk_node(walk, bound->lowerdatums);
    weir_walk_node(walk, bound->upperdatums);
}

static enum weir_kind walk_create_table(struct weir_walk* walk, const CreateStmt* statement) {
    note_created_relation(walk, statement->relation, statement->oncommit == ONCOMMIT_DROP);
    walk_partition_bound(walk, statement->partbound);
    weir_note(walk, WEIR_MAY_WRITE);
    weir_judge_table(walk, statement);
    /* The rows of the default partition are looked at. */
    if (statement->partbound != NULL)
        weir_note_relation_name(walk, ((RangeVar*)linitial(statement->inhRelations))->relname);
    return WEIR_CREATE_TABLE;
}

static enum weir_kind walk_view(struct weir_walk* walk, const ViewStmt* statement) {
    bool outer = walk->definition;

    note_created_relation(walk, statement->view, false);
    weir_note(walk, WEIR_MAY_WRITE);
    /* A view of a temporary table is temporary by itself. */
    walk->definition = true;
    if (statement->query != NULL && IsA(statement->query, SelectStmt))
        weir_walk_node(walk, statement->query);
    walk->definition = outer;
    return WEIR_CREATE_VIEW;
}

/* EXCLUDE: pairs of an element and its operator. */
static void walk_exclusions(struct weir_walk* walk, List* exclusions) {
    ListCell* cell;

    foreach (cell, exclusions)
        weir_walk_node(walk, linitial((List*)lfirst(cell)));
}

/* A new column's default and a new check are run over the rows there are. */
static void walk_constraints(struct weir_walk* walk, List* constraints) {
    ListCell* cell;

    foreach (cell, constraints) {
        const Node* node = lfirst(cell);

        if (node != NULL && IsA(node, Constraint)) {
            weir_walk_node(walk, ((const Constraint*)node)->raw_expr);
            weir_walk_node(walk, ((const Constraint*)node)->where_clause);
            walk_exclusions(walk, ((const Constraint*)node)->exclusions);
        }
    }
}

static void walk_alteration(struct weir_walk* walk, const AlterTableCmd* command) {
    Node* definition = command->def;

    weir_judge_alteration(walk, command);
    if (definition == NULL) return;
    if (IsA(definition, ColumnDef)) {
        weir_walk_node(walk, ((ColumnDef*)definition)->raw_default);
        walk_constraints(walk, ((ColumnDef*)definition)->constraints);
    } else if (IsA(definition, Constraint))
        walk_constraints(walk, list_make1(definition));
    else if (IsA(definition, RangeVar)) /* INHERIT */
        weir_note_relation_name(walk, ((RangeVar*)definition)->relname);
    else if (IsA(definition, PartitionCmd)) {
        const PartitionCmd* partition = (PartitionCmd*)definition;

        walk_partition_bound(walk, partition->bound);
        weir_note_relation_name(walk, partition->name->relname);
        if (partition->concurrent) weir_note(walk, WEIR_NOT_IN_PIPELINE);
    }
}

static enum weir_kind walk_alter_table(struct weir_walk* walk, const AlterTableStmt* statement) {
    ListCell* cell;

    /* A new column may take its values from a sequence. */
    weir_note(walk, WEIR_MAY_WRITE | WEIR_MAY_ADVANCE_SEQUENCE);
    /* Its checks, defaults and indexes may be run over the rows there are. */
    if (statement->relation != NULL) weir_note_relation_name(walk, statement->relation->relname);
    foreach (cell, statement->cmds)
        walk_alteration(walk, (const AlterTableCmd*)lfirst(cell));
    return WEIR_DDL;
}

static enum weir_kind walk_index(struct weir_walk* walk, const IndexStmt* statement) {
    weir_note(walk, WEIR_MAY_WRITE);
    if (statement->concurrent) weir_note(walk, WEIR_NOT_IN_PIPELINE);
    if (statement->relation != NULL) weir_note_relation_name(walk, statement->relation->relname);
    weir_walk_node(walk, statement->indexParams);
    weir_walk_node(walk, statement->whereClause);
    weir_judge_index(walk, statement);
    return WEIR_CREATE_INDEX;
}

/* The validator of a language in C loads the function's library; an unknown one does who knows
 * what. */
static enum weir_kind walk_create_function(
    struct weir_walk* walk, const CreateFunctionStmt* statement
) {
    const DefElem* option = find_option(statement->options, "language");
    const char* language = "sql";

    weir_note(walk, WEIR_MAY_WRITE | WEIR_LITERALS_MATTER);
    note_created(walk, statement->funcname);
    if (option != NULL)
        language = option->arg != NULL && IsA(option->arg, String) ? strVal(option->arg) : "";
    if (strcasecmp(language, "sql") != 0 && strcasecmp(language, "plpgsql") != 0 &&
        strcasecmp(language, "internal") != 0)
        weir_note_pin(walk, WEIR_PIN_LOAD, language);
    return WEIR_CREATE_FUNCTION;
}

static enum weir_kind walk_create_schema(
    struct weir_walk* walk, const CreateSchemaStmt* statement
) {
    ListCell* cell;

    weir_note(walk, WEIR_MAY_WRITE);
    foreach (cell, statement->schemaElts)
        weir_walk_statement(walk, lfirst(cell));
    return WEIR_DDL;
}

static enum weir_kind walk_call(struct weir_walk* walk, const CallStmt* statement) {
    const char* name = weir_last_name(statement->funccall->funcname, NULL);

    weir_note_pin(walk, WEIR_PIN_CALL, name);
    weir_note(
        walk,
        WEIR_MAY_WRITE | WEIR_MAY_ADVANCE_SEQUENCE | WEIR_MAY_NOTIFY | WEIR_NOT_IN_PIPELINE |
            WEIR_MAY_END_TRANSACTION
    );
    weir_note_call(walk, statement->funccall->funcname, statement->funccall->args, true);
    weir_walk_node(walk, statement->funccall->args);
    return WEIR_CALL;
}

static void note_do(struct weir_walk* walk, const DoStmt* statement) {
    struct weir_tree* tree = walk->tree;
    const DefElem* language = find_option(statement->args, "language");
    const DefElem* body = find_option(statement->args, "as");

    memset(&tree->do_block, 0, sizeof tree->do_block);
    if (tree->do_count++ > 0 || body == NULL || body->arg == NULL || !IsA(body->arg, String))
        return;
    tree->do_block.body = strVal(body->arg);
    if (language != NULL)
        tree->do_block.language =
            language->arg != NULL && IsA(language->arg, String) ? strVal(language->arg) : "";
}

static enum weir_kind walk_truncate(struct weir_walk* walk, const TruncateStmt* statement) {
    ListCell* cell;

    weir_note(walk, WEIR_MAY_WRITE | WEIR_TRUNCATES | WEIR_MAY_ADVANCE_SEQUENCE);
    foreach (cell, statement->relations)
        weir_walk_node(walk, lfirst(cell));
    return WEIR_TRUNCATE;
}

/* Drivers ask these for the node that takes writes. */
static enum weir_kind walk_show(struct weir_walk* walk, const VariableShowStmt* statement) {
    static const char* const names[] = {"transaction_read_only", "in_hot_standby", "all"};
    size_t i;

    weir_note_name(walk, statement->name);
    for (i = 0; i < lengthof(names); i++)
        if (strcasecmp(statement->name, names[i]) == 0) weir_note(walk, WEIR_SHOWS_NODE);
    return WEIR_SHOW;
}

/* Its relations run nothing. */
static enum weir_kind walk_lock(struct weir_walk* walk, const LockStmt* statement) {
    ListCell* cell;

    weir_note(walk, WEIR_MAY_WRITE);
    if (statement->mode > RowExclusiveLock) weir_note(walk, WEIR_LOCKS_STRONGLY);
    foreach (cell, statement->relations) {
        const RangeVar* relation = lfirst(cell);

        weir_note_use(walk, WEIR_USE_RELATION, relation->schemaname, relation->relname);
    }
    return WEIR_LOCK;
}

/* Cursors, prepared statements, notifications, locks: what belongs to the session. */
static enum weir_kind walk_session_statement(struct weir_walk* walk, Node* node) {
    switch (nodeTag(node)) {
        case T_VariableSetStmt:
            return walk_set(walk, (VariableSetStmt*)node);
        case T_VariableShowStmt:
            return walk_show(walk, (VariableShowStmt*)node);
        case T_LockStmt:
            return walk_lock(walk, (LockStmt*)node);
        case T_ConstraintsSetStmt:
            return WEIR_SET_CONSTRAINTS;
        case T_DiscardStmt:
            return walk_discard(walk, (DiscardStmt*)node);
        case T_PrepareStmt:
            weir_note_name(walk, ((PrepareStmt*)node)->name);
            weir_note_pin(walk, WEIR_PIN_SQL_PREPARE, ((PrepareStmt*)node)->name);
            /* What EXECUTE will do. */
            weir_walk_statement(walk, ((PrepareStmt*)node)->query);
            return WEIR_PREPARE;
        case T_ExecuteStmt:
            weir_note_name(walk, ((ExecuteStmt*)node)->name);
            weir_note_pin(walk, WEIR_PIN_SQL_EXECUTE, ((ExecuteStmt*)node)->name);
            weir_note(
                walk,
                WEIR_MAY_WRITE | WEIR_MAY_ADVANCE_SEQUENCE | WEIR_MAY_NOTIFY | WEIR_NOT_IN_PIPELINE
            );
            weir_walk_node(walk, ((ExecuteStmt*)node)->params);
            return WEIR_EXECUTE;
        case T_DeallocateStmt:
            if (((DeallocateStmt*)node)->name == NULL)
                weir_note(walk, WEIR_DEALLOCATE_ALL);
            else
                weir_note_name(walk, ((DeallocateStmt*)node)->name);
            return WEIR_DEALLOCATE;
        case T_DeclareCursorStmt:
            return walk_declare_cursor(walk, (DeclareCursorStmt*)node);
        case T_FetchStmt:
            weir_note_name(walk, ((FetchStmt*)node)->portalname);
            return WEIR_FETCH;
        case T_ClosePortalStmt:
            if (((ClosePortalStmt*)node)->portalname == NULL)
                weir_note(walk, WEIR_CLOSE_ALL);
            else
                weir_note_name(walk, ((ClosePortalStmt*)node)->portalname);
            return WEIR_CLOSE_PORTAL;
        case T_ListenStmt:
            weir_note_name(walk, ((ListenStmt*)node)->conditionname);
            weir_note_pin(walk, WEIR_PIN_LISTEN, ((ListenStmt*)node)->conditionname);
            weir_note_scope(walk, WEIR_LISTEN, ((ListenStmt*)node)->conditionname);
            return WEIR_LISTEN;
        case T_UnlistenStmt:
            weir_note_scope(walk, WEIR_UNLISTEN, ((UnlistenStmt*)node)->conditionname);
            if (((UnlistenStmt*)node)->conditionname == NULL)
                weir_note(walk, WEIR_UNLISTEN_ALL);
            else
                weir_note_name(walk, ((UnlistenStmt*)node)->conditionname);
            return WEIR_UNLISTEN;
        case T_NotifyStmt:
            weir_note_name(walk, ((NotifyStmt*)node)->conditionname);
            weir_note(walk, WEIR_MAY_NOTIFY | WEIR_MAY_WRITE);
            return WEIR_NOTIFY;
        case T_LoadStmt:
            weir_note_name(walk, ((LoadStmt*)node)->filename);
            weir_note_pin(walk, WEIR_PIN_LOAD, ((LoadStmt*)node)->filename);
            weir_note(walk, WEIR_LITERALS_MATTER);
            return WEIR_LOAD;
        case T_DoStmt:
            note_do(walk, (DoStmt*)node);
            weir_note_pin(walk, WEIR_PIN_DO_BLOCK, NULL);
            weir_note(
                walk,
                WEIR_MAY_WRITE | WEIR_MAY_ADVANCE_SEQUENCE | WEIR_MAY_NOTIFY |
                    WEIR_NOT_IN_PIPELINE | WEIR_MAY_END_TRANSACTION
            );
            return WEIR_DO;
        default:
            return WEIR_UNKNOWN;
    }
}

/* DDL of which more is to be known than its kind. */
static enum weir_kind walk_definition(struct weir_walk* walk, Node* node) {
    weir_note(walk, WEIR_MAY_WRITE);
    switch (nodeTag(node)) {
        case T_CreateStmt:
            return walk_create_table(walk, (CreateStmt*)node);
        case T_CreateForeignTableStmt:
            return walk_create_table(walk, &((CreateForeignTableStmt*)node)->base);
        case T_CreateTableAsStmt:
            weir_note_into(walk, ((CreateTableAsStmt*)node)->into);
            weir_walk_statement(walk, ((CreateTableAsStmt*)node)->query);
            return WEIR_CREATE_TABLE_AS;
        case T_ViewStmt:
            return walk_view(walk, (ViewStmt*)node);
        case T_CreateSeqStmt:
            note_created_relation(walk, ((CreateSeqStmt*)node)->sequence, false);
            return WEIR_CREATE_SEQUENCE;
        case T_IndexStmt:
            return walk_index(walk, (IndexStmt*)node);
        case T_CreateFunctionStmt:
            return walk_create_function(walk, (CreateFunctionStmt*)node);
        case T_CreateSchemaStmt:
            return walk_create_schema(walk, (CreateSchemaStmt*)node);
        case T_AlterTableStmt:
            return walk_alter_table(walk, (AlterTableStmt*)node);
        case T_AlterDomainStmt:
            if (((AlterDomainStmt*)node)->def != NULL)
                walk_constraints(walk, list_make1(((AlterDomainStmt*)node)->def));
            return WEIR_DDL;
        case T_CompositeTypeStmt:
            note_created_relation(walk, ((CompositeTypeStmt*)node)->typevar, false);
            return WEIR_DDL;
        case T_CreateDomainStmt:
            note_created(walk, ((CreateDomainStmt*)node)->domainname);
            return WEIR_DDL;
        case T_CreateEnumStmt:
            note_created(walk, ((CreateEnumStmt*)node)->typeName);
            return WEIR_DDL;
        case T_CreateRangeStmt:
            note_created(walk, ((CreateRangeStmt*)node)->typeName);
            return WEIR_DDL;
        case T_DefineStmt:
            note_created(walk, ((DefineStmt*)node)->defnames);
            return WEIR_DDL;
        case T_CreateStatsStmt:
            note_created(walk, ((CreateStatsStmt*)node)->defnames);
            weir_judge_statistics(walk, (CreateStatsStmt*)node);
            return WEIR_DDL;
        case T_CreateConversionStmt:
            note_created(walk, ((CreateConversionStmt*)node)->conversion_name);
            return WEIR_DDL;
        case T_CreateOpClassStmt:
            note_created(walk, ((CreateOpClassStmt*)node)->opclassname);
            return WEIR_DDL;
        case T_CreateOpFamilyStmt:
            note_created(walk, ((CreateOpFamilyStmt*)node)->opfamilyname);
            return WEIR_DDL;
        default:
            return WEIR_UNKNOWN;
    }
}

/* Its indexes' and statistics' expressions are evaluated; without a name, those of any relation. */
static void note_maintained(struct weir_walk* walk, const RangeVar* relation) {
    if (relation == NULL)
        weir_note(walk, WEIR_ANY_RELATION);
    else
        weir_note_relation_name(walk, relation->relname);
}

static enum weir_kind walk_vacuum(struct weir_walk* walk, const VacuumStmt* statement) {
    ListCell* cell;

    if (statement->is_vacuumcmd) weir_note(walk, WEIR_NOT_IN_PIPELINE);
    if (statement->rels == NIL) note_maintained(walk, NULL);
    foreach (cell, statement->rels)
        note_maintained(walk, ((VacuumRelation*)lfirst(cell))->relation);
    return WEIR_VACUUM;
}

/* NULL for CURRENT_USER and the like: everybody's. */
static const char* role_name(const RoleSpec* role) {
    return role != NULL && role->roletype == ROLESPEC_CSTRING ? role->rolename : NULL;
}

/* Whoever has taken such a role by SET ROLE is under one that is not there any more, whatever is
 * made under the name later: servers of all are renewed. */
static void note_roles(struct weir_walk* walk) {
    weir_note_new_sessions(walk, NULL, NULL);
}

static void note_databases(struct weir_walk* walk, const List* names) {
    ListCell* cell;

    foreach (cell, names)
        weir_note_new_sessions(walk, NULL, strVal(lfirst(cell)));
}

static void walk_role_set(struct weir_walk* walk, const AlterRoleSetStmt* statement) {
    weir_note_new_sessions(walk, role_name(statement->role), statement->database);
}

static void walk_rename(struct weir_walk* walk, const RenameStmt* statement) {
    if (statement->renameType == OBJECT_ROLE) note_roles(walk);
    if (statement->renameType == OBJECT_DATABASE)
        weir_note_new_sessions(walk, NULL, statement->subname);
}

/* Roles, databases, the whole cluster; what cannot share a transaction. */
static enum weir_kind walk_cluster_statement(struct weir_walk* walk, Node* node) {
    weir_note(walk, WEIR_MAY_WRITE);
    switch (nodeTag(node)) {
        case T_AlterRoleStmt:
            weir_note_new_sessions(walk, role_name(((AlterRoleStmt*)node)->role), NULL);
            return WEIR_DDL;
        case T_AlterRoleSetStmt:
            walk_role_set(walk, (AlterRoleSetStmt*)node);
            return WEIR_DDL;
        case T_DropRoleStmt:
            note_roles(walk);
            return WEIR_DDL;
        case T_GrantRoleStmt:
            /* Members have it, or not, in sessions that there are as well. */
            return WEIR_DDL;
        case T_AlterDatabaseSetStmt:
            weir_note_new_sessions(walk, NULL, ((AlterDatabaseSetStmt*)node)->dbname);
            return WEIR_DDL;
        case T_AlterDatabaseStmt:
            weir_note_new_sessions(walk, NULL, ((AlterDatabaseStmt*)node)->dbname);
            weir_note(walk, WEIR_NOT_IN_PIPELINE);
            return WEIR_DDL;
        case T_GrantStmt:
            if (((GrantStmt*)node)->objtype == OBJECT_DATABASE)
                note_databases(walk, ((GrantStmt*)node)->objects);
            return WEIR_DDL;
        case T_RenameStmt:
            walk_rename(walk, (RenameStmt*)node);
            return WEIR_DDL;
        case T_CreatedbStmt:
        case T_DropdbStmt:
        case T_CreateTableSpaceStmt:
        case T_DropTableSpaceStmt:
        case T_CreateSubscriptionStmt:
        case T_AlterSubscriptionStmt:
        case T_DropSubscriptionStmt:
            weir_note(walk, WEIR_NOT_IN_PIPELINE);
            return WEIR_DDL;
        case T_DropStmt:
            if (((DropStmt*)node)->concurrent) weir_note(walk, WEIR_NOT_IN_PIPELINE);
            return WEIR_DDL;
        case T_AlterSystemStmt:
            weir_note(walk, WEIR_NOT_IN_PIPELINE | WEIR_LITERALS_MATTER);
            return WEIR_ALTER_SYSTEM;
        case T_VacuumStmt:
            return walk_vacuum(walk, (VacuumStmt*)node);
        case T_ReindexStmt:
            weir_note(walk, WEIR_NOT_IN_PIPELINE | WEIR_DEFINES);
            note_maintained(walk, ((ReindexStmt*)node)->relation);
            return WEIR_REINDEX;
        case T_ClusterStmt:
            weir_note(walk, WEIR_NOT_IN_PIPELINE);
            note_maintained(walk, ((ClusterStmt*)node)->relation);
            return WEIR_CLUSTER;
        case T_RefreshMatViewStmt:
            weir_note(walk, WEIR_DEFINES | WEIR_MAY_ADVANCE_SEQUENCE);
            note_maintained(walk, ((RefreshMatViewStmt*)node)->relation);
            return WEIR_REFRESH;
        case T_CreateExtensionStmt:
            weir_note_pin(walk, WEIR_PIN_LOAD, ((CreateExtensionStmt*)node)->extname);
            return WEIR_DDL;
        case T_AlterExtensionStmt:
            weir_note_pin(walk, WEIR_PIN_LOAD, ((AlterExtensionStmt*)node)->extname);
            return WEIR_DDL;
        case T_CreatePLangStmt:
            weir_note_pin(walk, WEIR_PIN_LOAD, ((CreatePLangStmt*)node)->plname);
            return WEIR_DDL;
        default:
            return WEIR_UNKNOWN;
    }
}

/* Everything whose kind is all there is to know. */
static enum weir_kind simple_kind(NodeTag tag) {
    switch (tag) {
        case T_CheckPointStmt:
            return WEIR_CHECKPOINT;
        case T_RuleStmt: /* what it holds runs with the statements it rewrites */
        case T_AlterCollationStmt:
        case T_AlterDatabaseRefreshCollStmt:
        case T_AlterDefaultPrivilegesStmt:
        case T_AlterEnumStmt:
        case T_AlterEventTrigStmt:
        case T_AlterExtensionContentsStmt:
        case T_AlterFdwStmt:
        case T_AlterForeignServerStmt:
        case T_AlterFunctionStmt:
        case T_AlterObjectDependsStmt:
        case T_AlterObjectSchemaStmt:
        case T_AlterOperatorStmt:
        case T_AlterOpFamilyStmt:
        case T_AlterOwnerStmt:
        case T_AlterPolicyStmt:
        case T_AlterPublicationStmt:
        case T_AlterSeqStmt:
        case T_AlterStatsStmt:
        case T_AlterTableMoveAllStmt:
        case T_AlterTableSpaceOptionsStmt:
        case T_AlterTSConfigurationStmt:
        case T_AlterTSDictionaryStmt:
        case T_AlterTypeStmt:
        case T_AlterUserMappingStmt:
        case T_CommentStmt:
        case T_CreateAmStmt:
        case T_CreateCastStmt:
        case T_CreateEventTrigStmt:
        case T_CreateFdwStmt:
        case T_CreateForeignServerStmt:
        case T_CreatePolicyStmt:
        case T_CreatePublicationStmt:
        case T_CreateRoleStmt:
        case T_CreateTransformStmt:
        case T_CreateTrigStmt:
        case T_CreateUserMappingStmt:
        case T_DropOwnedStmt:
        case T_DropUserMappingStmt:
        case T_ImportForeignSchemaStmt:
        case T_ReassignOwnedStmt:
        case T_SecLabelStmt:
            return WEIR_DDL;
        default:
            return WEIR_UNKNOWN;
    }
}

static bool is_definition(enum weir_kind kind) {
    return kind == WEIR_DDL || (kind >= WEIR_CREATE_TABLE && kind <= WEIR_CREATE_FUNCTION);
}

enum weir_kind weir_walk_utility(struct weir_walk* walk, Node* node) {
    enum weir_kind kind;

    switch (nodeTag(node)) {
        case T_TransactionStmt:
            return walk_transaction(walk, (TransactionStmt*)node);
        case T_CopyStmt:
            return walk_copy(walk, (CopyStmt*)node);
        case T_ExplainStmt:
            return walk_explain(walk, (ExplainStmt*)node);
        case T_CallStmt:
            return walk_call(walk, (CallStmt*)node);
        case T_TruncateStmt:
            return walk_truncate(walk, (TruncateStmt*)node);
        default:
            break;
    }
    kind = walk_session_statement(walk, node);
    if (kind != WEIR_UNKNOWN) return kind;
    if (walk->tree->first_pin == WEIR_PIN_UNKNOWN_NODE) return kind;
    kind = walk_definition(walk, node);
    if (kind == WEIR_UNKNOWN) kind = walk_cluster_statement(walk, node);
    if (kind == WEIR_UNKNOWN) kind = simple_kind(nodeTag(node));
    if (kind == WEIR_UNKNOWN) weir_note_pin(walk, WEIR_PIN_UNKNOWN_NODE, NULL);
    if (is_definition(kind)) {
        weir_note(walk, WEIR_DEFINES);
        if (!weir_is_plain_definition(node)) weir_note(walk, WEIR_CHANGES_EFFECTS);
        weir_note_changed_names(walk, node);
    }
    return kind;
}
