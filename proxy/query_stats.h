// Statistics of statements as they are shown: plain values, read from the workers' tables
// (query_table.h) by the control plane (query_reports.h).
#pragma once

#include "pool/histogram.h"
#include "protocol/types.h"
#include "router/fingerprint.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::proxy {

// What is counted of each (fingerprint, database, user). Times are nanoseconds.
struct QueryCounter {
    enum Index : std::size_t {
        calls,         // that ended well, here or on a server
        failed_calls,  // that ended with an error, the server's or ours
        rows,
        bytes_in,   // from the client: the messages of the statement
        bytes_out,  // to the client
        // From the statement's last byte (or the end of the one before it) to its end. The three
        // below are its parts; what is left is what pgweir itself took and had to ask first. (Not
        // so for a deferred BEGIN: it is answered at once, and its wait for a server comes later.)
        total_time,
        wait_time,    // for a server connection, or for a host that may serve it
        server_time,  // from the sending to the answer
        client_time,  // while the client did not take its answer
        replica_calls,
        retries,        // run again on the primary, because a replica refused or was lost
        pins,           // clients that kept their server because of it
        repeat_bursts,  // one client ran it `repeat_threshold` times or more in a row: N + 1
        repeat_calls,   // the calls of those bursts
        repeat_time,    // ... and their total_time
        count,
    };

    static std::string_view name(Index index);
};

using QueryCounters = std::array<std::uint64_t, QueryCounter::count>;

// So often in one transaction, or outside of one within repeat_window, is a burst.
inline constexpr std::uint32_t repeat_threshold = 10;
inline constexpr std::chrono::seconds repeat_window{1};

struct QueryRow {
    // Null: "other", the sum of those that were not used enough to be kept.
    router::FingerprintRef fingerprint;
    std::string database;  // as clients call it; empty for "other"
    std::string user;      // as clients call him
    QueryCounters counters{};
    std::uint64_t min_time = 0;  // nanoseconds; of a window: as the histogram has it
    std::uint64_t max_time = 0;
    std::uint64_t max_wait = 0;       // since start
    std::uint64_t longest_burst = 0;  // calls; since start
    pool::FineCounts times;           // total_time in microseconds
    // By the first two characters of the SQLSTATE; since start.
    std::vector<std::pair<std::string, std::uint64_t>> errors;
    std::chrono::system_clock::time_point first_seen{};
    std::chrono::system_clock::time_point last_seen{};
    std::string trace_id;                   // of the last traced call: 32 hex digits, or empty
    std::vector<std::string> applications;  // application_names that have run it; "..." for more
    std::vector<protocol::Oid> parameter_types;  // of the last Parse that gave any

    std::uint64_t operator[](QueryCounter::Index index) const { return counters[index]; }

    bool is_other() const { return fingerprint == nullptr; }

    std::string_view text() const {
        return is_other() ? std::string_view("other") : std::string_view(fingerprint->text);
    }

    std::uint64_t all_calls() const {
        return counters[QueryCounter::calls] + counters[QueryCounter::failed_calls];
    }

    // Milliseconds.
    double total_ms() const {
        return static_cast<double>(counters[QueryCounter::total_time]) / 1e6;
    }

    double mean_ms() const {
        return all_calls() == 0 ? 0 : total_ms() / static_cast<double>(all_calls());
    }

    double quantile_ms(double quantile) const { return times.quantile(quantile) / 1e3; }
};

enum class QueryWindow : std::uint8_t {
    since_start,  // or since RESET QUERIES
    minute,
    five_minutes,
    fifteen_minutes,
};

// Errors that clients were told, by their SQLSTATE.
struct ErrorRow {
    std::string sqlstate;
    std::string database;
    std::string user;
    bool from_server = true;  // else pgweir's own
    std::uint64_t count = 0;
    std::chrono::system_clock::time_point first_seen{};
    std::chrono::system_clock::time_point last_seen{};
    router::FingerprintRef last_fingerprint;  // null: none was running
};

}  // namespace weir::proxy
