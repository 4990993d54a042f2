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

/* `existing`: of a table that may have triggers, which the referenced one then reaches. */
static void judge_constraint(struct weir_walk* walk, const Constraint* constraint, bool existing) {
    bool key = constraint->contype == CONSTR_FOREIGN && existing;

    if (key || constraint->contype == CONSTR_EXCLUSION) weir_note(walk, WEIR_CHANGES_EFFECTS);
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
