#include "protocol/expected_replies.h"

#include "protocol/message.h"

#include <algorithm>

namespace weir::protocol {

namespace {

ExpectedReplies::Verdict verdict_of(const Expected& expected) {
    return expected.reply == Reply::swallow ? ExpectedReplies::Verdict::swallow
                                            : ExpectedReplies::Verdict::forward;
}

// Whose answer ends with its own message (CommandComplete and relatives).
bool runs_a_portal(Request request) {
    return request == Request::execute || request == Request::query;
}

bool ends_with_ready(Request request) {
    return request == Request::sync || request == Request::query ||
           request == Request::function_call;
}

}  // namespace

// What comes behind a Sync that was sent already is not skipped.
bool ExpectedReplies::skips_what_follows() const {
    return skipping_ && std::none_of(
                            queue_.begin() + static_cast<std::ptrdiff_t>(head_),
                            queue_.end(),
                            [](const Expected& owed) { return owed.request == Request::sync; }
                        );
}

bool ExpectedReplies::sent(Expected expected) {
    if (expected.request != Request::sync && skips_what_follows()) return false;
    // In COPY the server ignores Sync (manual 55.2.6).
    if (copy_ == Copy::in && expected.request == Request::sync) return false;
    queue_.push_back(expected);
    return true;
}

bool ExpectedReplies::invent(Expected expected) {
    if (skips_what_follows()) return false;
    expected.reply = Reply::invent;
    queue_.push_back(expected);
    return true;
}

void ExpectedReplies::copy_input_ended() {
    if (copy_ == Copy::in) copy_ = Copy::in_ended;
}

void ExpectedReplies::pop() {
    if (++head_ == queue_.size()) {
        queue_.clear();
        head_ = 0;
    }
}

ExpectedReplies::Step ExpectedReplies::pop_if(bool matches) {
    if (!matches) return {};
    const auto expected = queue_[head_];
    pop();
    return {verdict_of(expected), expected, true};
}

ExpectedReplies::Step ExpectedReplies::keep_if(bool matches) const {
    if (!matches) return {};
    return {verdict_of(queue_[head_]), queue_[head_], false};
}

ExpectedReplies::Step ExpectedReplies::on_error() {
    if (copy_ != Copy::none && !ignored_syncs_.empty()) in_doubt_ = true;
    copy_ = Copy::none;
    const auto* expected = front();
    // An error nobody asked for: the server is leaving (57P01 and relatives).
    if (expected == nullptr || skipping_) return {Verdict::forward, std::nullopt, false};
    const auto request = expected->request;
    // At Sync an implicit transaction may fail to commit; ReadyForQuery follows.
    if (ends_with_ready(request)) return keep_if(true);
    skipping_ = true;
    return pop_if(true);
}

ExpectedReplies::Step ExpectedReplies::on_ready() {
    const auto* expected = front();
    if (expected == nullptr && skipping_ && in_doubt_ && !ignored_syncs_.empty()) {
        // It was read behind the error after all.
        const auto sync = ignored_syncs_.front();
        ignored_syncs_.erase(ignored_syncs_.begin());
        in_doubt_ = !ignored_syncs_.empty();
        skipping_ = false;
        return {verdict_of(sync), sync, true};
    }
    if (expected == nullptr || !ends_with_ready(expected->request) || copy_ != Copy::none) {
        return {};
    }
    if (expected->request == Request::sync) skipping_ = false;
    return pop_if(!skipping_);
}

ExpectedReplies::Step ExpectedReplies::on_copy_start(char type) {
    const auto* expected = front();
    if (expected == nullptr || !runs_a_portal(expected->request) || copy_ != Copy::none) return {};
    if (type == backend::copy_in_response) {
        copy_ = Copy::in;
        // Syncs that are on their way already will be read, and ignored, in COPY mode. Requests
        // that were not sent do not stand between.
        ignored_syncs_.clear();
        for (auto next = head_ + 1; next < queue_.size();) {
            if (queue_[next].request == Request::sync) {
                ignored_syncs_.push_back(queue_[next]);
                queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(next));
            } else if (queue_[next].reply == Reply::invent) {
                ++next;
            } else {
                break;
            }
        }
    } else {
        copy_ = Copy::out;
    }
    return keep_if(true);
}

ExpectedReplies::Step ExpectedReplies::on_message(char type) {
    switch (type) {
        case backend::notice_response:
        case backend::parameter_status:
        case backend::notification_response:
            return {Verdict::forward, std::nullopt, false};
        case backend::error_response:
            return on_error();
        case backend::ready_for_query:
            return on_ready();
        default:
            break;
    }
    const auto* expected = front();
    if (expected == nullptr || skipping_) return {};
    const auto request = expected->request;
    switch (type) {
        case backend::parse_complete:
            return pop_if(request == Request::parse);
        case backend::bind_complete:
            return pop_if(request == Request::bind);
        case backend::close_complete:
            return pop_if(request == Request::close);
        case backend::parameter_description:
            return keep_if(request == Request::describe_statement);
        case backend::row_description:
            return request == Request::query ? keep_if(true)
                                             : pop_if(
                                                   request == Request::describe_statement ||
                                                   request == Request::describe_portal
                                               );
        case backend::no_data:
            return pop_if(
                request == Request::describe_statement || request == Request::describe_portal
            );
        case backend::data_row:
            return keep_if(runs_a_portal(request) && copy_ == Copy::none);
        case backend::command_complete:
        case backend::empty_query_response:
            if (copy_ != Copy::none) ignored_syncs_.clear();
            copy_ = Copy::none;
            return request == Request::query ? keep_if(true) : pop_if(request == Request::execute);
        case backend::portal_suspended:
            return pop_if(request == Request::execute && copy_ == Copy::none);
        case backend::function_call_response:
            return keep_if(request == Request::function_call);
        case backend::copy_in_response:
        case backend::copy_out_response:
            return on_copy_start(type);
        case backend::copy_data:
        case backend::copy_done:
            return keep_if(copy_ == Copy::out);
        default:
            return {};
    }
}

std::optional<Expected> ExpectedReplies::next_invented() {
    const auto* expected = front();
    if (expected == nullptr || skipping_ || expected->reply != Reply::invent) return std::nullopt;
    const auto invented = *expected;
    pop();
    return invented;
}

std::optional<Expected> ExpectedReplies::next_dropped() {
    const auto* expected = front();
    if (expected == nullptr || !skipping_ || expected->request == Request::sync) {
        return std::nullopt;
    }
    const auto dropped = *expected;
    pop();
    return dropped;
}

bool ExpectedReplies::needs_sync() const {
    return skipping_ && head_ == queue_.size();
}

void ExpectedReplies::clear() {
    queue_.clear();
    head_ = 0;
    skipping_ = false;
    copy_ = Copy::none;
    ignored_syncs_.clear();
    in_doubt_ = false;
}

}  // namespace weir::protocol
