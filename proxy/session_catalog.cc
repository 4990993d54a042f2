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
// Rows of more bytes are made a catalog on another thread: these take about a millisecond.
constexpr std::size_t built_here_limit = 64U << 10U;
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

// See has_catalog(); there may be another one. One that is outdated is kept: see still_holds().
bool ClientSession::take_catalog() {
    const auto epoch = catalog_state_.epoch();
    catalog_ = catalog_state_.current();
    const auto* catalog = catalog_.catalog.get();
    catalog_is_plain_ = catalog != nullptr && catalog->is_plain();
    if (catalog_.epoch != epoch && failed_epoch_ == epoch) {
        catalog_ = {epoch, nullptr, {}, catalog_.version};
    }
    if (catalog_.epoch == epoch) return true;
    if (catalog_state_.take_old(worker_.loop().now())) catalog_state_.want_refresh();
    return false;
}

// Of catalog_, which is outdated: what has changed since then does not concern this statement.
bool ClientSession::still_holds(const router::Statement& statement) const {
    return catalog_.catalog != nullptr && catalog_state_.still_holds(catalog_.epoch, statement);
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

void ClientSession::note_definition(const router::Statement& statement, Changes& changes) {
    changes.outdates_catalog = true;
    if (statement.changes_only_names) {
        changes.changed.add(statement.changed_names);
    } else {
        changes.changed.add_anything();
    }
}

// The pins of a statement, with what it reaches; as far as it is known now.
PinSet ClientSession::plan_reached(const router::StatementPtr& known, Plan& plan, PinSet pins) {
    const auto& statement = *known;
    const bool plain_control =
        std::all_of(statement.kinds.begin(), statement.kinds.end(), is_plain_control);
    const bool known_catalog = has_catalog() || still_holds(statement);
    const auto* const catalog = known_catalog ? catalog_.catalog.get() : nullptr;
    if (statement.changes_catalog_effects) {
        const bool temporary = (pins & pin_bit(PinReason::temp_object)) != 0;
        const bool nothing_to_reach =
            catalog != nullptr && catalog->is_harmless() && !statement.defines_effects;
        if (!nothing_to_reach && (!temporary || !statement.is_single())) {
            note_definition(statement, plan.change());
        }
    }
    const bool known_names = catalog != nullptr && knows_names(statement);
    // What this transaction has made is in a later one.
    const bool stale =
        catalog != nullptr && !known_names &&
        (ddl_ != Ddl::none || worker_.loop().now() - catalog_.read_at > fresh_catalog);
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
        if (effects.changes_effects || statement.defines) note_definition(statement, changes);
        // What it defines is in no text.
        if (effects.changes_effects) changes.changed.add_anything();
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
        if (ddl_ == Ddl::defined && uses_what_it_defines()) ddl_ = Ddl::used;
        for (auto& statement : planned) {
            if (!ran.empty() && ran.back() == statement) continue;
            if (ran.size() < ran_limit) {
                ran.push_back(std::move(statement));
            } else {
                ran_too_much_ = true;
            }
        }
        planned.clear();
    }
    if (plan.changes != nullptr && plan.changes->outdates_catalog) note_ddl(plan);
}

// What is planned meets a name that this transaction has given another meaning.
bool ClientSession::uses_what_it_defines() const {
    if (changed_names_ == nullptr) return true;
    const auto& planned = worker_.planned();
    return std::any_of(planned.begin(), planned.end(), [&](const auto& statement) {
        const auto& known = *static_cast<const router::Statement*>(statement.get());
        return catalog_state_.meets(known, *changed_names_);
    });
}

// The group that is about to be sent may commit the DDL of its transaction.
void ClientSession::begin_catalog_change(const Plan& plan) {
    const bool in_block = server_->status == protocol::TransactionStatus::in_transaction;
    const bool may_end = !in_block || plan.ends_transaction || plan.may_commit || plan.large;
    if (catalog_change_ != nullptr) return catalog_change_->add(*changed_names_);
    if (!may_end) return;
    catalog_change_ = std::make_shared<CatalogChange>(start_.entry->catalog, *changed_names_);
}

// It has been answered, or will be answered to nobody.
void ClientSession::end_catalog_change() {
    const auto names = std::exchange(changed_names_, nullptr);
    const bool changed = std::exchange(outdates_catalog_, false);
    if (catalog_change_ == nullptr && changed) catalog_state_.outdate(std::move(*names));
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
    const bool changing = catalog_state_.is_changing();
    const bool uses_own = ddl == Ddl::used && outdates_catalog_;
    const bool changed = catalog_state_.epoch() != ran_epoch_;
    auto ran = std::exchange(server_->ran, {});
    if (!changing && !changed && !uses_own) return;
    if (std::exchange(ran_too_much_, false)) {
        return pin(PinReason::unknown_function, "too many statements to look up");
    }
    for (auto& statement : ran) {
        auto known = std::static_pointer_cast<const router::Statement>(statement);
        if (changing && catalog_state_.meets_change(*known, catalog_change_.get())) {
            // Nothing that was read before now tells what it has reached.
            reads_anew_ = true;
        } else if (!(uses_own && catalog_state_.meets(*known, *changed_names_)) &&
                   (!changed || catalog_state_.still_holds(ran_epoch_, *known))) {
            continue;
        }
        const auto same = std::find(unresolved_.begin(), unresolved_.end(), known);
        if (same == unresolved_.end()) unresolved_.push_back(std::move(known));
    }
}

