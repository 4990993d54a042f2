// What a statement reaches beyond its text: functions by their bodies, triggers, views, defaults,
// policies, checks. The database's catalog says it; see router/catalog.h.
#include "protocol/field_cursor.h"
#include "protocol/frontend_messages.h"
#include "proxy/client_session.h"
#include "proxy/log.h"

#include <algorithm>
#include <utility>

namespace weir::proxy {

namespace frontend = protocol::frontend;
using router::PinReason;
using router::SessionEffects;
using router::StatementKind;

namespace {

// More is not read: functions are what they are without a catalog then.
constexpr std::size_t catalog_bytes_limit = 64U << 20U;
// Statements of one transaction that are looked at when it has ended.
constexpr std::size_t unresolved_limit = 100;
// A server that has read the catalog so often is given its query to keep: see send_catalog_query().
constexpr std::uint8_t catalog_reads_as_text = 3;
constexpr std::size_t ran_limit = 100;
// A name that a catalog of this age does not know is none: it is not read again for that.
constexpr auto fresh_catalog = std::chrono::seconds(1);

// What the text alone says of names that only the catalog knows.
constexpr PinSet known_by_catalog = pin_bit(PinReason::unknown_function) |
                                    pin_bit(PinReason::unknown_operator) | pin_bit(PinReason::call);

// It says what it does all by itself.
bool is_plain_control(StatementKind kind) {
    switch (kind) {
        case StatementKind::empty:
        case StatementKind::begin:
        case StatementKind::commit:
        case StatementKind::rollback:
        case StatementKind::savepoint:
        case StatementKind::release:
        case StatementKind::rollback_to:
        case StatementKind::set:
        case StatementKind::set_transaction:
        case StatementKind::reset:
        case StatementKind::show:
        case StatementKind::deallocate:
        case StatementKind::discard:
        case StatementKind::listen:
        case StatementKind::unlisten:
        case StatementKind::notify:
            return true;
        default:
            return false;
    }
}

void merge_if(SessionEffects& effects, const SessionEffects* more) {
    if (more != nullptr) effects.merge(*more);
}

// See router/catalog.h.
SessionEffects reached(const router::Statement& statement, const router::Catalog& catalog) {
    SessionEffects effects = catalog.everywhere();
    for (const auto& name : statement.functions)
        merge_if(effects, catalog.function(name));
    for (const auto& name : statement.possible_functions)
        merge_if(effects, catalog.function(name));
    if (catalog.has_overload_effects()) {
        for (const auto name : statement.builtin_functions)
            merge_if(effects, catalog.function(name));
    }
    const bool writes = statement.may_write || statement.has_locking_clause;
    for (const auto& name : statement.relations) {
        if (statement.truncates) merge_if(effects, catalog.truncating(name));
        merge_if(effects, writes ? catalog.relation(name) : catalog.reading(name));
    }
    if (statement.defines) effects.merge(catalog.on_ddl());
    // A text whose names were not read: any of those with an effect may be meant.
    const bool any_relation = catalog.has_relation_effects() && !statement.knows_relations;
    const bool any_attribute =
        catalog.has_attribute_effects() && !statement.reads.known && !statement.relations.empty();
    if (any_relation || any_attribute) effects.pin(PinReason::unknown_function);
    // t.f for f(t).
    if (catalog.has_attribute_effects()) {
        for (const auto hash : statement.reads.attributes)
            merge_if(effects, catalog.attribute(hash));
    }
    return effects;
}

}  // namespace

// For people: what it may hang on.
std::string_view ClientSession::name_reached(const router::Statement& statement) {
    if (!statement.functions.empty()) return statement.functions.front();
    return statement.relations.empty() ? std::string_view() : statement.relations.front();
}

// See has_catalog(); there may be another one.
bool ClientSession::take_catalog() {
    const auto epoch = catalog_state_.epoch();
    catalog_ = catalog_state_.current();
    const auto* catalog = catalog_.catalog.get();
    catalog_is_plain_ = catalog != nullptr && catalog->is_plain();
    if (catalog_.epoch != epoch && failed_epoch_ == epoch) {
        catalog_ = {epoch, nullptr, {}, catalog_.version};
    }
    return catalog_.epoch == epoch;
}

// REQUIRES: a catalog. All it calls was there when the catalog was read.
bool ClientSession::knows_names(const router::Statement& statement) const {
    const auto& catalog = *catalog_.catalog;
    return std::all_of(
               statement.functions.begin(),
               statement.functions.end(),
               [&](const std::string& name) { return catalog.knows_function(name); }
           ) &&
           std::all_of(
               statement.operators.begin(),
               statement.operators.end(),
               [&](const std::string& name) { return catalog.knows_operator(name); }
           );
}

// The pins of a statement, with what it reaches; as far as it is known now.
PinSet ClientSession::plan_reached(const router::StatementPtr& known, Plan& plan, PinSet pins) {
    const auto& statement = *known;
    const bool plain_control =
        std::all_of(statement.kinds.begin(), statement.kinds.end(), is_plain_control);
    const bool known_catalog = has_catalog();
    const auto* const catalog = known_catalog ? catalog_.catalog.get() : nullptr;
    if (statement.changes_catalog_effects) {
        const bool temporary = (pins & pin_bit(PinReason::temp_object)) != 0;
        const bool nothing_to_reach =
            catalog != nullptr && catalog->is_harmless() && !statement.defines_effects;
        if (!nothing_to_reach && (!temporary || !statement.is_single())) {
            plan.change().outdates_catalog = true;
        }
    }
    const bool known_names = catalog != nullptr && knows_names(statement);
    const bool stale = catalog != nullptr && !known_names &&
                       worker_.loop().now() - catalog_.read_at > fresh_catalog;
    if (!known_catalog || stale) {
        if (plain_control) return pins;
        plan.change().unresolved.push_back(known);
        plan.may_read_sequences |= !statement.functions.empty();
        return pins & ~known_by_catalog;
    }
    if (catalog == nullptr) {
        return plain_control ? pins : pins | pin_bit(PinReason::unknown_function);
    }
    const auto effects = reached(statement, *catalog);
    if (effects.any()) {
        auto& changes = plan.change();
        for (const auto& name : effects.touches)
            changes.settings.push_back({Changes::Setting::What::set, name});
        changes.frees_state |= effects.unlocks_advisory;
        changes.outdates_catalog |= effects.changes_effects || statement.defines;
    }
    plan.may_read_sequences |= effects.reads_sequences;
    plan.may_advance_sequences |= effects.may_advance_sequence;
    // Few look for what a function or trigger has done to a sequence.
    const bool asked = start_.entry->sequence_state_read.load(std::memory_order_relaxed);
    if (effects.may_advance_sequence && asked) plan.uses_sequences = known;
    pins = known_names ? pins & ~known_by_catalog : pins | pin_bit(PinReason::unknown_function);
    return pins | effects.pins.to_ullong();
}

// What goes to the server now was planned by the catalog of now. Another session's DDL may change
// that while it waits for a lock; see settle_run().
void ClientSession::note_run(const Plan& plan) {
    auto& planned = worker_.planned();
    if (!planned.empty()) {
        auto& ran = server_->ran;
        if (ran.empty()) ran_epoch_ = catalog_.epoch;
        for (auto& statement : planned) {
            if (!ran.empty() && ran.back() == statement) continue;
            if (ran.size() < ran_limit) {
                ran.push_back(std::move(statement));
            } else {
                ran_too_much_ = true;
            }
        }
        planned.clear();
        if (ddl_ == Ddl::defined) ddl_ = Ddl::used;
    }
    if (plan.changes != nullptr && plan.changes->outdates_catalog) note_ddl(plan);
}

// The group that is about to be sent may commit the DDL of its transaction.
void ClientSession::begin_catalog_change(const Plan& plan) {
    const bool in_block = server_->status == protocol::TransactionStatus::in_transaction;
    const bool may_end = !in_block || plan.ends_transaction || plan.may_commit || plan.large;
    if (!may_end || catalog_change_ != nullptr) return;
    catalog_change_ = std::make_shared<CatalogChange>(start_.entry->catalog);
}

// It has been answered, or will be answered to nobody.
void ClientSession::end_catalog_change() {
    const bool changed = std::exchange(outdates_catalog_, false);
    if (catalog_change_ == nullptr && changed) catalog_state_.outdate();
    catalog_change_.reset();
}

void ClientSession::note_ddl(const Plan& plan) {
    if (ddl_ == Ddl::used) {
        pin(PinReason::unknown_function, "definitions that have changed again in one transaction");
    }
    // Of several statements in one text the later ones may use what the first defines.
    if (ddl_ == Ddl::none) ddl_ = plan.texts == 1 && !plan.several ? Ddl::defined : Ddl::used;
}

// Definitions have changed since it was planned, in this transaction or beside it.
void ClientSession::look_up_run_again() {
    const auto ddl = std::exchange(ddl_, Ddl::none);
    // What was defined, used and rolled back is in no catalog; but a lock that was taken stays.
    if (ddl == Ddl::used && !outdates_catalog_) {
        pin(PinReason::unknown_function, "definitions that were rolled back");
    }
    const bool changed = outdates_catalog_ || catalog_state_.epoch() != ran_epoch_;
    auto ran = std::exchange(server_->ran, {});
    if (!changed) return;
    if (std::exchange(ran_too_much_, false)) {
        return pin(PinReason::unknown_function, "too many statements to look up");
    }
    for (auto& statement : ran) {
        auto known = std::static_pointer_cast<const router::Statement>(statement);
        const auto same = std::find(unresolved_.begin(), unresolved_.end(), known);
        if (same == unresolved_.end()) unresolved_.push_back(std::move(known));
    }
}

// The transaction has ended: what was not known of its statements is looked up. True if the
// catalog has to be read first.
bool ClientSession::reads_catalog() {
    end_catalog_change();
    if (unresolved_.empty() && !catalog_state_.take_refresh()) return false;
    bool read = unresolved_.empty() || std::exchange(reads_anew_, false) || !has_catalog();
    if (!read && catalog_.catalog != nullptr &&
        worker_.loop().now() - catalog_.read_at > fresh_catalog) {
        read = !std::all_of(unresolved_.begin(), unresolved_.end(), [&](const auto& statement) {
            return knows_names(*statement);
        });
    }
    if (read) {
        send_catalog_query(false);
        return true;
    }
    resolve();
    return false;
}

// REQUIRES: has_catalog(). The pins that a statement of this transaction has brought.
PinSet ClientSession::resolved(const router::Statement& statement) {
    const auto unknown = pin_bit(PinReason::unknown_function);
    if (catalog_.catalog == nullptr) return unknown;
    const auto effects = reached(statement, *catalog_.catalog);
    for (const auto& name : effects.touches)
        touch(name);
    outdates_catalog_ |= effects.changes_effects;
    return effects.pins.to_ullong() | (knows_names(statement) ? 0 : unknown);
}

void ClientSession::resolve() {
    for (const auto& statement : std::exchange(unresolved_, {})) {
        const auto pins = resolved(*statement);
        if (pins != 0) pin_reached(pins, *statement);
    }
}

// Without a catalog that is not outdated, what it has run may have done anything.
void ClientSession::resolve_for_leaving() {
    const bool known = has_catalog();
    for (const auto& statement : std::exchange(unresolved_, {}))
        pins_ |= known ? resolved(*statement) : pin_bit(PinReason::unknown_function);
}

// The text that could not be read has not run.
void ClientSession::forget_unread() {
    const auto unread = [](const auto& statement) {
        return !static_cast<const router::Statement*>(statement.get())->parsed;
    };
    std::erase_if(unresolved_, unread);
    std::erase_if(server_->ran, unread);
}

void ClientSession::pin_reached(PinSet pins, const router::Statement& statement) {
    if (!keeps_server()) pool_->start_pin();
    Plan plan;
    plan.pins = pins;
    plan.pin = first_pin(pins);
    plan.pin_detail = name_reached(statement);
    plan.pin_statement = statement.kind();
    pin(plan);
}

void ClientSession::note_unresolved(const Changes& changes) {
    outdates_catalog_ |= changes.outdates_catalog;
    for (const auto& statement : changes.unresolved) {
        const auto same = std::find(unresolved_.begin(), unresolved_.end(), statement);
        if (same != unresolved_.end()) continue;
        if (unresolved_.size() == unresolved_limit) {
            return pin(PinReason::unknown_function, "too many statements to look up");
        }
        unresolved_.push_back(statement);
    }
}

// --- reading it ---

// `undisturbed`: nothing has run on this server of which it is not known what it did. Elsewhere the
// name of the prepared query might stand for something else by now.
void ClientSession::send_catalog_query(bool undisturbed) {
    reading_catalog_ = std::make_unique<CatalogReading>();
    reading_catalog_->epoch = catalog_state_.epoch();
    reading_catalog_->at = worker_.loop().now();
    std::string text(catalog_query_settings);
    auto& how = server_->catalog_query;
    if (!undisturbed || how.refused || how.sent_as_text < catalog_reads_as_text) {
        text += router::catalog_query();
        if (how.sent_as_text < catalog_reads_as_text) ++how.sent_as_text;
    } else {
        if (!std::exchange(how.prepared, true)) {
            text.append("PREPARE ").append(catalog_query_name).append(" AS ");
            text.append(router::catalog_query()).append("; ");
        }
        text.append("EXECUTE ").append(catalog_query_name);
        reading_catalog_->prepared = true;
    }
    worker_.to_server().begin(frontend::query).c_string(text).end();
    server_->expected.sent({protocol::Request::query, protocol::Reply::swallow, catalog_rows});
    server_->unnamed_owner = 0;
    write_to_server();
}

// What a request does is known before it runs. In a block it is looked up when that has ended.
bool ClientSession::read_catalog_first() {
    constexpr PinSet known_state = askable_pins & ~pin_bit(PinReason::sql_prepare);
    send_catalog_query((pins_ & ~known_state) == 0);
    prelude_pending_ = true;
    return false;
}

void ClientSession::take_catalog_row(const protocol::MessageView& message) {
    if (reading_catalog_ == nullptr || reading_catalog_->too_large) return;
    reading_catalog_->bytes += message.whole.size();
    protocol::FieldCursor cursor(message.body);
    const auto columns = cursor.u16();
    const auto column = [&] {
        const auto size = cursor.i32();
        return size < 0 ? std::string_view() : as_text(cursor.take(static_cast<std::size_t>(size)));
    };
    router::CatalogRow row;
    const auto kind = column();
    row.a = column();
    row.b = column();
    row.c = column();
    row.d = column();
    if (columns != 5 || kind.size() != 1 || !cursor.finished() ||
        reading_catalog_->bytes > catalog_bytes_limit) {
        reading_catalog_->too_large = true;
        reading_catalog_->rows.clear();
        return;
    }
    row.kind = kind[0];
    reading_catalog_->rows.push_back(std::move(row));
}

void ClientSession::settle_catalog() {
    const auto reading = std::exchange(reading_catalog_, nullptr);
    if (reading == nullptr) return;
    // The next look takes it.
    catalog_.epoch = 0;
    if (reading->refused && reading->prepared) {
        server_->catalog_query.refused = true;
        return;
    }
    if (reading->refused) {
        // Others try for themselves.
        failed_epoch_ = reading->epoch;
        log_catalog(*this, "could not be read");
        return;
    }
    CatalogState::Snapshot snapshot{reading->epoch, nullptr, reading->at, 0};
    log_catalog_read(*this, reading->bytes, worker_.loop().now() - reading->at);
    if (reading->too_large) {
        log_catalog(*this, "is too large to be read");
    } else {
        snapshot.catalog = router::Catalog::build(std::move(reading->rows));
    }
    catalog_state_.publish(snapshot);
    if (unresolved_.empty()) return;
    // They ended before it was read: whatever has changed since does not matter to them.
    catalog_ = std::move(snapshot);
    resolve();
    catalog_.epoch = 0;
}

}  // namespace weir::proxy
