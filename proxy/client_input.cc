// From the client's bytes to groups of messages, and where each group goes.
#include "protocol/frontend_messages.h"
#include "proxy/client_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace weir::proxy {

namespace frontend = protocol::frontend;

namespace {

// A group that is longer goes to the server in pieces.
constexpr std::size_t group_limit = 256 * 1024;
// How much of a large message must be there before it is sent on: the names in it.
constexpr std::size_t large_prefix = 16 * 1024;

bool ends_group(char type) {
    return type == frontend::query || type == frontend::sync || type == frontend::flush ||
           type == frontend::function_call || type == frontend::terminate;
}

bool is_copy_message(char type) {
    return type == frontend::copy_data || type == frontend::copy_done ||
           type == frontend::copy_fail;
}

}  // namespace

// How much is read ahead: a group that is not whole yet needs all of it, one that waits does not
// need more.
std::size_t ClientSession::input_limit() const {
    const bool incomplete = stream_left_ == 0 && may_start_group();
    return incomplete ? 2 * group_limit + pool::EventLoop::buffer_size
                      : pool::EventLoop::buffer_size;
}

// Uses up what can be used of `input`; returns how much that was.
std::size_t ClientSession::process(Bytes input) {
    std::size_t used = 0;
    while (phase_ == Phase::serving && used < input.size()) {
        const auto left = input.subspan(used);
        std::size_t taken = 0;
        if (stream_left_ > 0) {
            taken = take_stream(left);
        } else if (is_copy_message(static_cast<char>(left[0]))) {
            taken = take_copy_message(left);
        } else if (may_start_group()) {
            const auto group = next_group(left);
            if (group && phase_ == Phase::serving) {
                taken = take_group(*group);
                worker_.planned_uses().clear();
            }
        }
        if (taken == 0) break;
        used += taken;
    }
    return phase_ == Phase::ended ? input.size() : used;
}

bool ClientSession::may_start_group() const {
    if (waiting_ || listener_wait_ || prelude_pending_ || healing_ || output_.size() > output_limit)
        return false;
    if (waits_for_host() || is_retrying() || is_building_catalog()) return false;
    if (!server_output_.empty()) return false;
    if (server_ == nullptr || server_->expected.in_sync()) return true;
    // The rest of what was sent without an end; or the Sync that an error waits for.
    return group_open_ || server_->expected.needs_sync() || server_->expected.copy_in();
}

bool ClientSession::check_header(char type, std::uint32_t length) {
    const auto limit = protocol::message_length_limit(type);
    if (!limit) {
        violation(fmt::format("invalid frontend message type {}", static_cast<unsigned char>(type))
        );
        return false;
    }
    if (length < 4 || length > std::min(*limit, limits_->max_packet_size)) {
        violation(fmt::format(
            "invalid message length {} of message type {}", length, static_cast<unsigned char>(type)
        ));
        return false;
    }
    return true;
}

void ClientSession::violation(std::string message) {
    finish_with(protocol::violation(std::move(message)));
}

// The next group if it is whole, or a piece of one that has grown too long to be kept. Nothing if
// more must be read first. `scanned_` remembers how far it has looked.
std::optional<ClientSession::Group> ClientSession::next_group(Bytes input) {
    auto at = std::min(scanned_, input.size());
    scanned_ = 0;
    while (input.size() - at >= protocol::message_header_size) {
        const auto rest = input.subspan(at);
        const char type = static_cast<char>(rest[0]);
        const auto length = protocol::announced_length(rest);
        if (!check_header(type, length)) return std::nullopt;
        const std::size_t whole = std::size_t{length} + 1;
        // COPY data behind other messages is a thing of its own, and so is the goodbye.
        if (at > 0 && (is_copy_message(type) || type == frontend::terminate)) {
            return Group{input.first(at), 0};
        }
        if (rest.size() < whole) {
            if (whole > group_limit || at > group_limit) {
                // What is before it goes ahead; then it comes alone.
                if (at > 0) return Group{input.first(at), 0};
                if (rest.size() >= large_prefix) {
                    return Group{rest, ends_group(type) ? type : '\0', whole - rest.size()};
                }
            }
            break;
        }
        at += whole;
        if (ends_group(type)) return Group{input.first(at), type};
        if (at > group_limit) return Group{input.first(at), 0};
    }
    scanned_ = at;
    return std::nullopt;
}

