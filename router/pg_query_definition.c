/*
 * Whether a statement may change what router/catalog.h knows of a database. A new table or column
 * does not, unless what it stores (defaults, checks, keys) calls a function that is not harmless:
 * of its types, operators and casts the catalog knows without the table.
 */
#include "router/pg_query_walk.h"

/* An expression that is kept, and evaluated by later statements. */
static void judge(struct weir_walk* walk, const void* expression) {
    bool outer_definition = walk->definition;
    bool outer_judging = walk->judging;

    walk->definition = walk->judging = true;
    weir_walk_node(walk, expression);
    walk->definition = outer_definition;
    walk->judging = outer_judging;
}

static bool is_one_of(const char* name, const char* const* names, size_t count) {
    size_t i;

    for (i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

static bool is_followed(char action) {
    return action == FKCONSTR_ACTION_CASCADE || action == FKCONSTR_ACTION_SETNULL ||
           action == FKCONSTR_ACTION_SETDEFAULT;
}

/*
 * The referenced table reaches this one by the key's actions, and the triggers that it has, if it
 * is `existing`, or that it gets.
 */
static void judge_constraint(struct weir_walk* walk, const Constraint* constraint, bool existing) {
    bool key = constraint->contype == CONSTR_FOREIGN &&
               (existing || is_followed(constraint->fk_upd_action) ||
                is_followed(constraint->fk_del_action));

    if (key || constraint->contype == CONSTR_EXCLUSION) weir_note(walk, WEIR_CHANGES_EFFECTS);
    if (key && constraint->pktable != NULL) weir_note_changed(walk, constraint->pktable->relname);
    judge(walk, constraint->raw_expr);
}

static void judge_column(struct weir_walk* walk, const ColumnDef* column, bool existing) {
    ListCell* cell;

    judge(walk, column->raw_default);
    foreach (cell, column->constraints)
        judge_constraint(walk, (const Constraint*)lfirst(cell), existing);
}

void weir_judge_table(struct weir_walk* walk, const CreateStmt* table) {
    const char* method = table->accessMethod;
    ListCell* cell;

    if (!IsA(table, CreateStmt) || table->inhRelations != NIL || table->ofTypename != NULL ||
        (method != NULL && strcmp(method, "heap") != 0))
        weir_note(walk, WEIR_CHANGES_EFFECTS);
    if (table->partspec != NULL)
        foreach (cell, table->partspec->partParams)
            judge(walk, ((const PartitionElem*)lfirst(cell))->expr);
    foreach (cell, table->tableElts) {
        const Node* element = lfirst(cell);

        if (IsA(element, ColumnDef))
            judge_column(walk, (const ColumnDef*)element, false);
        else if (IsA(element, Constraint))
            judge_constraint(walk, (const Constraint*)element, false);
        else if (!IsA(element, TableLikeClause) || ((const TableLikeClause*)element)->options != 0)
            weir_note(walk, WEIR_CHANGES_EFFECTS);
    }
}

void weir_judge_index(struct weir_walk* walk, const IndexStmt* index) {
    static const char* const methods[] = {"btree", "hash", "gist", "spgist", "gin", "brin"};

    if (!is_one_of(index->accessMethod, methods, lengthof(methods)))
        weir_note(walk, WEIR_CHANGES_EFFECTS);
    judge(walk, index->indexParams);
    judge(walk, index->whereClause);
}

void weir_judge_statistics(struct weir_walk* walk, const CreateStatsStmt* statistics) {
    ListCell* cell;

    foreach (cell, statistics->exprs)
        judge(walk, ((const StatsElem*)lfirst(cell))->expr);
}

/* It takes something away, or is of no interest. */
static bool is_plain_alteration(AlterTableType type) {
    switch (type) {
        case AT_DropNotNull:
        case AT_SetNotNull:
        case AT_DropExpression:
        case AT_SetStatistics:
        case AT_SetOptions:
        case AT_ResetOptions:
        case AT_SetStorage:
        case AT_SetCompression:
        case AT_DropColumn:
        case AT_AlterConstraint:
        case AT_ValidateConstraint:
        case AT_DropConstraint:
        case AT_AlterColumnType: /* USING is evaluated once */
        case AT_ChangeOwner:
        case AT_ClusterOn:
        case AT_DropCluster:
        case AT_SetLogged:
        case AT_SetUnLogged:
        case AT_DropOids:
        case AT_SetTableSpace:
        case AT_SetRelOptions:
        case AT_ResetRelOptions:
        case AT_DisableTrig:
        case AT_DisableTrigAll:
        case AT_DisableTrigUser:
        case AT_DisableRule:
        case AT_DropInherit:
        case AT_DropOf:
        case AT_ReplicaIdentity:
        case AT_DisableRowSecurity:
        case AT_NoForceRowSecurity:
        case AT_DetachPartition:
        case AT_DetachPartitionFinalize:
        case AT_AddIdentity:
        case AT_SetIdentity:
        case AT_DropIdentity:
            return true;
        default:
            return false;
    }
}

void weir_judge_alteration(struct weir_walk* walk, const AlterTableCmd* command) {
    if (command->subtype == AT_AddColumn && IsA(command->def, ColumnDef))
        judge_column(walk, (const ColumnDef*)command->def, true);
    else if (command->subtype == AT_AddConstraint && IsA(command->def, Constraint))
        judge_constraint(walk, (const Constraint*)command->def, true);
    else if (command->subtype == AT_ColumnDefault)
        judge(walk, command->def);
    else if (!is_plain_alteration(command->subtype))
        weir_note(walk, WEIR_CHANGES_EFFECTS);
}

/* Names count without their schemas, and not those of columns, roles and the like. */
static bool is_plain_rename(ObjectType type) {
    switch (type) {
        case OBJECT_ATTRIBUTE:
        case OBJECT_COLUMN:
        case OBJECT_DATABASE:
        case OBJECT_DOMCONSTRAINT:
        case OBJECT_POLICY:
        case OBJECT_ROLE:
        case OBJECT_SCHEMA:
        case OBJECT_SEQUENCE:
        case OBJECT_TABCONSTRAINT:
        case OBJECT_TABLESPACE:
        case OBJECT_TRIGGER:
            return true;
        default:
            return false;
    }
}

bool weir_is_plain_definition(const Node* node) {
    switch (nodeTag(node)) {
        case T_RenameStmt:
            return is_plain_rename(((const RenameStmt*)node)->renameType);
        case T_CreateTableAsStmt:
            return ((const CreateTableAsStmt*)node)->objtype == OBJECT_TABLE;
        /* Judged by what is in them. */
        case T_CreateStmt:
        case T_CreateSchemaStmt:
        case T_CreateStatsStmt:
        case T_IndexStmt:
        case T_AlterTableStmt:
        /* What they make or change has no part in what other statements do. */
        case T_CreateSeqStmt:
        case T_AlterSeqStmt:
        case T_AlterCollationStmt:
        case T_AlterDatabaseRefreshCollStmt:
        case T_AlterDatabaseSetStmt:
        case T_AlterDatabaseStmt:
        case T_AlterDefaultPrivilegesStmt:
        case T_AlterEnumStmt:
        case T_AlterForeignServerStmt:
        case T_AlterObjectDependsStmt:
        case T_AlterOwnerStmt:
        case T_AlterPublicationStmt:
        case T_AlterRoleSetStmt:
        case T_AlterRoleStmt:
        case T_AlterStatsStmt:
        case T_AlterSubscriptionStmt:
        case T_AlterTableMoveAllStmt:
        case T_AlterTableSpaceOptionsStmt:
        case T_AlterTSConfigurationStmt:
        case T_AlterTSDictionaryStmt:
        case T_AlterUserMappingStmt:
        case T_CommentStmt:
        case T_CreatedbStmt:
        case T_CreateForeignServerStmt:
        case T_CreatePublicationStmt:
        case T_CreateRoleStmt:
        case T_CreateSubscriptionStmt:
        case T_CreateTableSpaceStmt:
        case T_CreateUserMappingStmt:
        case T_DropdbStmt:
        case T_DropOwnedStmt:
        case T_DropRoleStmt:
        case T_DropStmt:
        case T_DropSubscriptionStmt:
        case T_DropTableSpaceStmt:
        case T_DropUserMappingStmt:
        case T_GrantRoleStmt:
        case T_GrantStmt:
        case T_ReassignOwnedStmt:
        case T_SecLabelStmt:
            return true;
        default:
            return false;
    }
}

static void note_changed_relation(struct weir_walk* walk, const RangeVar* relation) {
    if (relation != NULL) weir_note_changed(walk, relation->relname);
}

/* Of the last part of a name; without one, of anything. */
static void note_changed_name(struct weir_walk* walk, List* names) {
    const char* name = weir_last_name(names, NULL);

    if (name == NULL)
        weir_note(walk, WEIR_CHANGES_ANYTHING);
    else
        weir_note_changed(walk, name);
}

/* What it inherits from reaches it from now on. */
static void note_changed_table(struct weir_walk* walk, const CreateStmt* table) {
    ListCell* cell;

    note_changed_relation(walk, table->relation);
    foreach (cell, table->inhRelations)
        note_changed_relation(walk, (const RangeVar*)lfirst(cell));
}

static void note_changed_definition(struct weir_walk* walk, const DefineStmt* statement) {
    switch (statement->kind) {
        case OBJECT_AGGREGATE:
            note_changed_name(walk, statement->defnames);
            break;
        case OBJECT_COLLATION:
        case OBJECT_TSDICTIONARY:
        case OBJECT_TSCONFIGURATION:
            weir_note(walk, WEIR_CHANGES_WORDS);
            break;
        default: /* operators and types are met without being named */
            weir_note(walk, WEIR_CHANGES_ANYTHING);
            break;
    }
}

/* Relations and functions are met by their names, or by what those reach that are named. */
static bool is_met_by_name(ObjectType type) {
    switch (type) {
        case OBJECT_AGGREGATE:
        case OBJECT_FOREIGN_TABLE:
        case OBJECT_FUNCTION:
        case OBJECT_INDEX:
        case OBJECT_MATVIEW:
        case OBJECT_PROCEDURE:
        case OBJECT_ROUTINE:
        case OBJECT_SEQUENCE:
        case OBJECT_TABLE:
        case OBJECT_VIEW:
            return true;
        default:
            return false;
    }
}

void weir_note_changed_names(struct weir_walk* walk, Node* node) {
    bool named = true;

    switch (nodeTag(node)) {
        case T_CreateStmt:
            note_changed_table(walk, (const CreateStmt*)node);
            return;
        case T_CreateForeignTableStmt:
            note_changed_table(walk, &((const CreateForeignTableStmt*)node)->base);
            return;
        case T_CreateTableAsStmt:
            note_changed_relation(walk, ((const CreateTableAsStmt*)node)->into->rel);
            return;
        case T_ViewStmt:
            note_changed_relation(walk, ((const ViewStmt*)node)->view);
            return;
        case T_CreateFunctionStmt:
            note_changed_name(walk, ((const CreateFunctionStmt*)node)->funcname);
            return;
        case T_CreateTrigStmt:
            note_changed_relation(walk, ((const CreateTrigStmt*)node)->relation);
            return;
        case T_RuleStmt:
            note_changed_relation(walk, ((const RuleStmt*)node)->relation);
            return;
        case T_CreatePolicyStmt:
            note_changed_relation(walk, ((const CreatePolicyStmt*)node)->table);
            return;
        case T_AlterPolicyStmt:
            note_changed_relation(walk, ((const AlterPolicyStmt*)node)->table);
            return;
        case T_CompositeTypeStmt:
            note_changed_relation(walk, ((const CompositeTypeStmt*)node)->typevar);
            return;
        case T_CreateEnumStmt:
            note_changed_name(walk, ((const CreateEnumStmt*)node)->typeName);
            return;
        case T_DefineStmt:
            note_changed_definition(walk, (const DefineStmt*)node);
            return;
        case T_RenameStmt:
            named = is_met_by_name(((const RenameStmt*)node)->renameType);
            break;
        case T_AlterObjectSchemaStmt:
            named = is_met_by_name(((const AlterObjectSchemaStmt*)node)->objectType);
            break;
        case T_AlterTableStmt:
            named = is_met_by_name(((const AlterTableStmt*)node)->objtype);
            break;
        case T_AlterFunctionStmt:
        case T_IndexStmt:
            break;
        default:
            named = false;
            break;
    }
    weir_note(
        walk, named || weir_is_plain_definition(node) ? WEIR_CHANGES_WORDS : WEIR_CHANGES_ANYTHING
    );
}
