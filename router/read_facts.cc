#include "router/read_facts.h"

#include "router/pg_query_tree.h"
#include "router/replica_functions.h"
#include "router/statement.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace weir::router {

namespace {

constexpr std::size_t header_size = 4;  // kind, arguments, lengths of schema and name

std::string_view or_empty(const char* text) {
    return text == nullptr ? std::string_view{} : std::string_view{text};
}

std::uint8_t byte(char c) {
    return static_cast<std::uint8_t>(c);
}

bool is_reg_type(std::string_view schema, std::string_view name) {
    static constexpr std::string_view names[] = {
        "regclass",
        "regcollation",
        "regconfig",
        "regdictionary",
        "regnamespace",
        "regoper",
        "regoperator",
        "regproc",
        "regprocedure",
        "regrole",
        "regtype",
    };
    if (!schema.empty() && schema != "pg_catalog") return false;
    // An array of them.
    if (name.substr(0, 1) == "_") name.remove_prefix(1);
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// What a kind alone says.
std::pair<ReadTarget, ReadReason> judge_kind(StatementKind kind) {
    using enum StatementKind;
    switch (kind) {
        case empty:
            return {ReadTarget::any, ReadReason::empty};
        case select:
        case show:
        case explain:
        case copy_out:
        case declare_cursor:
            return {ReadTarget::replica_ok, ReadReason::reads_only};
        case begin:
        case commit:
        case rollback:
        case savepoint:
        case release:
        case rollback_to:
        case set_transaction:
        case set_constraints:
            return {ReadTarget::any, ReadReason::transaction_control};
        case set:
        case reset:
        case deallocate:
        case discard:
        case close_portal:
        case unlisten:
            return {ReadTarget::any, ReadReason::session_control};
        case prepare:
        case execute:
        case listen:
        case load:
            return {ReadTarget::pin, ReadReason::session_state};
        case fetch:
            return {ReadTarget::primary, ReadReason::cursor};
        case lock:
            return {ReadTarget::primary, ReadReason::lock_table};
        case notify:
            return {ReadTarget::primary, ReadReason::notify};
        case do_:
            return {ReadTarget::primary, ReadReason::do_block};
        case call:
            return {ReadTarget::primary, ReadReason::procedure};
        case copy_file:
            return {ReadTarget::primary, ReadReason::server_file};
        case unknown:
        case utility_other:
            return {ReadTarget::primary, ReadReason::opaque};
        default:
            return {ReadTarget::primary, ReadReason::writes};
    }
}

// Pins that are state on the server; the others say that something is not known.
bool is_session_state(PinReason reason) {
    using enum PinReason;
    switch (reason) {
        case set_setting:
        case set_config:
        case temp_object:
        case advisory_lock:
        case listen:
        case sql_prepare:
        case sql_execute:
        case hold_cursor:
        case load:
        case setseed:
        case replication_origin:
        case replication_slot:
        case backup:
            return true;
        default:
            return false;
    }
}

class FactsBuilder {
public:
    FactsBuilder(const weir_tree& tree, const Statement& statement)
        : tree_{tree}, statement_{statement} {}

    ReadFacts build() {
        facts_.known = true;
        facts_.target = ReadTarget::any;
        facts_.reason = ReadReason::empty;
        for (const StatementKind kind : statement_.kinds)
            add_kind(kind);
        add_facts();
        add_pins();
        add_settings();
        for (int i = 0; i < tree_.mode_count; ++i)
            add_modes(tree_.modes[i]);
        for (int i = 0; i < tree_.call_count; ++i)
            add_call(tree_.calls[i]);
        for (int i = 0; i < tree_.use_count; ++i)
            add_use(tree_.uses[i]);
        std::sort(facts_.attributes.begin(), facts_.attributes.end());
        facts_.attributes.erase(
            std::unique(facts_.attributes.begin(), facts_.attributes.end()), facts_.attributes.end()
        );
        facts_.attributes.shrink_to_fit();
        facts_.needs_names = !facts_.names.empty() || !facts_.attributes.empty();
        return std::move(facts_);
    }

private:
    void raise(ReadTarget target, ReadReason reason) {
        if (target < facts_.target) return;
        if (target == facts_.target && facts_.reason != ReadReason::empty) return;
        facts_.target = target;
        facts_.reason = reason;
    }

    void add_kind(StatementKind kind) {
        const auto [target, reason] = judge_kind(kind);
        raise(target, reason);
        facts_.begins |= kind == StatementKind::begin;
    }

    bool has(std::uint32_t fact) const { return (tree_.facts & fact) != 0; }

    void add_facts() {
        if (has(WEIR_LOCKING_CLAUSE)) raise(ReadTarget::primary, ReadReason::locking_clause);
        if (has(WEIR_MAY_WRITE)) raise(ReadTarget::primary, ReadReason::writes);
        if (has(WEIR_SHOWS_NODE)) raise(ReadTarget::primary, ReadReason::node_setting);
        facts_.locks_weakly = statement_.is_single() && statement_.kind() == StatementKind::lock &&
                              !has(WEIR_LOCKS_STRONGLY);
    }

    void add_pins() {
        for (std::size_t i = 0; i < statement_.pins.size(); ++i)
            if (statement_.pins[i] && is_session_state(static_cast<PinReason>(i)))
                raise(ReadTarget::pin, ReadReason::session_state);
    }

    // What a SET of it does to what stands behind it, or to the transaction it is in.
    void add_settings() {
        for (const SettingChange& change : statement_.settings) {
            const std::string_view name = change.name;
            facts_.sets_names |= name == "search_path" || name == "role" ||
                                 name == "session_authorization" || name == "row_security";
            if (name == "transaction_read_only" || name == "transaction_isolation" ||
                name == "transaction_deferrable")
                add_transaction_setting(change);
            if (name.substr(0, 20) == "default_transaction_") {
                facts_.sets_modes = true;
                // A function does it while others of its statement run.
                if (change.by_function) raise(ReadTarget::primary, ReadReason::session_control);
            }
        }
        facts_.sets_names |= statement_.reset_all;
        facts_.sets_modes |= statement_.reset_all;
    }

    // What is not known to be read only is read-write.
    void add_transaction_setting(const SettingChange& change) {
        ModeChange mode;
        mode.statement = change.statement;
        facts_.sets_modes = true;
        const bool read_only = change.value && (*change.value == "on" || *change.value == "true" ||
                                                *change.value == "1" || *change.value == "yes");
        if (change.name == "transaction_read_only" && read_only && !change.by_function)
            mode.access = ModeChange::Access::read_only;
        else
            mode.access = ModeChange::Access::read_write;
        facts_.modes.push_back(mode);
    }

    void add_modes(const weir_transaction_options& found) {
        ModeChange mode;
        mode.statement = static_cast<std::uint16_t>(found.statement);
        if (found.read_only >= 0)
            mode.access = found.read_only != 0 ? ModeChange::Access::read_only
                                               : ModeChange::Access::read_write;
        mode.gives_isolation = found.isolation >= 0;
        mode.serializable = found.isolation == static_cast<int>(Isolation::serializable);
        mode.contradictory = found.contradictory;
        mode.snapshot = found.snapshot;
        facts_.modes.push_back(mode);
    }

    void add_name(const NameUse& use) {
        for (const NameUse& known : facts_.names)
            if (known.kind == use.kind && known.arguments == use.arguments &&
                known.name == use.name && known.schema == use.schema)
                return;
        if (!facts_.names.add(use)) raise(ReadTarget::primary, ReadReason::opaque);
    }

    void add_call(const weir_call& call) {
        if (call.stored || call.procedure) return;
        NameUse use{NameKind::function, or_empty(call.schema), call.name};
        use.arguments = static_cast<std::uint8_t>(std::min(call.count, 255));
        add_name(use);
        if (use.name == "current_setting") add_current_setting(call);
        if (use.name == "set_config" && call.arguments[0].kind != WEIR_STRING)
            raise(ReadTarget::pin, ReadReason::session_state);
    }

    void add_current_setting(const weir_call& call) {
        const weir_argument& name = call.arguments[0];
        if (name.kind != WEIR_STRING || is_node_setting(name.text))
            raise(ReadTarget::primary, ReadReason::node_setting);
    }

    void add_use(const weir_use& use) {
        const std::string_view schema = or_empty(use.schema);
        const std::string_view name = use.name;
        switch (use.kind) {
            case WEIR_USE_RELATION:
                add_name({NameKind::relation, schema, name});
                break;
            case WEIR_USE_OPERATOR:
                add_name({NameKind::operator_, schema, name});
                break;
            case WEIR_USE_TYPE:
                if (is_reg_type(schema, name)) raise(ReadTarget::primary, ReadReason::reg_cast);
                add_name({NameKind::type, schema, name});
                break;
            case WEIR_USE_ATTRIBUTE:
                facts_.attributes.push_back(attribute_hash(name, false));
                break;
            case WEIR_USE_FIELD:
                add_field(name);
                break;
        }
    }

    // ('s'::regclass).nextval calls it.
    void add_field(std::string_view name) {
        facts_.attributes.push_back(attribute_hash(name, true));
        const auto causes = replica_causes(name);
        if (causes && causes->any()) add_name({NameKind::function, {}, name, 1});
    }

    const weir_tree& tree_;
    const Statement& statement_;
    ReadFacts facts_;
};

}  // namespace

std::string_view text(NameKind kind) {
    switch (kind) {
        case NameKind::function:
            return "function";
        case NameKind::relation:
            return "relation";
        case NameKind::operator_:
            return "operator";
        case NameKind::type:
            return "type";
    }
    return "relation";
}

bool NameUses::add(const NameUse& use) {
    if (use.schema.size() > 255 || use.name.size() > 255) return false;
    bytes_ += static_cast<char>(use.kind);
    bytes_ += static_cast<char>(use.arguments);
    bytes_ += static_cast<char>(use.schema.size());
    bytes_ += static_cast<char>(use.name.size());
    bytes_ += use.schema;
    bytes_ += use.name;
    return true;
}

NameUse NameUses::Iterator::operator*() const {
    NameUse use;
    use.kind = static_cast<NameKind>(byte(at_[0]));
    use.arguments = byte(at_[1]);
    use.schema = std::string_view{at_ + header_size, byte(at_[2])};
    use.name = std::string_view{at_ + header_size + byte(at_[2]), byte(at_[3])};
    return use;
}

NameUses::Iterator& NameUses::Iterator::operator++() {
    at_ += header_size + byte(at_[2]) + byte(at_[3]);
    return *this;
}

std::uint32_t attribute_hash(std::string_view name, bool on_value) {
    std::uint32_t hash = on_value ? 0x811c9dc6U : 0x811c9dc5U;  // FNV-1a
    for (const char c : name)
        hash = (hash ^ byte(c)) * 0x01000193U;
    return hash;
}

ReadFacts read_facts(const weir_tree& tree, const Statement& statement) {
    return FactsBuilder{tree, statement}.build();
}

}  // namespace weir::router
