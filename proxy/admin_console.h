// AdminConsole: the pseudo-databases "pgbouncer" and "pgweir", on the control plane.
//
//   admin_console.cc    its clients: sockets, cancel keys, statistics' timer
//   admin_session.h     the conversation with one of them
//   admin_commands.h    what they can have done
#pragma once

#include "proxy/client_login.h"

#include <cstddef>
#include <memory>
#include <string>

namespace weir::proxy {

class Server;

class AdminConsole {
public:
    explicit AdminConsole(Server& server);
    ~AdminConsole();

    // Serves one client who may enter (see Server's policy) until he leaves.
    void start(LoggedInClient client);
    // Ends all console sessions with this error.
    void stop(const protocol::Error& why);
    // A CancelRequest with this key: undoes a PAUSE that waits. False: not a console's key.
    bool cancel(const protocol::CancelKey& key);
    // Clients on the console now.
    std::size_t clients() const;
    // PgBouncer's log line of averages over the last whole stats_period: "12 xacts/s, ...".
    std::string stats_line() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace weir::proxy
