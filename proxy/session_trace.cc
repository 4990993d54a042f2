#include "proxy/session_trace.h"

#include "protocol/message.h"
#include "proxy/client_session.h"

#include <algorithm>

namespace weir::proxy {

// --- the streams ---

void MessageStream::begin(std::uint64_t left) {
    lost_ = false;
    header_size_ = 0;
    left_ = left;
}

template <class Found>
void MessageStream::advance(Bytes bytes, Found&& found) {
    while (!lost_ && !bytes.empty()) {
        if (left_ > 0) {
            const auto size = std::min<std::uint64_t>(left_, bytes.size());
            left_ -= size;
            bytes = bytes.subspan(static_cast<std::size_t>(size));
            continue;
        }
        const auto size = std::min(header_.size() - header_size_, bytes.size());
        std::copy_n(bytes.begin(), size, header_.begin() + header_size_);
        header_size_ += size;
        bytes = bytes.subspan(size);
        if (header_size_ < header_.size()) return;
        header_size_ = 0;
        const auto length = protocol::announced_length(header_);
        // Nonsense is the session's to judge; it ends by it.
        left_ = std::max<std::uint32_t>(length, 4) - 4;
        found(static_cast<char>(header_[0]), std::uint64_t{length} + 1);
    }
}

// --- the worker's side ---

void SessionTrace::bytes(
    TracedWay way, Bytes bytes, pool::TimePoint now, std::uint32_t server_process
) {
    const bool of_server = way == TracedWay::to_server || way == TracedWay::from_server;
    stream(way).advance(bytes, [&](char type, std::uint64_t size) {
        note({now, way, type, of_server ? server_process : 0, 1, size});
    });
}

void SessionTrace::server_is(std::uint64_t id) {
    if (server_id_ == id) return;
    server_id_ = id;
    stream(TracedWay::to_server).begin(0);
    stream(TracedWay::from_server).begin(0);
}

void SessionTrace::note(TracedMessage message) {
    const bool may_be_many =
        message.type == protocol::backend::copy_data ||
        (message.type == protocol::backend::data_row && message.way != TracedWay::from_client &&
         message.way != TracedWay::to_server);
    const std::lock_guard lock(mutex_);
    if (full_) return;
    if (may_be_many && !messages_.empty()) {
        auto& last = messages_.back();
        if (last.type == message.type && last.way == message.way &&
            last.server_process == message.server_process) {
            ++last.count;
            last.bytes += message.bytes;
            return;
        }
    }
    if (rows_ == most_) {
        full_ = true;
        return;
    }
    ++rows_;
    messages_.push_back(message);
}

void SessionTrace::session_ended() {
    const std::lock_guard lock(mutex_);
    session_ended_ = true;
}

SessionTrace::Taken SessionTrace::take() {
    Taken taken;
    const std::lock_guard lock(mutex_);
    std::swap(taken.messages, messages_);
    taken.session_ended = session_ended_;
    taken.full = full_;
    return taken;
}

// --- the session's ---

// Each stream is known from its next message on: what of the present one is still to come is known,
// or (while the other side has not taken all) it is waited for.
bool ClientSession::begin_trace(std::shared_ptr<SessionTrace> trace) {
    if (phase_ == Phase::ended || traced_) return false;
    trace->bind_to(worker_);
    const auto nothing = [](char, std::uint64_t) {
    };
    auto& from_client = trace->stream(TracedWay::from_client);
    from_client.begin(stream_left_);
    from_client.advance(as_bytes(input_), nothing);
    trace->server_is(server_ == nullptr ? 0 : server_->id());
    auto& from_server = trace->stream(TracedWay::from_server);
    from_server.begin(reply_left_);
    if (server_ != nullptr) from_server.advance(as_bytes(server_->partial), nothing);
    trace->stream(TracedWay::to_client).begin(reply_swallowed_ ? 0 : reply_left_);
    trace->stream(TracedWay::to_server).begin(stream_discard_ ? 0 : stream_left_);
    if (!output_.empty() || is_holding()) trace->stream(TracedWay::to_client).lose();
    if (!server_output_.empty()) trace->stream(TracedWay::to_server).lose();
    worker_.traces().emplace_back(this, std::move(trace));
    traced_ = true;
    return true;
}

void ClientSession::end_trace() {
    traced_ = false;
    std::erase_if(worker_.traces(), [this](const auto& trace) { return trace.first == this; });
}

void ClientSession::trace(TracedWay way, Bytes bytes) {
    const auto& traces = worker_.traces();
    const auto found = std::find_if(traces.begin(), traces.end(), [this](const auto& trace) {
        return trace.first == this;
    });
    if (found == traces.end()) return;
    auto& trace = *found->second;
    if (server_ != nullptr) trace.server_is(server_->id());
    const auto process =
        server_ == nullptr ? 0
                           : static_cast<std::uint32_t>(server_->identity().cancel_key.process_id);
    trace.bytes(way, bytes, worker_.loop().now(), process);
}

// All of the client's output was taken: what is sent next begins a message, or goes on with one of
// which is known how much is left.
void ClientSession::trace_drained(TracedWay way) {
    for (const auto& [session, trace] : worker_.traces()) {
        if (session != this || !trace->stream(way).lost()) continue;
        const bool to_client = way == TracedWay::to_client;
        const auto left =
            to_client ? (reply_swallowed_ ? 0 : reply_left_) : (stream_discard_ ? 0 : stream_left_);
        trace->stream(way).begin(left);
    }
}

void ClientSession::trace_session_ended() {
    for (const auto& [session, trace] : worker_.traces()) {
        if (session == this) trace->session_ended();
    }
    end_trace();
}

}  // namespace weir::proxy