// The transaction has ended: what was not known of its statements is looked up. True if the
// catalog has to be read first.
bool ClientSession::reads_catalog() {
    end_catalog_change();
    if (unresolved_.empty() && !catalog_state_.take_refresh()) return false;
    const auto holds = [&](const auto& statement) {
        return still_holds(*statement);
    };
    bool read = unresolved_.empty() || std::exchange(reads_anew_, false) ||
                !(has_catalog() || std::all_of(unresolved_.begin(), unresolved_.end(), holds));
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

// REQUIRES: has_catalog(), or it still_holds(). The pins that a statement of this transaction has
// brought.
PinSet ClientSession::resolved(const router::Statement& statement) {
    const auto unknown = pin_bit(PinReason::unknown_function);
    if (catalog_.catalog == nullptr) return unknown;
    const auto effects = reached(statement, *catalog_.catalog);
    for (const auto& name : effects.touches)
        touch(name);
    if (effects.changes_effects) changes_anything();
    return effects.pins.to_ullong() | (knows_names(statement) ? 0 : unknown);
}

// DDL that is in no text.
void ClientSession::changes_anything() {
    outdates_catalog_ = true;
    changed_names_ = std::make_unique<router::ChangedNames>(router::ChangedNames::all());
}

void ClientSession::resolve() {
    for (const auto& statement : std::exchange(unresolved_, {})) {
        const auto pins = resolved(*statement);
        if (pins != 0) pin_reached(pins, *statement);
    }
    // By a function of which that was not known.
    if (outdates_catalog_) end_catalog_change();
}

// Without a catalog that is not outdated, what it has run may have done anything.
void ClientSession::resolve_for_leaving() {
    const bool known = has_catalog();
    for (const auto& statement : std::exchange(unresolved_, {}))
        pins_ |= known || still_holds(*statement) ? resolved(*statement)
                                                  : pin_bit(PinReason::unknown_function);
}

// The text that could not be read has not run.
void ClientSession::forget_unread() {
    const auto unread = [](const auto& statement) {
        return !static_cast<const router::Statement*>(statement.get())->parsed;
    };
    erase_if(unresolved_, unread);
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
    if (changes.outdates_catalog) {
        outdates_catalog_ = true;
        if (changed_names_ == nullptr) changed_names_ = std::make_unique<router::ChangedNames>();
        changed_names_->add_all_of(changes.changed);
    }
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
    if (reading_catalog_ == nullptr || reading_catalog_->building) return;
    auto& reading = *reading_catalog_;
    if (!reading.refused) {
        log_catalog_read(*this, reading.bytes, worker_.loop().now() - reading.at);
        if (reading.too_large) log_catalog(*this, "is too large to be read");
        if (!reading.too_large && reading.bytes > built_here_limit) return build_aside();
        return take_read(
            {reading.epoch,
             reading.too_large ? nullptr : router::Catalog::build(std::move(reading.rows)),
             reading.at,
             0}
        );
    }
    const auto refused = std::exchange(reading_catalog_, nullptr);
    // The next look takes it.
    catalog_.epoch = 0;
    if (refused->prepared) {
        server_->catalog_query.refused = true;
        return;
    }
    // Others try for themselves.
    failed_epoch_ = refused->epoch;
    log_catalog(*this, "could not be read");
}

// It takes milliseconds, in which no other client of this worker would get on. This one waits, or
// leaves.
void ClientSession::build_aside() {
    reading_catalog_->building = true;
    const auto rows =
        std::make_shared<std::vector<router::CatalogRow>>(std::move(reading_catalog_->rows));
    worker_.observer().run_aside([rows,
                                  epoch = reading_catalog_->epoch,
                                  at = reading_catalog_->at,
                                  &worker = worker_,
                                  id = start_.id] {
        const CatalogState::Snapshot snapshot{
            epoch, router::Catalog::build(std::move(*rows)), at, 0};
        worker.with_session(id, [snapshot](ClientSession& session) {
            session.catalog_built(snapshot);
        });
    });
}

void ClientSession::catalog_built(const CatalogState::Snapshot& snapshot) {
    // It may have lost that server since, and read the catalog again.
    if (!is_building_catalog() || reading_catalog_->epoch != snapshot.epoch ||
        reading_catalog_->at != snapshot.read_at) {
        return;
    }
    take_read(snapshot);
    request_finished();
    advance();
}

void ClientSession::take_read(CatalogState::Snapshot snapshot) {
    reading_catalog_.reset();
    catalog_.epoch = 0;
    catalog_state_.publish(snapshot);
    if (unresolved_.empty()) return;
    // They ended before it was read: whatever has changed since does not matter to them.
    catalog_ = std::move(snapshot);
    resolve();
    catalog_.epoch = 0;
}

}  // namespace weir::proxy