// Sends the group or answers it. 0: it must wait; it stays where it is.
std::size_t ClientSession::take_group(const Group& group) {
    if (static_cast<char>(group.bytes[0]) == frontend::terminate) {
        finish("client close request");
        return 0;
    }
    if (server_ != nullptr && server_->expected.copy_in()) return end_copy(group);
    if (skip_to_sync_ || (server_ != nullptr && server_->expected.needs_sync())) {
        return skip_group(group);
    }
    auto needs = group.missing > 0 ? plan_large(group) : plan(group);
    if (phase_ != Phase::serving) return 0;
    if (routing_ != nullptr) {
        const auto answered = answer_about_routing(group, needs);
        if (answered != Answered::no) return answered == Answered::yes ? taken(group) : 0;
    }
    if (used_sequences_ != nullptr) settle_sequences(needs);
    if ((server_ == nullptr || local_failed_) && answer_locally(group, needs)) {
        meter_answered_here();
        return taken(group);
    }
    if (needs.listens != nullptr && listens_here(group, needs)) {
        meter_answered_here();
        return take_listen(group, needs);
    }
    if (meter_.arrived == pool::TimePoint{}) meter_.arrived = worker_.loop().now();
    if (server_ == nullptr || server_->expected.in_sync()) {
        if (!waiting_ && !group_open_) request_at_ = worker_.loop().now();
        arm(limits_->query_timeout);
    }
    const bool pins = needs.pins != 0 && !keeps_server();
    if (routing_ != nullptr && routing_->flushed && leaves_flushed(needs, group)) return 0;
    if (!canceled_ && !prelude_error_) {
        const bool to_be_routed = routing_ != nullptr && server_ == nullptr && !waiting_;
        if (to_be_routed && !choose_host(needs, group)) return 0;
        // Nobody stands in the queue for a server that he may not keep.
        const bool in_vain = pins && server_ == nullptr && !waiting_ && pool_->pins_full();
        if (in_vain) return refuse_pin(group, needs);
        waiter_.preferred_server = may_ask_for_sequences(needs) ? sequence_server_ : 0;
        if (!acquire()) return 0;
    }
    if (prelude_error_ && goes_on_primary()) return 0;
    if (canceled_ || prelude_error_) return refuse_group(group);
    if (routing_ != nullptr) {
        if (was_routed_wrongly(needs, group)) return 0;
        if (leaves_chain(needs)) return 0;
        if (must_not_run_on_replica(needs)) return refuse_on_replica(group, needs);
        if (routing_->on_replica && !deferred_begin_.empty()) routing_->begin = deferred_begin_;
        // What was said before is not part of what may have to be taken back. It may be found that
        // the client has left.
        if (routing_->on_replica) flush_client();
        if (phase_ != Phase::serving) return 0;
    }
    // In the middle of a reply nothing can be said.
    if (pins && reply_left_ > 0) return 0;
    if (pins && !pool_->try_start_pin()) return refuse_pin(group, needs);
    if (needs.pins != 0) {
        // A group that waits for its prelude comes here twice.
        if (pins) {
            pin_by_text_ = needs.texts == 1 && (needs.pin == router::PinReason::unparsable ||
                                                needs.pin == router::PinReason::unknown_function);
        }
        pin(needs);
    }
    if (columns_changed_) return refuse_other_columns(group);
    if (needs.may_notify && !may_notify_now()) return 0;
    if (!send_prelude(needs)) return 0;
    group_deallocates_ = needs.deallocates;
    unit_may_commit_ |= needs.may_commit;
    note_run(needs);
    if (needs.changes != nullptr) {
        note_changes(needs, *needs.changes);
        if (needs.changes->prepare != nullptr) prepares_by_sql(*needs.changes);
    }
    if (outdates_catalog_) begin_catalog_change(needs);
    if (listening_ != nullptr) follow_listening(needs);
    forwarded_in_group_ = false;
    const bool was_idle =
        server_->status == protocol::TransactionStatus::idle && !group_open_ && !begin_sent_;
    stream_discard_ = false;
    if (routing_ != nullptr) begin_on_host(group, needs);
    if (!worker_.planned_uses().empty()) meter_begin(group);
    meter_.arrived = {};
    meter_.waited = {};
    send_group(group);
    group_prepares_.reset();
    if (!touched_.empty() && may_ask_behind(needs, group, was_idle)) send_inquiry();
    write_to_server();
    return taken(group);
}

