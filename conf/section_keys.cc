// The tables of [databases.NAME] and [users.NAME].
#include "conf/key_builder.h"

namespace weir::conf {

namespace {

using D = DatabaseSettings;

std::vector<Key<D>> make_database_keys() {
    return {
        key<&D::host>(
            "host",
            "Host name, address, or directory of a Unix socket; empty means unix_socket_dir."
        ),
        ranged(1, 65535, key<&D::port>("port", "Port of the server.")),
        key<&D::dbname>(
            "dbname", "Name of the database on the server; unset means the name clients ask for."
        ),
        key<&D::user>(
            "user",
            "All clients use the server as this user and share his pool; unset means each as "
            "himself."
        ),
        key<&D::password>("password", "Password of that user; unset means the one in auth_file."),
        key<&D::pool_size>("pool_size", "Instead of default_pool_size."),
        key<&D::min_pool_size>("min_pool_size", "Instead of the global min_pool_size."),
        key<&D::reserve_pool_size>("reserve_pool_size", "Instead of the global reserve_pool_size."),
        key<&D::max_pinned>("max_pinned", "Instead of the global max_pinned; 0 means no limit."),
        key<&D::connect_query>(
            "connect_query", "Run once on each new server connection; empty means none."
        ),
        key<&D::pool_mode>("pool_mode", "Instead of the global pool_mode."),
        key<&D::max_db_connections>(
            "max_db_connections",
            "Instead of the global max_db_connections; 0 means the global one."
        ),
        key<&D::max_db_client_connections>(
            "max_db_client_connections",
            "Instead of the global max_db_client_connections; 0 means the global one."
        ),
        key<&D::server_lifetime>("server_lifetime", "Instead of the global server_lifetime."),
        key<&D::client_encoding>(
            "client_encoding", "Sent to the server when connecting; unset means the server's own."
        ),
        key<&D::datestyle>(
            "datestyle", "Sent to the server when connecting; unset means the server's own."
        ),
        key<&D::timezone>(
            "timezone", "Sent to the server when connecting; unset means the server's own."
        ),
    };
}

using U = UserSettings;

std::vector<Key<U>> make_user_keys() {
    return {
        key<&U::pool_size>(
            "pool_size", "Instead of the database's pool_size and default_pool_size."
        ),
        key<&U::reserve_pool_size>(
            "reserve_pool_size", "Instead of the database's and the global reserve_pool_size."
        ),
        key<&U::pool_mode>("pool_mode", "Instead of the database's and the global pool_mode."),
        key<&U::max_user_connections>(
            "max_user_connections",
            "Instead of the global max_user_connections; 0 means the global one."
        ),
        key<&U::max_user_client_connections>(
            "max_user_client_connections",
            "Instead of the global max_user_client_connections; 0 means the global one."
        ),
        key<&U::query_timeout>(
            "query_timeout", "Instead of the global query_timeout; 0 means the global one."
        ),
        key<&U::idle_transaction_timeout>(
            "idle_transaction_timeout",
            "Instead of the global idle_transaction_timeout; 0 means the global one."
        ),
        key<&U::transaction_timeout>(
            "transaction_timeout",
            "Instead of the global transaction_timeout; 0 means the global one."
        ),
        key<&U::client_idle_timeout>(
            "client_idle_timeout",
            "Instead of the global client_idle_timeout; 0 means the global one."
        ),
    };
}

}  // namespace

std::span<const Key<DatabaseSettings>> database_keys() {
    static const std::vector<Key<DatabaseSettings>> keys = make_database_keys();
    return keys;
}

std::span<const Key<UserSettings>> user_keys() {
    static const std::vector<Key<UserSettings>> keys = make_user_keys();
    return keys;
}

}  // namespace weir::conf
