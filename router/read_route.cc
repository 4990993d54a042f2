#include "router/read_route.h"

#include "router/builtins.h"
#include "router/replica_functions.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace weir::router {

namespace {

using Block = ReadContext::Block;
using Access = ModeChange::Access;

struct Judgement {
    ReadTarget target;
    ReadReason reason;
};

constexpr Judgement fine{ReadTarget::replica_ok, ReadReason::reads_only};

Judgement primary(ReadReason reason) {
    return {ReadTarget::primary, reason};
}

// The transaction blocks of a text, statement by statement.
class Blocks {
public:
    explicit Blocks(ReadContext& context) : context_{context} {}

    // What a statement that opens or changes a block needs; none: not its business.
    std::optional<Judgement> step(StatementKind kind, const ModeChange* mode) {
        switch (kind) {
            case StatementKind::begin:
                return begin(mode);
            case StatementKind::set_transaction:
                return set(mode);
            case StatementKind::set:
            case StatementKind::select:
                if (mode != nullptr) return set(mode);
                return {};
            case StatementKind::commit:
            case StatementKind::rollback:
                return end();
            case StatementKind::prepare_transaction:
                context_.block = Block::none;
                return {};
            default:
                return {};
        }
    }

    // Whether what runs now can write nothing, so that only reading is the question.
    bool reads_only() const {
        if (context_.block == Block::none) return context_.default_read_only;
        return context_.block == Block::read_only;
    }

    bool serializable() const {
        return context_.block == Block::none ? context_.default_serializable
                                             : context_.serializable;
    }

private:
    Judgement begin(const ModeChange* mode) {
        // BEGIN in a block: a warning, but the modes are set.
        if (context_.block == Block::none) {
            context_.block = context_.default_read_only ? Block::read_only : Block::read_write;
            context_.serializable = context_.default_serializable;
        }
        return set(mode);
    }

    Judgement set(const ModeChange* mode) {
        if (mode != nullptr) {
            if (mode->contradictory) {
                context_.block = Block::read_write;
                return primary(ReadReason::contradictory_modes);
            }
            const bool inside = context_.block != Block::none;
            if (inside && mode->access == Access::read_only) context_.block = Block::read_only;
            if (inside && mode->access == Access::read_write) context_.block = Block::read_write;
            if (inside && mode->gives_isolation) context_.serializable = mode->serializable;
            if (mode->snapshot) return primary(ReadReason::snapshot);
            if (mode->access == Access::read_write)
                return primary(ReadReason::read_write_transaction);
            if (mode->serializable) return primary(ReadReason::serializable);
        }
        return of_block();
    }

    Judgement of_block() const {
        if (context_.block == Block::none)
            return {ReadTarget::any, ReadReason::transaction_control};
        if (context_.block == Block::read_write) return primary(ReadReason::read_write_transaction);
        if (context_.serializable) return primary(ReadReason::serializable);
        return {ReadTarget::replica_ok, ReadReason::read_only_transaction};
    }

    // AND CHAIN begins with the same modes: the caller's block goes on.
    std::optional<Judgement> end() {
        const Judgement found = of_block();
        context_.block = Block::none;
        context_.serializable = false;
        return found;
    }