// How much of the input a group was; the rest of its last message follows it.
std::size_t ClientSession::taken(const Group& group) {
    if (phase_ == Phase::serving) stream_left_ = group.missing;
    return group.bytes.size();
}

// What was to go ahead of the group has failed, or the client has changed its mind.
std::size_t ClientSession::refuse_group(const Group& group) {
    const auto error = prelude_error_ ? std::move(*prelude_error_)
                                      : protocol::error(
                                            protocol::sqlstate::query_canceled,
                                            "canceling statement due to user request"
                                        );
    prelude_error_.reset();
    canceled_ = false;
    if (server_ != nullptr && !keeps_server() && !server_listens() && server_->expected.in_sync() &&
        !group_open_ && server_->status == protocol::TransactionStatus::idle) {
        give_server_back();
    }
    settings_owed_ = true;
    fail_group(group, error);
    return taken(group);
}

// Nothing counts until Sync: an error was answered.
std::size_t ClientSession::skip_group(const Group& group) {
    stream_discard_ = true;
    if (group.terminator == frontend::sync) {
        if (skip_to_sync_) {
            skip_to_sync_ = false;
            protocol::write_ready_for_query(local_status(), worker_.to_client());
        } else {
            group_open_ = false;
            protocol::write_empty(frontend::sync, worker_.to_server());
            server_->expected.sent({protocol::Request::sync, protocol::Reply::forward, 0});
            write_to_server();
        }
    }
    return taken(group);
}

// A Query or another group while COPY waits for data: PostgreSQL ends the COPY with an error. Sync
// and Flush mean nothing there.
std::size_t ClientSession::end_copy(const Group& group) {
    const auto first = protocol::message_at(group.bytes);
    if (first.type != frontend::sync && first.type != frontend::flush) {
        const bool extended = copy_is_extended();
        worker_.to_server()
            .begin(frontend::copy_fail)
            .c_string("unexpected message type during COPY from stdin")
            .end();
        server_->expected.copy_input_ended();
        if (extended) group_open_ = true;
        write_to_server();
    }
    stream_discard_ = true;
    if (group.missing > 0) return taken(group);
    return first.whole.size();
}

// The rest of a message that is passed on in pieces.
std::size_t ClientSession::take_stream(Bytes input) {
    const auto size = std::min<std::uint64_t>(stream_left_, input.size());
    if (!stream_discard_) {
        if (!server_output_.empty()) return 0;
        worker_.to_server().append(input.first(size));
        write_to_server();
    }
    stream_left_ -= size;
    meter_copied(size);
    return size;
}

// The COPY that waits for data was begun by Execute: a Sync follows its end.
bool ClientSession::copy_is_extended() const {
    const auto* request = server_->expected.front();
    return request != nullptr && request->request == protocol::Request::execute;
}

// CopyData and its end go straight on while the server takes them, and nowhere otherwise: a
// frontend may still be sending after COPY has failed (manual 55.2.6).
std::size_t ClientSession::take_copy_message(Bytes input) {
    if (input.size() < protocol::message_header_size) return 0;
    const char type = static_cast<char>(input[0]);
    const auto length = protocol::announced_length(input);
    if (!check_header(type, length)) return 0;
    const std::uint64_t whole = std::uint64_t{length} + 1;
    // Whether the server will take it is known when it has answered what it was sent.
    const bool undecided = server_ != nullptr && !server_->expected.in_sync() &&
                           !server_->expected.copy_in() && !server_->expected.needs_sync();
    if (waiting_ || prelude_pending_ || undecided) return 0;
    const bool wanted = server_ != nullptr && server_->expected.copy_in();
    if (wanted && !server_output_.empty()) return 0;
    if (type != frontend::copy_data && input.size() < whole) return 0;
    const auto size = std::min<std::uint64_t>(whole, input.size());
    stream_discard_ = !wanted;
    stream_left_ = whole - size;
    if (wanted) {
        if (type != frontend::copy_data) {
            if (copy_is_extended()) group_open_ = true;
            server_->expected.copy_input_ended();
        }
        meter_copied(size);
        worker_.to_server().append(input.first(size));
        write_to_server();
    }
    return size;
}

}  // namespace weir::proxy
