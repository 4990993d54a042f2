// The table of [pgweir].
#include "conf/key_builder.h"

namespace weir::conf {

namespace {

Key<Settings> octal(Key<Settings> key) {
    key.rule.kind = Kind::octal;
    key.rule.high = 0777;
    return key;
}

// The kernel's own limit for TCP_KEEPIDLE and TCP_KEEPINTVL is 32767 s.
Key<Settings> kernel_seconds(Key<Settings> key) {
    key.rule.whole_units = true;
    key.rule.high = 32767 * 1000;
    return key;
}

Key<Settings> in_milliseconds(Key<Settings> key) {
    key.rule.unit = Milliseconds(1);
    key.rule.high = most;
    return key;
}

Key<Settings> lower_case(Key<Settings> key) {
    key.rule.lower_case = true;
    return key;
}

using Keys = std::vector<Key<Settings>>;

void add(Keys& keys, std::string_view group, Keys members) {
    for (Key<Settings>& member : members) {
        member.group = group;
        keys.push_back(std::move(member));
    }
}

using S = Settings;

Keys listening() {
    return {
        restart(ranged(
            0,
            1024,
            key<&S::workers>(
                "workers",
                "Worker threads; 0 means one per core this process may use (CPU affinity and the "
                "cgroup's cpu.max count)."
            )
        )),
        restart(key<&S::listen_addr>(
            "listen_addr",
            "Addresses or names to listen on for TCP, \"*\" for all; empty means the Unix socket "
            "only."
        )),
        restart(ranged(
            1,
            65535,
            key<&S::listen_port>(
                "listen_port", "Port for TCP, and the number in the Unix socket's name."
            )
        )),
        restart(ranged(
            1,
            65535,
            key<&S::listen_backlog>(
                "listen_backlog", "Connections the kernel queues before they are accepted."
            )
        )),
        restart(
            key<&S::so_reuseport>("so_reuseport", "Lets several processes listen on the same port.")
        ),
        restart(key<&S::unix_socket_dir>(
            "unix_socket_dir",
            "Directory of the Unix socket, also the default for servers; \"@name\" is an abstract "
            "socket, empty means none."
        )),
        restart(octal(
            key<&S::unix_socket_mode>("unix_socket_mode", "File mode of the Unix socket, octal.")
        )),
        restart(key<&S::unix_socket_group>(
            "unix_socket_group", "Group of the Unix socket; empty leaves it as it is."
        )),
    };
}

Keys pooling() {
    return {
        key<&S::pool_mode>(
            "pool_mode",
            "When a server goes back to the pool: after the client's session, each transaction or "
            "each statement."
        ),
        key<&S::defer_begin>(
            "defer_begin",
            "A lone BEGIN takes no server until the first statement after it, where now() starts, "
            "too."
        ),
        ranged(
            1, 10'000'000, key<&S::max_client_conn>("max_client_conn", "Clients allowed in all.")
        ),
        key<&S::default_pool_size>(
            "default_pool_size",
            "Server connections per pool, that is per database and user; 0 means unlimited."
        ),
        key<&S::min_pool_size>("min_pool_size", "Server connections a pool keeps open."),
        key<&S::reserve_pool_size>(
            "reserve_pool_size",
            "Server connections a pool may open beyond its size once a client has waited for "
            "reserve_pool_timeout."
        ),
        key<&S::reserve_pool_timeout>(
            "reserve_pool_timeout",
            "How long a client waits before the reserve is used; 0 turns the reserve off."
        ),
        key<&S::max_db_connections>(
            "max_db_connections",
            "Server connections per database over all users; 0 means unlimited."
        ),
        key<&S::max_db_client_connections>(
            "max_db_client_connections", "Clients per database; 0 means unlimited."
        ),
        key<&S::max_user_connections>(
            "max_user_connections",
            "Server connections per user over all databases; 0 means unlimited."
        ),
        key<&S::max_user_client_connections>(
            "max_user_client_connections", "Clients per user; 0 means unlimited."
        ),
        key<&S::max_pinned>(
            "max_pinned",
            "Clients of a pool that may keep a server beyond their transactions; a request that "
            "would make it more fails. 0 means no limit but the pool's size."
        ),
        key<&S::pin_notice>(
            "pin_notice",
            "Tells a client by a NOTICE that it keeps its server from now on, and why: never, the "
            "first time or always."
        ),
        key<&S::strict_custom_settings>(
            "strict_custom_settings",
            "A custom setting (app.tenant) that a client has not used is NULL for it, as in a "
            "fresh "
            "session, and never '': a server on which others have used the name is closed instead "
            "of being lent."
        ),
        key<&S::listen_lost>(
            "listen_lost",
            "What becomes of clients that LISTEN when the connection that listens for them is "
            "lost: "
            "they are disconnected, as they would be without pgweir, or get a WARNING that "
            "notifications may be missing."
        ),
        key<&S::lend_policy>(
            "lend_policy",
            "Lends the server used last, the servers in turn, or (for tests) never the one that "
            "the session had last while there can be another."
        ),
        key<&S::server_round_robin>(
            "server_round_robin", "Lends the servers in turn, as lend_policy round_robin does."
        ),
        lower_case(key<&S::ignore_startup_parameters>(
            "ignore_startup_parameters", "Startup parameters to swallow instead of applying them."
        )),
        key<&S::application_name_add_host>(
            "application_name_add_host",
            "Adds the client's address to application_name when he connects."
        ),
        ranged(
            0,
            1'000'000,
            key<&S::max_prepared_statements>(
                "max_prepared_statements",
                "Prepared statements of the protocol kept on each server connection; 0 means they "
                "are not tracked."
            )
        ),
    };
}

Keys authentication() {
    return {
        key<&S::auth_type>(
            "auth_type",
            "How clients prove who they are; with md5 a user whose secret is a SCRAM secret uses "
            "SCRAM."
        ),
        key<&S::auth_file>(
            "auth_file", "File with users and secrets, in PgBouncer's userlist.txt format."
        ),
        ranged(
            1,
            10'000'000,
            key<&S::scram_iterations>(
                "scram_iterations", "Iterations of SCRAM secrets made from plain passwords."
            )
        ),
        key<&S::admin_users>("admin_users", "Users who may do everything on the console."),
        key<&S::stats_users>("stats_users", "Users who may use SHOW on the console."),
    };
}

Keys logging() {
    return {
        key<&S::logfile>("logfile", "Log file; empty means standard error only."),
        restart(key<&S::pidfile>("pidfile", "File for the process id; empty means none.")),
        key<&S::log_connections>("log_connections", "Logs each login."),
        key<&S::log_disconnections>(
            "log_disconnections", "Logs each disconnection with its reason."
        ),
        key<&S::log_pooler_errors>("log_pooler_errors", "Logs the errors sent to clients."),
        key<&S::show_custom_settings>(
            "show_custom_settings",
            "SHOW SETTINGS shows the values of custom settings (app.tenant), too."
        ),
        key<&S::log_stats>("log_stats", "Logs one line of statistics per stats_period."),
        ranged(
            1000,
            year_ms,
            key<&S::stats_period>(
                "stats_period",
                "Period of the averages in SHOW STATS and of the statistics in the log."
            )
        ),
        ranged(0, 3, key<&S::verbose>("verbose", "How much more is logged, 0 to 3.")),
        key<&S::log_level>(
            "log_level",
            "How much is logged, instead of verbose: trace, debug, info, warning, error or off, of "
            "all (debug) or of one component (pool=debug): process, clients, pool, routing, "
            "catalog, pins, notifications, console, http."
        ),
    };
}

Keys statements() {
    return {
        key<&S::query_stats>(
            "query_stats",
            "Counts calls, rows, times and errors of each statement (SHOW QUERIES), without its "
            "values."
        ),
        ranged(
            10,
            100'000,
            key<&S::query_stats_max>(
                "query_stats_max",
                "So many statements are counted by each worker, about 3 kB each; the least used "
                "ones leave first, and count as one named other."
            )
        ),
        key<&S::log_min_duration>(
            "log_min_duration",
            "A statement that takes as long, waiting included, is a slow one: SHOW SLOW and "
            "slow_logfile have it; 0 means none."
        ),
        ranged(
            0,
            100,
            key<&S::log_sample_percent>(
                "log_sample_percent", "How many of a hundred slow statements slow_logfile gets."
            )
        ),
        key<&S::log_parameters>(
            "log_parameters",
            "Shows and logs slow statements with their values; otherwise no value is anywhere."
        ),
        key<&S::slow_logfile>(
            "slow_logfile", "File for slow statements, opened anew by RELOAD; empty means none."
        ),
        key<&S::slow_log_format>(
            "slow_log_format",
            "Lines of slow_logfile: JSON objects, or text as PostgreSQL logs it, which pgbadger "
            "reads."
        ),
        key<&S::trace_endpoint>(
            "trace_endpoint",
            "Where spans of traced statements are sent by OTLP/HTTP, such as "
            "\"http://127.0.0.1:4318/v1/traces\"; empty means none."
        ),
        ranged(
            0,
            100,
            key<&S::trace_sample_percent>(
                "trace_sample_percent",
                "How many of a hundred statements that bring no traceparent are traced; those that "
                "bring one are if it says so."
            )
        ),
        key<&S::trace_service_name>("trace_service_name", "service.name of the spans."),
        key<&S::slow_explain_interval>(
            "slow_explain_interval",
            "Asks the replica that ran a slow SELECT for its plan (EXPLAIN, which runs nothing), "
            "at most once in this time; 0 means never. With parameters only from PostgreSQL 16 on."
        ),
    };
}

Keys servers() {
    return {
        key<&S::server_reset_query>(
            "server_reset_query",
            "Cleans a server connection before it goes to the next client, in session mode; empty "
            "means none."
        ),
        key<&S::server_reset_query_always>(
            "server_reset_query_always", "Runs server_reset_query in every pool mode."
        ),
        key<&S::server_check_delay>(
            "server_check_delay",
            "A server connection idle for longer is checked before it is lent; 0 means always."
        ),
        key<&S::server_check_query>(
            "server_check_query",
            "The check; \"<empty>\" is an empty query, an empty text means no check."
        ),
        key<&S::server_lifetime>(
            "server_lifetime",
            "An unused server connection older than this is closed; 0 means it is used once."
        ),
        key<&S::server_idle_timeout>(
            "server_idle_timeout", "A server connection idle for longer is closed; 0 means never."
        ),
        ranged(
            1,
            year_ms,
            key<&S::server_connect_timeout>(
                "server_connect_timeout", "Time for connecting to a server and logging in."
            )
        ),
        key<&S::server_login_retry>(
            "server_login_retry",
            "Pause before the next try after a server could not be reached or refused the login."
        ),
        key<&S::dns_max_ttl>(
            "dns_max_ttl",
            "How long the address of a server's name is believed before it is looked up again."
        ),
    };
}

Keys timeouts() {
    return {
        key<&S::client_login_timeout>(
            "client_login_timeout", "Time for a client to log in; 0 means no limit."
        ),
        key<&S::query_wait_notify>(
            "query_wait_notify",
            "A client that has waited for a server this long gets a notice; 0 means none."
        ),
        key<&S::query_timeout>(
            "query_timeout",
            "A query that runs longer is canceled and its client disconnected; 0 means no limit."
        ),
        key<&S::query_wait_timeout>(
            "query_wait_timeout",
            "A client that waits for a server longer is disconnected; 0 means no limit."
        ),
        key<&S::cancel_wait_timeout>(
            "cancel_wait_timeout", "Time for a cancel request to be carried out; 0 means no limit."
        ),
        key<&S::client_idle_timeout>(
            "client_idle_timeout",
            "A client idle for longer outside a transaction is disconnected; 0 means never."
        ),
        key<&S::pin_idle_timeout>(
            "pin_idle_timeout",
            "A client that keeps a server and is idle for longer outside a transaction is "
            "disconnected; 0 means never."
        ),
        key<&S::idle_transaction_timeout>(
            "idle_transaction_timeout",
            "A client idle for longer in a transaction is disconnected; 0 means never."
        ),
        key<&S::transaction_timeout>(
            "transaction_timeout",
            "A client whose transaction takes longer is disconnected; 0 means no limit."
        ),
    };
}

Keys tls() {
    return {
        key<&S::client_tls_sslmode>(
            "client_tls_sslmode",
            "TLS with clients: off, possible, required, or required with a certificate of theirs."
        ),
        key<&S::client_tls_key_file>("client_tls_key_file", "Our private key towards clients."),
        key<&S::client_tls_cert_file>("client_tls_cert_file", "Our certificate towards clients."),
        key<&S::client_tls_ca_file>(
            "client_tls_ca_file", "Authorities that clients' certificates are checked against."
        ),
        key<&S::client_tls_protocols>(
            "client_tls_protocols",
            "TLS versions with clients: secure (1.2 and 1.3), all, or a list like "
            "\"tlsv1.2,tlsv1.3\"."
        ),
        key<&S::client_tls_ciphers>(
            "client_tls_ciphers",
            "Ciphers up to TLS 1.2 with clients, in OpenSSL's syntax; default is OpenSSL's own "
            "choice."
        ),
        key<&S::client_tls13_ciphers>(
            "client_tls13_ciphers",
            "Ciphers of TLS 1.3 with clients; empty is OpenSSL's own choice."
        ),
        key<&S::client_tls_ecdhcurve>(
            "client_tls_ecdhcurve",
            "Curves for the key exchange with clients, in OpenSSL's syntax; auto is OpenSSL's own "
            "choice."
        ),
        key<&S::server_tls_sslmode>(
            "server_tls_sslmode",
            "TLS with servers: never, if need be, preferred, required, or required with a checked "
            "certificate (and host name)."
        ),
        key<&S::server_tls_key_file>("server_tls_key_file", "Our private key towards servers."),
        key<&S::server_tls_cert_file>("server_tls_cert_file", "Our certificate towards servers."),
        key<&S::server_tls_ca_file>(
            "server_tls_ca_file", "Authorities that servers' certificates are checked against."
        ),
        key<&S::server_tls_protocols>(
            "server_tls_protocols",
            "TLS versions with servers: secure (1.2 and 1.3), all, or a list like "
            "\"tlsv1.2,tlsv1.3\"."
        ),
        key<&S::server_tls_ciphers>(
            "server_tls_ciphers",
            "Ciphers up to TLS 1.2 with servers, in OpenSSL's syntax; default is OpenSSL's own "
            "choice."
        ),
        key<&S::server_tls13_ciphers>(
            "server_tls13_ciphers",
            "Ciphers of TLS 1.3 with servers; empty is OpenSSL's own choice."
        ),
    };
}

Keys network() {
    return {
        ranged(
            1024,
            most,
            key<&S::max_packet_size>(
                "max_packet_size", "Bytes of the largest message that is accepted."
            )
        ),
        key<&S::tcp_keepalive>("tcp_keepalive", "Keep-alive probes on TCP connections."),
        ranged(
            0,
            127,
            key<&S::tcp_keepcnt>(
                "tcp_keepcnt",
                "Unanswered probes before a connection counts as dead; 0 means the system's own."
            )
        ),
        kernel_seconds(key<&S::tcp_keepidle>(
            "tcp_keepidle",
            "Idle time before the first probe, whole seconds; 0 means the system's own."
        )),
        kernel_seconds(key<&S::tcp_keepintvl>(
            "tcp_keepintvl", "Time between probes, whole seconds; 0 means the system's own."
        )),
        in_milliseconds(key<&S::tcp_user_timeout>(
            "tcp_user_timeout",
            "How long sent bytes may stay unacknowledged, a bare number in milliseconds; 0 means "
            "the system's own."
        )),
    };
}

Keys http() {
    return {
        restart(key<&S::http_listen>(
            "http_listen",
            "Addresses (\"127.0.0.1:9127\") that serve the status page, /metrics and /healthz; "
            "empty "
            "means none."
        )),
        key<&S::http_token>(
            "http_token",
            "Requests have to bring this token (Authorization: Bearer), or it as the password of "
            "any user."
        ),
        key<&S::http_user>("http_user", "Requests have to come as this user (basic auth)."),
        key<&S::http_password>("http_password", "The password of http_user."),
        key<&S::http_allow_unauthenticated>(
            "http_allow_unauthenticated",
            "Lets everybody look who can reach an address beyond loopback, without token or user."
        ),
        key<&S::http_tls_key_file>("http_tls_key_file", "Private key; with it HTTP is HTTPS."),
        key<&S::http_tls_cert_file>("http_tls_cert_file", "Certificate of http_tls_key_file."),
        ranged(
            1,
            10'000,
            key<&S::http_max_connections>(
                "http_max_connections", "HTTP connections at a time; more are told 503."
            )
        ),
        ranged(
            1,
            100'000,
            key<&S::metrics_max_pools>(
                "metrics_max_pools",
                "Pools that have metrics of their own; those beyond are added up as \"_other\"."
            )
        ),
        key<&S::metrics_pgbouncer>(
            "metrics_pgbouncer",
            "/metrics also has the names of PgBouncer's exporter, so that its dashboards go on."
        ),
    };
}

Keys clusters() {
    return {
        key<&S::zone>(
            "zone",
            "Where this process runs: reads prefer the hosts that have the same zone; empty means "
            "none is preferred."
        ),
        restart(key<&S::cluster_state_file>(
            "cluster_state_file",
            "File that keeps each cluster's highest timeline, so that an old primary gets no write "
            "even after a restart; empty means it is remembered only while the process runs."
        )),
    };
}

Keys make_global_keys() {
    Keys keys;
    add(keys, "Listening", listening());
    add(keys, "Pools", pooling());
    add(keys, "Authentication", authentication());
    add(keys, "Log and statistics", logging());
    add(keys, "Statements", statements());
    add(keys, "Server connections", servers());
    add(keys, "Timeouts", timeouts());
    add(keys, "TLS", tls());
    add(keys, "Clusters", clusters());
    add(keys, "Metrics and status page", http());
    add(keys, "Network", network());
    return keys;
}

}  // namespace

std::span<const Key<Settings>> global_keys() {
    static const Keys keys = make_global_keys();
    return keys;
}

const Key<Settings>* find_global_key(std::string_view name) {
    for (const Key<Settings>& key : global_keys()) {
        if (key.name == name) return &key;
    }
    return nullptr;
}

}  // namespace weir::conf
