// Slow statements: the last ones are kept for the console, and each is a line of a file of its own.
//
// note() formats a line and leaves the rest to a thread; when the disk is slow, lines are dropped
// and counted, and no worker waits.
#pragma once

#include "conf/settings.h"
#include "router/fingerprint.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir::proxy {

// One statement that took as long as log_min_duration or longer, or is traced. Times in
// microseconds.
struct SlowStatement {
    std::chrono::system_clock::time_point ended{};
    std::uint64_t duration = 0;
    std::uint64_t wait = 0;
    std::uint64_t server = 0;
    std::uint64_t client = 0;
    std::uint64_t sent = 0;  // from its beginning to the sending; `duration` if it never was
    router::FingerprintRef fingerprint;
    std::uint64_t rows = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::string database;
    std::string user;
    std::string application;
    std::string address;  // of the client; empty for a Unix socket
    int port = 0;
    std::uint64_t client_id = 0;
    std::string server_address;  // empty: no server was there
    int server_port = 0;
    std::uint32_t server_process = 0;
    bool on_replica = false;
    unsigned host = 0;              // of the cluster, in the order of its settings
    std::string search_path;        // of the client; empty: the server's own
    bool other_role = false;        // by SET ROLE or SET SESSION AUTHORIZATION
    std::string_view route_reason;  // why it ran there; empty without a cluster
    std::uint32_t retries = 0;
    std::string traceparent;  // empty: none
    std::string sqlstate;     // of its error; empty: it ended well
    std::string plan;         // of EXPLAIN; empty: it was not asked for
    std::string parameters;   // with log_parameters only: the text with its values, and Bind's
};

class SlowLog {
public:
    // How many are kept.
    static constexpr std::size_t kept = 200;

    SlowLog();
    ~SlowLog();
    SlowLog(const SlowLog&) = delete;
    SlowLog& operator=(const SlowLog&) = delete;

    // Opens the file, or closes it if the settings name none. An Error's text, or empty.
    std::string configure(const conf::Settings& settings);
    // Closes the file and opens the one that has its name now. Any thread.
    void reopen();

    // Any thread. `logged`: to the file, too (sampling says no for some).
    void note(SlowStatement statement, bool logged);

    // The last ones, the latest first. Any thread.
    std::vector<SlowStatement> last() const;
    void clear();

    // Lines that were not written because the disk was slow. Any thread.
    std::uint64_t dropped() const;
    std::uint64_t written() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weir::proxy
