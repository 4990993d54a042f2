// What a statement reaches beyond its text: functions by their bodies, triggers, views, defaults,
// policies, checks. The database's catalog says it; see router/catalog.h.
#include "protocol/field_cursor.h"
#include "protocol/frontend_messages.h"
#include "proxy/client_session.h"

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

SessionEffects reached(const router::Statement& statement, const router::Catalog& catalog) {
    SessionEffects effects = catalog.everywhere();
    for (const auto& name : statement.functions)
        merge_if(effects, catalog.function(name));
    const bool writes = statement.may_write || statement.has_locking_clause;
    for (const auto& name : statement.relations)
        merge_if(effects, writes ? catalog.relation(name) : catalog.reading(name));
    if (statement.defines) effects.merge(catalog.on_ddl());
    // A text whose names were not read, t.f for f(t): any of those with an effect may be meant.
    const bool any_relation = catalog.has_relation_effects() && !statement.knows_relations;
    const bool any_attribute = catalog.has_attribute_effects() && !statement.relations.empty();
    if (any_relation || any_attribute) effects.pin(PinReason::unknown_function);
    return effects;
}

}  // namespace

// For people: what it may hang on.
std::string_view ClientSession::name_reached(const router::Statement& statement) {
    if (!statement.functions.empty()) return statement.functions.front();
    return statement.relations.empty() ? std::string_view() : statement.relations.front();
}

// Whether there is a snapshot that is not outdated; its `catalog` may be null all the same.
bool ClientSession::has_catalog() {
    const auto epoch = catalog_state_.epoch();
    if (catalog_.epoch == epoch) return true;
    catalog_ = catalog_state_.current();
    const auto* catalog = catalog_.catalog.get();
    catalog_is_plain_ = catalog != nullptr && !catalog->has_relation_effects() &&
                        !catalog->has_attribute_effects() && !catalog->everywhere().any() &&
                        !catalog->on_ddl().any();
    return catalog_.epoch == epoch;
}

// The pins of a statement, with what it reaches; as far as it is known now.
PinSet ClientSession::plan_reached(const router::StatementPtr& known, Plan& plan, PinSet pins) {
    const auto& statement = *known;
    const bool known_catalog = has_catalog();
    if (statement.defines) {
        const bool temporary = (pins & pin_bit(PinReason::temp_object)) != 0;
        const auto* catalog = known_catalog ? catalog_.catalog.get() : nullptr;
        const bool nothing_to_reach =
            catalog != nullptr && catalog->is_harmless() && !statement.defines_effects;
        if (!nothing_to_reach && (!temporary || !statement.is_single())) {
            plan.change().outdates_catalog = true;
        }
    }
    if (!known_catalog) {
        if (std::all_of(statement.kinds.begin(), statement.kinds.end(), is_plain_control)) {
            return pins;
        }
        plan.change().unresolved.push_back(known);
        plan.may_read_sequences |= !statement.functions.empty();
        return pins & ~known_by_catalog;
    }
    if (catalog_.catalog == nullptr) return pins;
    const auto effects = reached(statement, *catalog_.catalog);
    if (effects.any()) {
        auto& changes = plan.change();
        changes.touches.insert(
            changes.touches.end(), effects.touches.begin(), effects.touches.end()
        );
        changes.frees_state |= effects.unlocks_advisory;
        changes.outdates_catalog |= effects.changes_catalog;
    }
    plan.may_read_sequences |= effects.reads_sequences;
    plan.may_advance_sequences |= effects.may_advance_sequence;
    return (pins & ~known_by_catalog) | effects.pins.to_ullong();
}

// The transaction has ended: what was not known of its statements is looked up. True if the
// catalog has to be read first.
bool ClientSession::reads_catalog() {
    if (std::exchange(outdates_catalog_, false)) catalog_state_.outdate();
    if (unresolved_.empty() && !catalog_state_.take_refresh()) return false;
    if (unresolved_.empty() || !has_catalog()) {
        send_catalog_query();
        return true;
    }
    resolve();
    return false;
}

// REQUIRES: has_catalog(). The pins that a statement of this transaction has brought.
PinSet ClientSession::resolved(const router::Statement& statement) {
    if (catalog_.catalog == nullptr) return statement.pins.to_ullong() & known_by_catalog;
    const auto effects = reached(statement, *catalog_.catalog);
    for (const auto& name : effects.touches)
        touch(name);
    outdates_catalog_ |= effects.changes_catalog;
    return effects.pins.to_ullong();
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

void ClientSession::pin_reached(PinSet pins, const router::Statement& statement) {
    if (!keeps_server()) pool_.start_pin();
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

void ClientSession::send_catalog_query() {
    reading_catalog_ = std::make_unique<CatalogReading>();
    reading_catalog_->epoch = catalog_state_.epoch();
    worker_.to_server().begin(frontend::query).c_string(router::catalog_query()).end();
    server_->expected.sent({protocol::Request::query, protocol::Reply::swallow, catalog_rows});
    server_->unnamed_owner = 0;
    write_to_server();
}

// What a request does is known before it runs. In a block it is looked up when that has ended.
bool ClientSession::read_catalog_first() {
    send_catalog_query();
    prelude_pending_ = true;
    return false;
}

void ClientSession::take_catalog_row(const protocol::MessageView& message) {
    if (reading_catalog_ == nullptr || reading_catalog_->failed) return;
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
        reading_catalog_->failed = true;
        reading_catalog_->rows.clear();
        return;
    }
    row.kind = kind[0];
    reading_catalog_->rows.push_back(std::move(row));
}

void ClientSession::settle_catalog() {
    const auto reading = std::exchange(reading_catalog_, nullptr);
    if (reading == nullptr) return;
    CatalogState::Snapshot snapshot{reading->epoch, nullptr};
    if (!reading->failed) snapshot.catalog = router::Catalog::build(std::move(reading->rows));
    catalog_state_.publish(std::move(snapshot));
    // The next look takes it.
    catalog_.epoch = 0;
}

}  // namespace weir::proxy
