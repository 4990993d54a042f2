// What a session measures of the statements it runs. See session_meter.cc.
#pragma once

#include "protocol/parameter_set.h"
#include "proxy/query_table.h"

#include <boost/container/small_vector.hpp>

#include <string>
#include <string_view>

namespace weir::proxy {

// A statement of the group that is looked at. `entry`: null if it is not known what it is.
struct PlannedUse {
    QueryEntry* entry = nullptr;
    std::uint32_t bytes_in = 0;
    // Of an Execute of the unnamed portal: the most rows it wants, as the message has it (in
    // network order); 0: all.
    std::uint32_t most_rows = 0;
};

// The statements of a session that were sent and not answered. A worker has as many of these as
// sessions were busy at once: idle ones have none.
struct RunningStatements {
    // Oldest first, from `head` on. Their rows are in use.
    boost::container::small_vector<PlannedUse, 2> uses;
    std::size_t head = 0;
    // Of the oldest one:
    pool::TimePoint started{};
    pool::TimePoint sent{};
    pool::Duration wait{};        // for a server or host
    pool::Duration client{};      // while the client did not take its answer
    std::uint64_t copied_in = 0;  // bytes of it behind those of its group
    // Bytes that have left for the client since; less those that were on their way before.
    std::uint64_t passed = 0;

    PlannedUse& oldest() { return uses[head]; }

    const PlannedUse& oldest() const { return uses[head]; }
};

struct StatementMeter {
    // A row that may have become another's.
    struct Row {
        QueryEntry* entry = nullptr;
        std::uint64_t generation = 0;

        static Row of(QueryEntry* entry) {
            return {entry, entry == nullptr ? 0 : entry->generation};
        }

        QueryEntry* get() const {
            return entry != nullptr && entry->generation == generation ? entry : nullptr;
        }
    };

    // The same statement again and again.
    struct Repeat {
        std::uint64_t fingerprint = 0;
        std::uint64_t time = 0;
        std::uint32_t transaction = 0;  // which of the session's; 0 = outside of one
        std::uint32_t since = 0;        // milliseconds of the loop's clock, modulo 2^32
        std::uint32_t count = 0;
    };

    struct Portal {
        std::string name;
        Row row;
    };

    std::unique_ptr<RunningStatements> running;  // null: none
    pool::TimePoint arrived{};  // of the group that is looked at; zero: not yet looked at
    pool::Duration waited{};    // for a server or host, by that group
    pool::TimePoint blocked_since{};
    std::uint32_t owner = 0;
    std::uint32_t retries = 0;
    std::uint64_t application = 0;              // its bit
    protocol::ParameterSetRef application_for;  // the parameters that say so
    std::array<Repeat, 2> repeats;
    Row last;   // that has ended
    Row bound;  // by the last Bind

    // What hardly any session has.
    struct Rare {
        std::vector<Portal> portals;  // those with names
        std::string traceparent;      // of the group
        std::string own_traceparent;  // of application_name
        std::string request;          // the group, if values may be logged
        // In session mode, where nothing else follows names. "" is the unnamed one.
        std::vector<std::pair<std::string, router::FingerprintRef>> statements;
    };

    std::unique_ptr<Rare> rare;

    Rare& keep() {
        if (rare == nullptr) rare = std::make_unique<Rare>();
        return *rare;
    }

    bool idle() const { return running == nullptr; }

    std::string_view traceparent() const {
        if (rare == nullptr) return {};
        return rare->traceparent.empty() ? rare->own_traceparent : rare->traceparent;
    }
};

}  // namespace weir::proxy
