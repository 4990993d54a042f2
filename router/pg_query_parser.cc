#include "router/pg_query_parser.h"

#include "router/builtins.h"
#include "router/call_effects.h"
#include "router/changed_names.h"
#include "router/function_body.h"
#include "router/long_text.h"
#include "router/pg_query_tree.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace weir::router {

namespace {

// The C side's enumerations are ours, in the same order.
static_assert(static_cast<int>(StatementKind::last) == WEIR_KIND_LAST);
static_assert(static_cast<int>(StatementKind::select) == WEIR_SELECT);
static_assert(static_cast<int>(StatementKind::begin) == WEIR_BEGIN);
static_assert(static_cast<int>(StatementKind::rollback_prepared) == WEIR_ROLLBACK_PREPARED);
static_assert(static_cast<int>(StatementKind::reset) == WEIR_RESET);
static_assert(static_cast<int>(StatementKind::discard) == WEIR_DISCARD);
static_assert(static_cast<int>(StatementKind::listen) == WEIR_LISTEN);
static_assert(static_cast<int>(StatementKind::call) == WEIR_CALL);
static_assert(static_cast<int>(StatementKind::copy_file) == WEIR_COPY_FILE);
static_assert(static_cast<int>(StatementKind::explain) == WEIR_EXPLAIN);
static_assert(static_cast<int>(StatementKind::create_function) == WEIR_CREATE_FUNCTION);
static_assert(static_cast<int>(StatementKind::vacuum) == WEIR_VACUUM);
static_assert(static_cast<int>(StatementKind::ddl) == WEIR_DDL);
static_assert(static_cast<int>(PinReason::unknown_node) == WEIR_PIN_LAST);
static_assert(static_cast<int>(PinReason::set_config) == WEIR_PIN_SET_CONFIG);
static_assert(static_cast<int>(PinReason::temp_object) == WEIR_PIN_TEMP_OBJECT);
static_assert(static_cast<int>(PinReason::listen) == WEIR_PIN_LISTEN);
static_assert(static_cast<int>(PinReason::load) == WEIR_PIN_LOAD);
static_assert(static_cast<int>(PinReason::call) == WEIR_PIN_CALL);
static_assert(static_cast<int>(PinReason::unknown_operator) == WEIR_PIN_UNKNOWN_OPERATOR);
static_assert(static_cast<int>(PinReason::unparsable) == WEIR_PIN_UNPARSABLE);
static_assert(static_cast<int>(PinReason::too_deep) == WEIR_PIN_TOO_DEEP);
static_assert(static_cast<int>(Isolation::serializable) == 3);

// A parsed text and its memory.
class Tree {
public:
    explicit Tree(const char* text) { weir_tree_analyse(text, &tree_); }

    ~Tree() { weir_tree_free(&tree_); }

    Tree(const Tree&) = delete;
    Tree& operator=(const Tree&) = delete;

    const weir_tree* operator->() const { return &tree_; }

