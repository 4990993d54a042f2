#include "proxy/configuration.h"

namespace weir::proxy {

pool::ServerTarget server_target(const Configuration& configuration, const pool::PoolName& name) {
    const auto& settings = *configuration.settings;
    pool::ServerTarget target;
    target.settings = configuration.settings;
    target.tls = configuration.server_tls;
    target.user = name.user;
    const auto* database = conf::find_database(settings, name.database);
    if (database == nullptr) return target;
    const auto hosts = conf::server_hosts(settings, *database);
    if (name.host >= hosts.size()) return target;
    target.host = hosts[name.host].host;
    target.port = hosts[name.host].port;
    target.database = conf::server_dbname(*database, name.database);
    const auto add = [&](const char* parameter, const std::optional<std::string>& value) {
        if (value) target.startup_parameters.emplace_back(parameter, *value);
    };
    add("client_encoding", database->client_encoding);
    add("datestyle", database->datestyle);
    add("timezone", database->timezone);
    return target;
}

pool::ServerCredentials credentials_of_user(
    const Configuration& configuration, const std::string& name, const pool::ScramKeys& keys
) {
    pool::ServerCredentials credentials;
    const auto user = configuration.users->find(name);
    if (user == configuration.users->end()) return credentials;
    switch (user->second.kind) {
        case conf::SecretKind::plain:
        case conf::SecretKind::md5:
            credentials.password = std::string(user->second.text.reveal());
            break;
        case conf::SecretKind::scram:
            credentials.scram_keys = keys.find(name);
            break;
        case conf::SecretKind::none:
            break;
    }
    return credentials;
}

}  // namespace weir::proxy
