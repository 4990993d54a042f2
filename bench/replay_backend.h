// ReplayBackend: an IoBackend that costs next to nothing. A client repeats one request, a server
// answers whatever it is sent with one reply, each complete in one recv; nothing else happens, so
// what is measured over it is our own user-space time.
#pragma once

#include "pool/io/io_backend.h"

#include <string>
#include <vector>

namespace weir::bench {

class ReplayBackend final : public pool::IoBackend {
public:
    // No descriptors of the system's, and higher than any of those can be.
    static constexpr int client = 1'600'000'000;
    static constexpr int server = client + 1;

    // What a recv on the client gives; the requests are taken in turn.
    void set_requests(std::vector<std::string> requests) { requests_ = std::move(requests); }

    void set_reply(std::string reply) { reply_ = std::move(reply); }

    // The client has sent its next request.
    void next_request() { client_readable_ = client_edge_ = true; }

    std::size_t sent_to_client() const { return sent_to_client_; }

    std::size_t sent_to_server() const { return sent_to_server_; }

    void add(int descriptor, std::uint64_t key) override;

    void want_write(int, std::uint64_t, bool) override {}

    void remove(int) override {}

    std::size_t wait(std::span<pool::IoEvent> events, std::optional<pool::Duration>) override;

    void wake() override {}

    pool::IoResult recv(int descriptor, std::span<std::byte> buffer) override;
    pool::IoResult send(int descriptor, Bytes bytes) override;

    void close(int) override {}

    // As the system's backend: the clock is part of the cost.
    pool::TimePoint now() override { return pool::Clock::now(); }

private:
    std::vector<std::string> requests_;
    std::size_t next_ = 0;
    std::string reply_;
    std::uint64_t client_key_ = 0;
    std::uint64_t server_key_ = 0;
    bool client_readable_ = false;
    bool client_edge_ = false;
    bool server_readable_ = false;
    bool server_edge_ = false;
    std::size_t sent_to_client_ = 0;
    std::size_t sent_to_server_ = 0;
};

}  // namespace weir::bench
