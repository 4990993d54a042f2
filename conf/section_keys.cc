// The tables of [databases.NAME], of a database's hosts, and of [users.NAME].
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
        key<&D::log_min_duration>(
            "log_min_duration", "Instead of the global log_min_duration; 0 means none."
        ),
        key<&D::client_encoding>(
            "client_encoding", "Sent to the server when connecting; unset means the server's own."
        ),
        key<&D::datestyle>(
            "datestyle", "Sent to the server when connecting; unset means the server's own."
        ),
        key<&D::timezone>(
            "timezone", "Sent to the server when connecting; unset means the server's own."
        ),
        key<&D::hosts>(
            "hosts",
            "The hosts of a primary and its replicas, instead of host and port: texts like "
            "\"10.0.0.1:5432\", or tables as below. Hosts come and go by RELOAD; one host instead "
            "of several, or several instead of one, is (restart)"
        ),
        key<&D::route>(
            "route",
            "Where statements go: each where it may run, all to the primary, or reads to replicas "
            "and writes nowhere; unset means auto with several hosts."
        ),
        key<&D::consistency>(
            "consistency",
            "What a read on a replica must have: nothing in particular, what its own session has "
            "written, what any session of this database has written, or all that was committed "
            "when it began."
        ),
        key<&D::causal_wait>(
            "causal_wait",
            "How long a read waits for a replica that has what it must have, before it goes to the "
            "primary; 0 means at once."
        ),
        key<&D::max_lag>(
            "max_lag", "A replica that is further behind gets no reads; 0 means no limit."
        ),
        key<&D::max_lag_bytes>("max_lag_bytes", "The same in bytes of WAL; 0 means no limit."),
        key<&D::lag_alert>(
            "lag_alert", "A replica that is further behind is logged as a warning; 0 means never."
        ),
        key<&D::primary_reads>(
            "primary_reads",
            "Whether the primary serves reads that a replica could serve: never, if no replica "
            "can, or always."
        ),
        ranged(
            0,
            10000,
            key<&D::primary_reads_weight>(
                "primary_reads_weight",
                "The primary's weight among the replicas with primary_reads always; unset means "
                "its host's own."
            )
        ),
        key<&D::monitor_user>(
            "monitor_user",
            "The hosts are watched as this user, who needs no more than pg_monitor; unset means "
            "user, or else the name of this process's owner."
        ),
        key<&D::monitor_password>(
            "monitor_password", "Password of that user; unset means the one in auth_file."
        ),
    };
}

using H = HostSettings;

std::vector<Key<H>> make_host_keys() {
    return {
        key<&H::host>(
            "host",
            "Host name, address, or directory of a Unix socket; empty means unix_socket_dir."
        ),
        ranged(1, 65535, key<&H::port>("port", "Port of the server.")),
        ranged(
            0, 10000, key<&H::weight>("weight", "Share of the reads among replicas; 0 means none.")
        ),
        key<&H::zone>("zone", "Where it stands: reads prefer hosts of the global zone."),
        key<&H::role>(
            "role", "What it is; auto means what the host says, and is followed when it changes."
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
        key<&U::log_min_duration>(
            "log_min_duration",
            "Instead of the database's and the global log_min_duration; 0 means none."
        ),
        key<&U::route>(
            "route",
            "Instead of the database's route, where it has several hosts; a database of which all "
            "goes to replicas stays so."
        ),
        key<&U::consistency>(
            "consistency", "Instead of the database's consistency, where it has several hosts."
        ),
    };
}

}  // namespace

std::span<const Key<DatabaseSettings>> database_keys() {
    static const std::vector<Key<DatabaseSettings>> keys = make_database_keys();
    return keys;
}

std::span<const Key<HostSettings>> host_keys() {
    static const std::vector<Key<HostSettings>> keys = make_host_keys();
    return keys;
}

std::span<const Key<UserSettings>> user_keys() {
    static const std::vector<Key<UserSettings>> keys = make_user_keys();
    return keys;
}

}  // namespace weir::conf