    ReadContext& context_;
};

const ModeChange* mode_of(const ReadFacts& facts, std::size_t statement) {
    const auto found =
        std::find_if(facts.modes.begin(), facts.modes.end(), [&](const ModeChange& mode) {
            return mode.statement == statement;
        });
    return found == facts.modes.end() ? nullptr : &*found;
}

// Over the statements of a text. `all_read_only`: each that is more than control ran where nothing
// can be written.
struct TextBlocks {
    Judgement most{ReadTarget::any, ReadReason::empty};
    bool all_read_only = true;
    bool has_reads = false;
};

void raise(Judgement& most, Judgement other) {
    if (other.target > most.target || most.reason == ReadReason::empty) most = other;
}

TextBlocks walk_blocks(const Statement& statement, ReadContext& context) {
    TextBlocks result;
    Blocks blocks{context};
    for (std::size_t i = 0; i < statement.kinds.size(); ++i) {
        const StatementKind kind = statement.kinds[i];
        const bool in_block = context.block != Block::none;
        const auto judged = blocks.step(kind, mode_of(statement.reads, i));
        if (judged) raise(result.most, *judged);
        // A function that sets a mode is still a function of a query.
        if (judged && kind != StatementKind::select) continue;
        result.has_reads = true;
        result.all_read_only &= blocks.reads_only();
        if (context.block == Block::read_write && (in_block || statement.reads.begins))
            raise(result.most, primary(ReadReason::read_write_transaction));
        else if (blocks.serializable())
            raise(result.most, primary(ReadReason::serializable));
    }
    return result;
}

// The names of a text, one after the other.
class NameJudge {
public:
    NameJudge(const ReadCatalog* catalog, const ReadContext& context, bool read_only)
        : catalog_{catalog}, path_{context.path.get()}, context_{context} {
        if (read_only) ignored_ |= ReadCauses::refused_alike();
        if (context.catalog_reads) ignored_ |= ReadCauses::catalog;
    }

    Judgement judge(const NameUse& use) const {
        switch (use.kind) {
            case NameKind::function:
                return function(use);
            case NameKind::relation:
                return relation(use);
            case NameKind::operator_:
                return operator_(use);
            case NameKind::type:
                return type(use);
        }
        return primary(ReadReason::opaque);
    }

    Judgement attributes(const std::vector<std::uint32_t>& hashes) const {
        if (hashes.empty()) return fine;
        if (catalog_ == nullptr) return primary(ReadReason::no_catalog);
        if (!catalog_->has_attributes()) return fine;
        ReadCauses causes;
        for (const std::uint32_t hash : hashes)
            causes |= catalog_->attribute(hash);
        return told(causes);
    }

    // What no text names. Everything may reach it but a text of constants, and that is not told
    // from others.
    Judgement implicit() const {
        if (catalog_ == nullptr || !rest(catalog_->implicit()).any()) return fine;
        return primary(ReadReason::volatile_implicit);
    }

private:
    ReadCauses rest(ReadCauses causes) const { return causes.without(ignored_); }

    Judgement told(ReadCauses causes) const {
        causes = rest(causes);
        return causes.any() ? primary(causes.reason()) : fine;
    }

    // All candidates count: those of pg_catalog and of the path.
    Judgement function(const NameUse& use) const {
        const bool in_catalog = use.schema.empty() || use.schema == "pg_catalog";
        const auto builtin = in_catalog ? replica_causes(use.name) : std::nullopt;
        if (builtin && rest(*builtin).any()) return told(*builtin);
        if (use.schema == "pg_catalog")
            return builtin ? fine : primary(ReadReason::unknown_function);
        if (catalog_ == nullptr) return primary(ReadReason::no_catalog);
        const auto users = catalog_->function(use.schema, use.name, use.arguments, path_);
        if (users && rest(*users).any()) return told(*users);
        if (users || builtin) return fine;
        // type(x) is a cast.
        if (use.arguments == 1)
            if (const auto cast = catalog_->type(use.name))
                return rest(*cast).any() ? primary(ReadReason::volatile_type) : fine;
        return primary(ReadReason::unknown_function);
    }

    Judgement relation(const NameUse& use) const {
        if (use.schema.substr(0, 7) == "pg_temp")
            return {ReadTarget::pin, ReadReason::temporary_names};
        if (use.schema.empty() && context_.temporary_objects)
            return {ReadTarget::pin, ReadReason::temporary_names};
        if (use.schema == "pg_catalog" || use.schema == "information_schema" ||
            use.schema == "pg_toast")
            return catalog_relation(use);
        if (catalog_ == nullptr) return primary(ReadReason::no_catalog);
        const auto found = catalog_->relation(use.schema, use.name, path_);
        // Before a user's of the same name, unless the path says otherwise.
        if (use.schema.empty() && use.name.substr(0, 3) == "pg_" &&
            (!found || path_ == nullptr || !path_->names_pg_catalog))
            return catalog_relation(use);
        return found ? told(*found) : primary(ReadReason::unknown_relation);
    }

