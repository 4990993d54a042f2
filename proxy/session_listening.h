// Listening: what a session has that listens, or did: its channels, what it waits for, what it is
// to be told. Most sessions have none.
#pragma once

#include "pool/io/timer_queue.h"
#include "proxy/session_channels.h"

namespace weir::proxy {

struct Listening {
    // What the session waits for the listening connection to answer.
    enum class Wait : std::uint8_t {
        nothing,
        listen,   // a LISTEN, before it is answered
        others,   // notifications of others, before its server notifies on its behalf
        its_own,  // notifications of the transaction that has ended, before it hears of that
    };

    // Whether the session's server listens to its channels, too, for pg_listening_channels().
    enum class Shown : std::uint8_t { no, yes, hiding };

    SessionChannels channels;
    Shown shown = Shown::no;
    Wait wait = Wait::nothing;
    std::uint64_t ticket = 0;        // of the last request that is answered
    std::vector<std::string> asked;  // channels of that
    std::shared_ptr<const protocol::Error> refused;
    bool others_flushed = false;  // notifications of others by this server have come
    bool notified = false;        // the transaction may have notified
    bool lost = false;            // ... its listening connection: a WARNING is due
    // Why it is ended as soon as it is in no transaction and has read what was written for it, but
    // not later than drain_limit after that was decided.
    static constexpr auto drain_limit = std::chrono::seconds(60);
    std::unique_ptr<const protocol::Error> doom;
    pool::TimePoint doomed_at{};
};

}  // namespace weir::proxy
