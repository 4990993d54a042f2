// SessionTrace: the messages of one session while TRACE CLIENT looks at it: types, lengths, times
// and ways, never a body. The session's worker writes, the control plane takes.
//
// It sees the bytes where they leave or enter a connection, so what pgweir adds, leaves out and
// renames is seen, too. A session that is not traced pays a branch per send and receive.
#pragma once

#include "pool/io/io_backend.h"
#include "protocol/types.h"

#include <array>
#include <cstdint>
#include <mutex>
#include <vector>

namespace weir::proxy {

class Worker;

enum class TracedWay : std::uint8_t { from_client, to_client, to_server, from_server };

struct TracedMessage {
    pool::TimePoint at{};  // of its first byte
    TracedWay way = TracedWay::from_client;
    char type = 0;
    std::uint32_t server_process = 0;  // of PostgreSQL; 0 = none
    std::uint64_t count = 0;           // of this type in a row: rows and COPY data only
    std::uint64_t bytes = 0;           // of all of them, type and length included
};

// Finds the messages in a stream of bytes that comes in pieces of any size.
class MessageStream {
public:
    // From here on `left` bytes belong to a message that has begun.
    void begin(std::uint64_t left);

    // Until begin(): it is not known where the next message begins.
    void lose() { lost_ = true; }

    bool lost() const { return lost_; }

    // Calls found(type, bytes of the whole message) for each header that ends in `bytes`.
    template <class Found>
    void advance(Bytes bytes, Found&& found);

private:
    std::array<std::byte, 5> header_{};
    std::size_t header_size_ = 0;
    std::uint64_t left_ = 0;
    bool lost_ = false;
};

class SessionTrace {
public:
    explicit SessionTrace(std::size_t most_rows) : most_(most_rows) {}

    // --- the session's worker ---

    void bind_to(Worker& worker) { worker_ = &worker; }

    MessageStream& stream(TracedWay way) { return streams_[static_cast<std::size_t>(way)]; }

    void bytes(TracedWay way, Bytes bytes, pool::TimePoint now, std::uint32_t server_process);

    // Another server than before: its streams begin anew.
    void server_is(std::uint64_t id);

    void session_ended();

    // --- the control plane ---

    // What has come since the last time. `ended`: nothing will follow, because the session has
    // ended or there were as many rows as are allowed.
    struct Taken {
        std::vector<TracedMessage> messages;
        bool session_ended = false;
        bool full = false;
    };

    Taken take();

    // The worker that has been told of it. REQUIRES: act_on_sessions() has found the session.
    Worker& worker() const { return *worker_; }

private:
    void note(TracedMessage message);

    const std::size_t most_;
    Worker* worker_ = nullptr;
    std::array<MessageStream, 4> streams_;
    std::uint64_t server_id_ = 0;

    std::mutex mutex_;
    // Guarded by mutex_:
    std::vector<TracedMessage> messages_;
    std::size_t rows_ = 0;  // ever
    bool session_ended_ = false;
    bool full_ = false;
};

}  // namespace weir::proxy
