/* The names that a text uses, for the catalog to judge: what they are where they stand. */
#include "router/pg_query_walk.h"

void weir_note_use(
    struct weir_walk* walk, enum weir_use_kind kind, const char* schema, const char* name
) {
    struct weir_tree* tree = walk->tree;
    struct weir_use use = {kind, schema, name};

    if (walk->definition || name == NULL) return;
    walk->uses = weir_grown(walk->uses, tree->use_count, &walk->use_capacity, sizeof use);
    tree->uses = walk->uses;
    walk->uses[tree->use_count++] = use;
}

/* A name without a schema that is a CTE's where it stands. */
static bool is_cte(const struct weir_walk* walk, const RangeVar* relation) {
    int i;

    if (relation->schemaname != NULL) return false;
    for (i = walk->cte_count - 1; i >= 0; i--)
        if (strcmp(walk->ctes[i], relation->relname) == 0) return true;
    return false;
}

void weir_note_relation_use(struct weir_walk* walk, const RangeVar* relation) {
    if (is_cte(walk, relation)) return;
    weir_note_use(walk, WEIR_USE_RELATION, relation->schemaname, relation->relname);
}

static void add_cte(struct weir_walk* walk, const CommonTableExpr* cte) {
    walk->ctes = weir_grown(walk->ctes, walk->cte_count, &walk->cte_capacity, sizeof(char*));
    walk->ctes[walk->cte_count++] = cte->ctename;
}

/*
 * WITH: each query sees the names before its own, of RECURSIVE all of them. They stay in scope for
 * what the clause belongs to; the caller takes them away.
 */
void weir_walk_with(struct weir_walk* walk, const WithClause* with) {
    ListCell* cell;

    if (with == NULL) return;
    if (with->recursive)
        foreach (cell, with->ctes)
            add_cte(walk, lfirst(cell));
    foreach (cell, with->ctes) {
        weir_walk_node(walk, lfirst(cell));
        if (!with->recursive) add_cte(walk, lfirst(cell));
    }
}

void weir_note_syntax_operator(struct weir_walk* walk, const A_Expr* expression) {
    const char* schema;
    const char* name;

    switch (expression->kind) {
        case AEXPR_BETWEEN:
        case AEXPR_NOT_BETWEEN:
        case AEXPR_BETWEEN_SYM:
        case AEXPR_NOT_BETWEEN_SYM:
            weir_note_use(walk, WEIR_USE_OPERATOR, NULL, "<");
            weir_note_use(walk, WEIR_USE_OPERATOR, NULL, "<=");
            weir_note_use(walk, WEIR_USE_OPERATOR, NULL, ">");
            weir_note_use(walk, WEIR_USE_OPERATOR, NULL, ">=");
            break;
        default: /* IN, LIKE, NULLIF, IS DISTINCT FROM: it is in the tree */
            name = weir_last_name(expression->name, &schema);
            weir_note_use(walk, WEIR_USE_OPERATOR, schema, name);
    }
}

void weir_note_equality(struct weir_walk* walk) {
    weir_note_use(walk, WEIR_USE_OPERATOR, NULL, "=");
}

void weir_note_type(struct weir_walk* walk, const TypeName* type) {
    const char* schema;
    const char* name = weir_last_name(type->names, &schema);

    weir_note_use(walk, WEIR_USE_TYPE, schema, name);
}

void weir_note_attributes(struct weir_walk* walk, List* names, bool all) {
    enum weir_use_kind kind = all ? WEIR_USE_FIELD : WEIR_USE_ATTRIBUTE;
    ListCell* cell;

    foreach (cell, names) {
        Node* node = (Node*)lfirst(cell);

        if ((all || cell != list_head(names)) && node != NULL && IsA(node, String))
            weir_note_use(walk, kind, NULL, strVal(node));
    }
}
