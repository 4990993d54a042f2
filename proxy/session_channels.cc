#include "proxy/session_channels.h"

#include <algorithm>
#include <utility>

namespace weir::proxy {

using router::StatementKind;

namespace {

// The kinds whose tags say something about the log; nothing for all others.
std::string_view tag_of(StatementKind kind) {
    switch (kind) {
        case StatementKind::listen:
            return "LISTEN";
        case StatementKind::unlisten:
            return "UNLISTEN";
        case StatementKind::savepoint:
            return "SAVEPOINT";
        case StatementKind::release:
            return "RELEASE";
        case StatementKind::commit:
            return "COMMIT";
        case StatementKind::rollback:
        case StatementKind::rollback_to:
            return "ROLLBACK";
        default:
            return {};
    }
}

bool has_name(StatementKind kind) {
    return kind != StatementKind::commit && kind != StatementKind::rollback;
}

}  // namespace

void SessionChannels::note(StatementKind kind, std::string_view name) {
    const auto mark = [&] {
        return std::find_if(log_.rbegin(), log_.rend(), [&](const Entry& entry) {
            return entry.kind == StatementKind::savepoint && entry.name == name;
        });
    };
    switch (kind) {
        case StatementKind::listen:
        case StatementKind::unlisten:
            log_.push_back({kind, std::string(name)});
            return;
        case StatementKind::savepoint:
            // One that was made before there was anything to take back needs no mark.
            if (!log_.empty()) log_.push_back({kind, std::string(name)});
            return;
        case StatementKind::rollback_to: {
            const auto found = mark();
            // The savepoint itself stays.
            log_.erase(found == log_.rend() ? log_.begin() : found.base(), log_.end());
            return;
        }
        case StatementKind::release: {
            const auto found = mark();
            const auto from = found == log_.rend() ? log_.begin() : std::prev(found.base());
            const auto is_mark = [](const Entry& entry) {
                return entry.kind == StatementKind::savepoint;
            };
            log_.erase(std::remove_if(from, log_.end(), is_mark), log_.end());
            return;
        }
        default:
            return;
    }
}

std::vector<std::string> SessionChannels::transaction_ended(bool committed) {
    committing_ = false;
    for (const auto& entry : std::exchange(log_, {})) {
        if (!committed) break;
        if (entry.kind == StatementKind::listen) {
            channels_[entry.name] = true;
        } else if (entry.kind == StatementKind::unlisten && entry.name.empty()) {
            for (auto& [name, active] : channels_)
                active = false;
        } else if (entry.kind == StatementKind::unlisten) {
            const auto found = channels_.find(entry.name);
            if (found != channels_.end()) found->second = false;
        }
    }
    return take_unused();
}

bool SessionChannels::is_wanted(std::string_view channel) const {
    if (is_active(channel)) return true;
    return std::any_of(log_.begin(), log_.end(), [&](const Entry& entry) {
        return entry.kind == StatementKind::listen && entry.name == channel;
    });
}

std::vector<std::string> SessionChannels::take_unused() {
    std::vector<std::string> unused;
    for (const auto& [name, active] : channels_) {
        if (!is_wanted(name)) unused.push_back(name);
    }
    for (const auto& name : unused)
        channels_.erase(name);
    if (!committing_) forget_unwanted();
    return unused;
}

std::vector<std::string> SessionChannels::drop_all() {
    log_.clear();
    for (auto& [name, active] : channels_)
        active = false;
    committing_ = false;
    return take_unused();
}

// What waits is delivered only if PostgreSQL would deliver it now.
void SessionChannels::forget_unwanted() {
    std::erase_if(queue_, [&](const Queued& queued) {
        const bool unwanted = !is_active(queued.notification->channel);
        if (unwanted) queued_bytes_ -= queued.notification->size();
        return unwanted;
    });
}

bool SessionChannels::follows(const router::Statement& statement) const {
    if (statement.unlisten_all || statement.contains(StatementKind::unlisten)) return true;
    return !log_.empty() &&
           std::any_of(statement.kinds.begin(), statement.kinds.end(), [](StatementKind kind) {
               return !tag_of(kind).empty() || kind == StatementKind::prepare_transaction;
           });
}

void SessionChannels::sent(const router::Statement& statement) {
    std::size_t scope = 0;
    for (const auto kind : statement.kinds) {
        if (kind == StatementKind::discard && statement.discard_all) {
            under_way_.push_back({kind, {}});
            continue;
        }
        if (tag_of(kind).empty()) continue;
        const bool named = has_name(kind) && scope < statement.scopes.size();
        under_way_.push_back({kind, named ? statement.scopes[scope++].name : std::string()});
    }
}

std::vector<std::string> SessionChannels::done(std::string_view tag) {
    if (under_way_.empty()) return {};
    const auto kind = under_way_.front().kind;
    // COMMIT of a transaction that has failed says ROLLBACK.
    const bool rolled_back = kind == StatementKind::commit && tag == "ROLLBACK";
    const bool discards = kind == StatementKind::discard && tag == "DISCARD ALL";
    if (tag != tag_of(kind) && !rolled_back && !discards) return {};
    const auto name = std::move(under_way_.front().name);
    under_way_.pop_front();
    switch (kind) {
        case StatementKind::discard:
            note(StatementKind::unlisten, {});
            return {};
        case StatementKind::listen:
            // On the server itself: that is none of ours.
            return {};
        case StatementKind::commit:
        case StatementKind::rollback:
            return transaction_ended(tag == "COMMIT");
        default:
            note(kind, name);
            return kind == StatementKind::rollback_to ? take_unused() : std::vector<std::string>();
    }
}

bool SessionChannels::enqueue(const NotificationRef& notification) {
    const auto found = channels_.find(notification->channel);
    if (found == channels_.end() || !(found->second || committing_)) return true;
    queued_bytes_ += notification->size();
    if (queued_bytes_ > queue_limit) {
        queue_.clear();
        queued_bytes_ = 0;
        return false;
    }
    const bool own = own_process_ != 0 && notification->process_id == own_process_;
    queue_.push_back({notification, own});
    return true;
}

void SessionChannels::dequeue() {
    queued_bytes_ -= queue_.front().notification->size();
    queue_.pop_front();
}

}  // namespace weir::proxy
