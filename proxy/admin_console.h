// AdminConsole: the pseudo-databases "pgbouncer" and "pgweir", on the control plane.
#pragma once

#include "proxy/client_login.h"

#include <cstddef>
#include <memory>

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

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace weir::proxy