    Judgement catalog_relation(const NameUse& use) const {
        const bool shared = use.schema == "information_schema" || is_shared_catalog(use.name);
        const bool may = context_.catalog_reads && shared;
        return may ? fine : primary(ReadReason::catalog_relation);
    }

    // PostgreSQL's own are harmless; a user's of the same name may be meant.
    Judgement operator_(const NameUse& use) const {
        const bool builtin =
            is_builtin_operator(use.name) && (use.schema.empty() || use.schema == "pg_catalog");
        if (use.schema == "pg_catalog")
            return builtin ? fine : primary(ReadReason::unknown_operator);
        if (catalog_ == nullptr) return primary(ReadReason::no_catalog);
        const auto users = catalog_->operator_(use.name);
        if (users && rest(*users).any()) return primary(ReadReason::volatile_operator);
        return users || builtin ? fine : primary(ReadReason::unknown_operator);
    }

    Judgement type(const NameUse& use) const {
        if (use.schema.substr(0, 7) == "pg_temp")
            return {ReadTarget::pin, ReadReason::temporary_names};
        if (catalog_ == nullptr) return primary(ReadReason::no_catalog);
        const auto users = catalog_->type(use.name);
        if (users && rest(*users).any()) return primary(ReadReason::volatile_type);
        const bool in_catalog = use.schema.empty() || use.schema == "pg_catalog";
        if (users || (in_catalog && find_builtin_function(use.name) != nullptr)) return fine;
        // A row of a table.
        if (catalog_->relation(use.schema, use.name, path_)) return fine;
        const bool array = in_catalog && use.name.size() > 1 && use.name.front() == '_' &&
                           find_builtin_function(use.name.substr(1)) != nullptr;
        return array ? fine : primary(ReadReason::unknown_type);
    }

    const ReadCatalog* catalog_;
    const SearchPath* path_;
    const ReadContext& context_;
    ReadCauses ignored_;
};

// Raises `verdict` to the first name that must not be on a replica.
void judge_names(
    ReadVerdict& verdict,
    const Statement& statement,
    const Catalog* catalog,
    const ReadContext& context,
    bool read_only
) {
    const ReadFacts& facts = statement.reads;
    const NameJudge judge{catalog == nullptr ? nullptr : &catalog->reads(), context, read_only};
    const auto take = [&](Judgement found, std::size_t name) {
        if (found.target <= verdict.target || found.target <= ReadTarget::replica_ok) return;
        verdict.target = found.target;
        verdict.reason = found.reason;
        verdict.name =
            static_cast<std::uint16_t>(std::min<std::size_t>(name, ReadVerdict::no_name));
    };
    std::size_t index = 0;
    for (const NameUse& use : facts.names)
        take(judge.judge(use), index++);
    take(judge.attributes(facts.attributes), ReadVerdict::no_name);
    take(judge.implicit(), ReadVerdict::no_name);
}

}  // namespace

