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
        pool::TimePoint transaction{};  // zero: outside of one
        pool::TimePoint since{};
        std::uint64_t time = 0;
        std::uint32_t count = 0;
    };

    struct Portal {
        std::string name;
        Row row;
    };

    // Sent and not answered, oldest first, from `head` on. Their rows are in use.
    boost::container::small_vector<PlannedUse, 2> running;
    std::size_t head = 0;

    pool::TimePoint arrived{};  // of the group that is looked at; zero: not yet looked at
    pool::TimePoint started{};  // of the oldest one that runs
    pool::TimePoint sent{};
    pool::Duration waited{};  // for a server or host, by the group that is looked at
    pool::Duration wait{};    // ... by the oldest one
    pool::Duration client{};  // while the client did not take its answer
    pool::TimePoint blocked_since{};
    std::uint64_t passed = 0;         // bytes that have left for the client
    std::uint64_t passed_before = 0;  // ... before the oldest one
    std::uint32_t owner = 0;
    std::uint32_t retries = 0;
    std::uint64_t application = 0;              // its bit
    protocol::ParameterSetRef application_for;  // the parameters that say so
    std::array<Repeat, 2> repeats;
    Row last;                     // that has ended
    Row bound;                    // by the last Bind
    std::uint64_t copied_in = 0;  // bytes of COPY data

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

    bool idle() const { return head == running.size(); }

    std::string_view traceparent() const {
        if (rare == nullptr) return {};
        return rare->traceparent.empty() ? rare->own_traceparent : rare->traceparent;
    }
};

}  // namespace weir::proxy