    const weir_tree& operator*() const { return tree_; }

private:
    weir_tree tree_;
};

struct FactFlag {
    std::uint32_t fact;
    bool Statement::*flag;
};

constexpr FactFlag fact_flags[] = {
    {WEIR_MAY_WRITE, &Statement::may_write},
    {WEIR_LOCKING_CLAUSE, &Statement::has_locking_clause},
    {WEIR_CREATES_RELATION, &Statement::creates_relation},
    {WEIR_MAY_ADVANCE_SEQUENCE, &Statement::may_advance_sequence},
    {WEIR_READS_SESSION_STATE, &Statement::reads_session_state},
    {WEIR_MAY_NOTIFY, &Statement::may_notify},
    {WEIR_NOT_IN_PIPELINE, &Statement::not_in_pipeline},
    {WEIR_RESET_ALL, &Statement::reset_all},
    {WEIR_DEALLOCATE_ALL, &Statement::deallocate_all},
    {WEIR_DISCARD_ALL, &Statement::discard_all},
    {WEIR_DISCARD_TEMP, &Statement::discard_temp},
    {WEIR_DISCARD_SEQUENCES, &Statement::discard_sequences},
    {WEIR_CLOSE_ALL, &Statement::close_all},
    {WEIR_UNLISTEN_ALL, &Statement::unlisten_all},
    {WEIR_CHANGES_NEW_SESSIONS, &Statement::changes_new_sessions},
    {WEIR_LITERALS_MATTER, &Statement::literals_matter},
    {WEIR_UNLOCKS_ADVISORY, &Statement::unlocks_advisory},
    {WEIR_DEFINES, &Statement::defines},
    {WEIR_CHANGES_EFFECTS, &Statement::changes_catalog_effects},
    {WEIR_TRUNCATES, &Statement::truncates},
    {WEIR_MAY_END_TRANSACTION, &Statement::may_end_transaction},
    {WEIR_CHAINS, &Statement::goes_on_after_end},
};

std::optional<TransactionOptions> read_options(const weir_transaction_options& found) {
    if (!found.present) return {};
    TransactionOptions options;
    if (found.isolation >= 0) options.isolation = static_cast<Isolation>(found.isolation);
    if (found.read_only >= 0) options.read_only = found.read_only != 0;
    if (found.deferrable >= 0) options.deferrable = found.deferrable != 0;
    options.chain = found.chain;
    options.snapshot = found.snapshot;
    options.contradictory = found.contradictory;
    return options;
}

// The kinds of which nothing but functions can write.
bool only_reads(StatementKind kind) {
    return kind == StatementKind::select || kind == StatementKind::show ||
           kind == StatementKind::explain || kind == StatementKind::copy_out;
}

void copy_settings(Statement& statement, const weir_tree& tree) {
    for (int i = 0; i < tree.setting_count; ++i) {
        const weir_setting& found = tree.settings[i];
        SettingChange change{.name = found.name, .value = {}};
        if (found.value != nullptr) change.value = found.value;
        if (found.action == WEIR_SETTING_TO_DEFAULT)
            change.action = SettingChange::Action::to_default;
        change.is_local = found.is_local;
        change.statement = static_cast<std::uint16_t>(found.statement);
        add_setting(statement, std::move(change));
    }
}

bool ends_transaction(StatementKind kind) {
    return kind == StatementKind::commit || kind == StatementKind::rollback ||
           kind == StatementKind::prepare_transaction;
}

// What it runs is not to be seen, and may be DDL.
bool is_opaque(const SessionEffects& effects) {
    return effects.has(PinReason::dynamic_sql) || effects.has(PinReason::unknown_function) ||
           effects.has(PinReason::do_block);
}

void copy_scopes(Statement& statement, const weir_tree& tree) {
    for (int i = 0; i < tree.scope_count; ++i) {
        const weir_scope& found = tree.scopes[i];
        statement.scopes.push_back(
            {static_cast<StatementKind>(found.kind), found.name == nullptr ? "" : found.name}
        );
    }
    statement.only_listens =
        !statement.kinds.empty() &&
        std::all_of(statement.kinds.begin(), statement.kinds.end(), [](StatementKind kind) {
            return kind == StatementKind::listen || kind == StatementKind::unlisten;
        });
}

void copy_new_sessions(Statement& statement, const weir_tree& tree) {
    for (int i = 0; i < tree.new_session_count; ++i) {
        const weir_new_sessions& found = tree.new_sessions[i];
        statement.new_sessions.push_back(
            {found.role == nullptr ? "" : found.role,
             found.database == nullptr ? "" : found.database}
        );
    }
}

// A DO block is a function that is called once: its body says what it does.
void read_do(Statement& statement, const weir_do& block) {
    const auto body =
        effects_of_body(block.language == nullptr ? "plpgsql" : block.language, block.body);
    for (std::size_t i = 0; i < body.effects.pins.size(); ++i)
        if (body.effects.pins[i]) add_pin(statement, static_cast<PinReason>(i), "DO");
    for (const std::string& name : body.effects.touches)
        add_setting(statement, {.name = name, .value = {}, .by_function = true});
    statement.possible_functions.insert(
        statement.possible_functions.end(), body.calls.begin(), body.calls.end()
    );
    statement.relations.insert(statement.relations.end(), body.words.begin(), body.words.end());
    // The body is a literal.
    statement.literals_matter = true;
    statement.unlocks_advisory |= body.effects.unlocks_advisory;
    statement.reads_sequence_state |= body.effects.reads_sequences;
    statement.truncates |= body.truncates;
    statement.defines |= body.effects.changes_catalog || is_opaque(body.effects);
    statement.changes_catalog_effects |= body.effects.changes_effects || is_opaque(body.effects);
}

void copy_pins(Statement& statement, const weir_tree& tree) {
    const bool do_is_read = tree.do_count == 1 && tree.do_block.body != nullptr;
    const auto first = static_cast<PinReason>(tree.first_pin);
    for (std::size_t i = 0; i < statement.pins.size(); ++i) {
        const auto reason = static_cast<PinReason>(i);
        if ((tree.pins >> i & 1U) == 0 || (do_is_read && reason == PinReason::do_block)) continue;
        statement.pins.set(i);
        if (reason == first) {
            statement.pin = reason;
            statement.pin_detail = tree.pin_detail == nullptr ? "" : tree.pin_detail;
        }
    }
    for (std::size_t i = 0; statement.pin == PinReason::none && i < statement.pins.size(); ++i)
        if (statement.pins[i]) statement.pin = static_cast<PinReason>(i);
    if (do_is_read) {
        read_do(statement, tree.do_block);
    } else if (tree.do_count > 0) {
        statement.defines = true;
        statement.changes_catalog_effects = true;
        statement.truncates = true;
    }
}

void read_changed_names(Statement& statement, const weir_tree& tree, const BodyEffects& body) {
    const bool by_words = (tree.facts & WEIR_CHANGES_WORDS) != 0 || tree.changed_count == 0;
    statement.changes_only_names = (tree.facts & WEIR_CHANGES_ANYTHING) == 0 &&
                                   tree.do_count == 0 &&
                                   // Its words may not be all there are.
                                   !(by_words && body.effects.has(PinReason::unknown_function));
    if (!statement.changes_only_names) return;
    auto& names = statement.changed_names;
    for (int i = 0; i < tree.changed_count; ++i)
        names.push_back(name_hash(tree.changed[i]));
    for (std::size_t i = 0; by_words && i < body.words.size(); ++i)
        names.push_back(name_hash(body.words[i]));
}

void read_definition(Statement& statement, const weir_tree& tree, std::string_view text) {
    auto body = effects_of_body("sql", text);
    read_changed_names(statement, tree, body);
    body.effects.changes_catalog = false;
    const auto calls = [&](const char* name) {
        return std::binary_search(body.calls.begin(), body.calls.end(), name);
    };
    statement.defines_effects = body.effects.any() || body.effects.reads_sequences ||
                                calls("nextval") || calls("setval") ||
                                statement.contains(StatementKind::create_function) ||
                                statement.contains(StatementKind::commit_prepared) ||
                                statement.pins[static_cast<std::size_t>(PinReason::load)];
    // An index's expression, a new column's default: run now, and later.
    const bool stores =
        statement.contains(StatementKind::ddl) || statement.contains(StatementKind::create_index);
    if (stores && (!statement.functions.empty() || !statement.settings.empty() ||
                   statement.reads_sequence_state || statement.pin != PinReason::none))
        statement.changes_catalog_effects = true;
}

// (1).pg_advisory_lock calls it; (1).f may call f, or be a column.
void add_field_calls(Statement& statement, const weir_tree& tree, bool& reads_only) {
    for (int i = 0; i < tree.use_count; ++i) {
        const weir_use& use = tree.uses[i];
        if (use.kind != WEIR_USE_FIELD) continue;
        if (find_function_effect(use.name) == nullptr) {
            statement.possible_functions.emplace_back(use.name);
            continue;
        }
        weir_call call{};
        call.name = use.name;
        call.count = 1;
        call.arguments[0].kind = WEIR_COMPUTED;
        add_call(statement, call, reads_only);
    }
}

StatementPtr read_tree(const weir_tree& tree, std::string_view text) {
    auto statement = std::make_shared<Statement>();
    statement->parsed = true;
    statement->kinds.reserve(static_cast<std::size_t>(tree.kind_count));
    bool reads_only = true;
    for (int i = 0; i < tree.kind_count; ++i) {
        statement->kinds.push_back(static_cast<StatementKind>(tree.kinds[i]));
        reads_only = reads_only && only_reads(statement->kinds.back());
    }
    for (const FactFlag& row : fact_flags)
        (*statement).*row.flag = (tree.facts & row.fact) != 0;
    for (std::size_t i = 0; i + 1 < statement->kinds.size(); ++i)
        statement->goes_on_after_end |= ends_transaction(statement->kinds[i]);
    statement->transaction = read_options(tree.transaction);
    if (tree.name != nullptr) statement->name = tree.name;
    copy_pins(*statement, tree);
    copy_settings(*statement, tree);
    copy_scopes(*statement, tree);
    copy_new_sessions(*statement, tree);
    for (int i = 0; i < tree.call_count; ++i)
        add_call(*statement, tree.calls[i], reads_only);
    add_field_calls(*statement, tree, reads_only);
    for (int i = 0; i < tree.relation_count; ++i)
        add_once(statement->relations, tree.relations[i]);
    for (int i = 0; i < tree.operator_count; ++i)
        add_once(statement->operators, tree.operators[i]);
    statement->knows_relations = (tree.facts & WEIR_ANY_RELATION) == 0;
    if (statement->defines) read_definition(*statement, tree, text);
    if (statement->creates_relation && statement->temp_search_path)
        add_pin(*statement, PinReason::temp_object, "search_path");
    statement->is_read_only =
        reads_only && !statement->may_write && statement->pin == PinReason::none;
    statement->reads = read_facts(tree, *statement);
    statement->is_plain_select = statement->is_found_plain();
    return statement;
}

}  // namespace

