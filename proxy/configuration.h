// What the control plane knows of the configuration at one time, and what follows from it for
// connections to servers.
#pragma once

#include "conf/settings.h"
#include "conf/userlist.h"
#include "pool/scram_keys.h"
#include "pool/server_login.h"
#include "pool/server_pool.h"

#include <memory>

namespace weir::proxy {

struct Configuration {
    std::shared_ptr<const conf::Settings> settings;
    std::shared_ptr<const conf::UserList> users;
    std::shared_ptr<const pool::TlsContext> client_tls;
    std::shared_ptr<const pool::TlsContext> server_tls;
    std::shared_ptr<const pool::TlsContext> http_tls;
};

// Where servers of this pool are, and what they are told. Without a host if there is no such
// database any more.
pool::ServerTarget server_target(const Configuration& configuration, const pool::PoolName& name);

// What auth_file has for this user, or what it has told us when it logged in.
pool::ServerCredentials credentials_of_user(
    const Configuration& configuration, const std::string& user, const pool::ScramKeys& keys
);

}  // namespace weir::proxy