ReadVerdict classify_read(
    const Statement& statement, const Catalog* catalog, const ReadContext& context
) {
    const ReadFacts& facts = statement.reads;
    ReadVerdict verdict;
    if (!facts.known) return verdict;
    ReadContext running = context;
    const TextBlocks blocks = walk_blocks(statement, running);
    const bool read_only = blocks.has_reads && blocks.all_read_only;
    verdict.target = facts.target;
    verdict.reason = facts.reason;
    // LOCK in a weak mode, and FETCH, are what a read-only transaction has on a replica, too.
    const bool in_read_only = context.block == Block::read_only && statement.is_single();
    if (in_read_only &&
        (facts.locks_weakly || (facts.reason == ReadReason::cursor && statement.is_single()))) {
        verdict.target = ReadTarget::replica_ok;
        verdict.reason = ReadReason::read_only_transaction;
    }
    if (blocks.most.target > verdict.target) {
        verdict.target = blocks.most.target;
        verdict.reason = blocks.most.reason;
    }
    if (facts.needs_names && verdict.target < ReadTarget::pin) {
        ReadVerdict named = verdict;
        judge_names(named, statement, catalog, context, read_only);
        verdict = named;
    }
    // Names behind a SET of the path are others; modes behind a SET of the defaults, too.
    const bool several = !statement.is_single();
    if (verdict.target < ReadTarget::primary &&
        ((facts.sets_names && facts.needs_names && several) || (facts.sets_modes && several))) {
        verdict.target = ReadTarget::primary;
        verdict.reason = ReadReason::changed_resolution;
    }
    // In a READ ONLY transaction volatile functions were let pass, but are not known to only read.
    verdict.retry_safe = verdict.on_replica();
    if (verdict.retry_safe && read_only && facts.needs_names) {
        ReadVerdict strict = verdict;
        judge_names(strict, statement, catalog, context, false);
        verdict.retry_safe = strict.on_replica();
    }
    return verdict;
}

ReadReason judge_name(const NameUse& name, const Catalog* catalog, const ReadContext& context) {
    const NameJudge judge{catalog == nullptr ? nullptr : &catalog->reads(), context, false};
    return judge.judge(name).reason;
}

NameUse name_of(const Statement& statement, const ReadVerdict& verdict) {
    std::size_t index = 0;
    for (const NameUse& use : statement.reads.names)
        if (index++ == verdict.name) return use;
    return {};
}

void advance(ReadContext& context, const Statement& statement) {
    const bool chain = statement.transaction && statement.transaction->chain;
    const ReadContext before = context;
    walk_blocks(statement, context);
    if (chain && statement.is_single() && before.block != Block::none) {
        context.block = before.block;
        context.serializable = before.serializable;
    }
    for (const SettingChange& change : statement.settings) {
        if (change.name == "search_path" || change.name == "role" ||
            change.name == "session_authorization")
            context.path = nullptr;
        const bool to_default = change.action == SettingChange::Action::to_default;
        const auto& value = change.value;
        if (change.name == "default_transaction_read_only")
            context.default_read_only =
                !to_default && !change.is_local && value && (*value == "on" || *value == "true");
        if (change.name == "default_transaction_isolation")
            context.default_serializable = to_default || !value || *value == "serializable";
    }
    if (statement.reset_all || !statement.reads.known) {
        context.path = nullptr;
        context.default_read_only = false;
        context.default_serializable = true;  // not known
    }
    if (!statement.reads.known && context.block == Block::read_only)
        context.block = Block::read_write;
    const auto temporary = static_cast<std::size_t>(PinReason::temp_object);
    context.temporary_objects |= statement.pins[temporary];
}

ReadVerdict combine(ReadVerdict first, ReadVerdict second) {
    ReadVerdict most = second.target > first.target ? second : first;
    // Two that may run anywhere say nothing; one that reads says more.
    if (first.target == second.target && first.reason == ReadReason::empty) most = second;
    most.retry_safe = first.retry_safe && second.retry_safe;
    return most;
}

ReadVerdict with_hint(ReadVerdict verdict, std::optional<ReadTarget> hint) {
    if (hint != ReadTarget::primary || !verdict.on_replica()) return verdict;
    return {ReadTarget::primary, ReadReason::hint, verdict.retry_safe};
}

ReadVerdict classify_reads(
    std::span<const Statement* const> statements, const Catalog* catalog, ReadContext context
) {
    ReadVerdict all{ReadTarget::any, ReadReason::empty, true};
    for (const Statement* statement : statements) {
        all = combine(all, classify_read(*statement, catalog, context));
        advance(context, *statement);
    }
    all.name = ReadVerdict::no_name;
    return all;
}

}  // namespace weir::router
