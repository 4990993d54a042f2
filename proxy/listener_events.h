// What sessions and the connections that listen for them say to each other. Sessions are named by
// their ids, so nothing dangles when one has ended.
#pragma once

#include "protocol/error.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace weir::proxy {

struct PoolEntry;

// One NotificationResponse.
struct Notification {
    std::int32_t process_id = 0;
    std::string channel;
    std::string payload;

    // As a message, about.
    std::size_t size() const { return 11 + channel.size() + payload.size(); }
};

using NotificationRef = std::shared_ptr<const Notification>;

// Of a session, to the listening connection of its pool.
struct ListenerRequest {
    std::shared_ptr<PoolEntry> entry;
    std::uint64_t session = 0;
    unsigned worker = 0;
    // Not 0: answered once PostgreSQL has done what is asked, and after every notification that it
    // had committed before the request was made.
    std::uint64_t ticket = 0;
    std::vector<std::string> listen;
    std::vector<std::string> unlisten;
    bool unlisten_all = false;
};

struct ListenerAnswer {
    std::uint64_t session = 0;
    std::uint64_t ticket = 0;
    // The channels that were asked for are not listened to.
    std::shared_ptr<const protocol::Error> error;
};

// The connection is gone: notifications may have been lost.
struct ListenerLost {
    bool listens_again = false;  // the clients are told, and stay
};

using ListenerEvent = std::variant<NotificationRef, ListenerAnswer, ListenerLost>;

}  // namespace weir::proxy