StatementPtr analyse(std::string_view text, protocol::TextRules rules) {
    if (!rules.can_read(text))
        return opaque_statement(PinReason::unknown_encoding, has_ending_words(text));
    if (text.size() > parser_text_limit) return analyse_long_text(text);
    const auto opaque = [&](PinReason reason) {
        return opaque_statement(reason, may_go_on_after_end(text));
    };
    if (text.find('\0') != std::string_view::npos) return opaque(PinReason::unparsable);
    // The parser wants a NUL behind the text.
    std::array<char, parser_text_limit + 1> terminated;
    if (!text.empty()) std::memcpy(terminated.data(), text.data(), text.size());
    terminated[text.size()] = '\0';
    const Tree tree{terminated.data()};
    if (!tree->parsed) return opaque(static_cast<PinReason>(tree->first_pin));
    // What was not walked to its end may do anything.
    const std::uint32_t fatal = 1U << WEIR_PIN_TOO_DEEP | 1U << WEIR_PIN_UNKNOWN_NODE;
    if ((tree->pins & fatal) != 0) {
        const bool deep = (tree->pins & 1U << WEIR_PIN_TOO_DEEP) != 0;
        return opaque(deep ? PinReason::too_deep : PinReason::unknown_node);
    }
    return read_tree(*tree, text);
}

}  // namespace weir::router
