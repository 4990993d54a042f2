// Settings: everything that can be configured, as plain structs whose initialisers are the
// defaults.
//
// Names and meanings are PgBouncer's wherever PgBouncer has the setting. What a key is called, its
// range, whether it can change while running and its one sentence of documentation are in the
// tables of conf/keys.h; here stand only the values and what their numbers mean. A setting that is
// not here does not act: load_pgbouncer_ini accepts it with a warning, load_toml refuses it.
#pragma once

#include "conf/secret.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

using Milliseconds = std::chrono::milliseconds;

enum class PoolMode { session, transaction, statement };

enum class AuthType {
    trust,          // the name is believed
    any,            // the name is ignored; every database has a forced user
    plain,          // password in clear text
    md5,            // MD5, or SCRAM for a user whose secret is a SCRAM secret
    scram_sha_256,  // SCRAM only
};

enum class SslMode { disable, allow, prefer, require, verify_ca, verify_full };

// Which idle server a client gets.
enum class LendPolicy {
    lifo,         // the one used last
    round_robin,  // the one that was idle for longest
    rotate,       // the same, but never the one the session had last if there can be another
};

// What a host of a cluster is.
enum class HostRole {
    automatic,  // "auto": what the host itself says
    primary,    // always, whatever the host says
    replica,
};

// Where a database's statements go.
enum class RouteTo {
    automatic,  // "auto": each where it may run
    primary,
    replica,
};

// What a read may miss.
enum class Consistency {
    none,     // anything up to max_lag
    session,  // nothing its own session has written
    global,   // nothing any session of this database has written through this process
    strict,   // nothing that was committed when it began
};

// Whether the primary serves reads that a replica could serve.
enum class PrimaryReads {
    never,     // not even if no replica can
    fallback,  // if no replica can
    always,    // as one among the replicas
};

// Whether a client is told that it keeps its server.
enum class PinNotice { off, first, always };
// What becomes of clients when the connection that listens for them is lost.
enum class ListenLost { close, notice };
// How a line of the slow log is written.
enum class SlowLogFormat {
    json,
    text,  // as PostgreSQL logs durations; pgbadger reads it
};

std::string_view to_string(PoolMode mode);
std::string_view to_string(AuthType type);
std::string_view to_string(SslMode mode);
std::string_view to_string(LendPolicy policy);
std::string_view to_string(HostRole role);
std::string_view to_string(RouteTo route);
std::string_view to_string(Consistency consistency);
std::string_view to_string(PrimaryReads reads);

// One host of a cluster.
// Of one database: sets of hosts are bits of one word.
inline constexpr std::size_t most_hosts = 64;

struct HostSettings {
    std::string host = {};  // as DatabaseSettings::host
    int port = 5432;        // 1..65535
    int weight = 100;       // share of the reads among the replicas; 0 = none
    std::string zone = {};  // empty = in no zone
    HostRole role = HostRole::automatic;
    // RELOAD has taken it away: it keeps its place, since pools are known by it, and what runs
    // there ends. No file says so.
    bool removed = false;

    bool operator==(const HostSettings&) const = default;
};

// One [databases.NAME]. What is empty is inherited from Settings (or, for dbname, from the name).
struct DatabaseSettings {
    // One host name, address, directory of a Unix socket ("/...") or abstract socket ("@...").
    // Empty: the Unix socket in Settings::unix_socket_dir.
    std::string host;
    int port = 5432;                    // 1..65535; also the number of a Unix socket
    std::optional<std::string> dbname;  // name on the server
    std::optional<std::string> user;    // forced user: all clients share one pool under this name
    std::optional<Secret> password;     // of the forced user
    std::optional<int> pool_size;       // 0 = unlimited
    std::optional<int> min_pool_size;
    std::optional<int> reserve_pool_size;
    std::optional<int> max_pinned;  // 0 = unlimited
    std::string connect_query;      // run once on each new server connection; empty = none
    std::optional<PoolMode> pool_mode;
    std::optional<int> max_db_connections;         // 0 = inherited
    std::optional<int> max_db_client_connections;  // 0 = inherited
    std::optional<Milliseconds> server_lifetime;   // 0 = a connection is used once
    std::optional<Milliseconds> log_min_duration;  // 0 = none
    std::optional<std::string> client_encoding;    // sent in the startup packet to the server
    std::optional<std::string> datestyle;          // sent in the startup packet to the server
    std::optional<std::string> timezone;           // sent in the startup packet to the server

    // The cluster's hosts, in the file's order; empty = the one of host and port. See server_hosts.
    std::vector<HostSettings> hosts;
    std::optional<RouteTo> route;
    Consistency consistency = Consistency::session;
    Milliseconds causal_wait{0};                      // 0 = the primary at once
    Milliseconds max_lag = std::chrono::seconds(10);  // 0 = any
    std::int64_t max_lag_bytes = 0;                   // 0 = any
    Milliseconds lag_alert{0};                        // 0 = none
    PrimaryReads primary_reads = PrimaryReads::fallback;
    std::optional<int> primary_reads_weight;  // with always; unset = the host's own weight
    // As whom the hosts are watched. Unset: the forced user, else the process's owner.
    std::optional<std::string> monitor_user;
    std::optional<Secret> monitor_password;

    bool operator==(const DatabaseSettings&) const = default;
};

// One [users.NAME]. What is empty is inherited; a limit or timeout of 0 is inherited too.
struct UserSettings {
    std::optional<int> pool_size;  // 0 = unlimited
    std::optional<int> reserve_pool_size;
    std::optional<PoolMode> pool_mode;
    std::optional<int> max_user_connections;
    std::optional<int> max_user_client_connections;
    std::optional<Milliseconds> query_timeout;
    std::optional<Milliseconds> idle_transaction_timeout;
    std::optional<Milliseconds> transaction_timeout;
    std::optional<Milliseconds> client_idle_timeout;
    std::optional<Milliseconds> log_min_duration;  // 0 = none
    std::optional<RouteTo> route;                  // in databases with several hosts
    std::optional<Consistency> consistency;

    bool operator==(const UserSettings&) const = default;
};

// All settings of one process. A loaded Settings has passed conf/validate.h; it is handed around as
// an immutable snapshot and replaced as a whole by RELOAD and SET.
struct Settings {
    // Workers
    int workers = 0;          // worker threads; 0 = conf/machine.h's workers_for_this_machine()
    bool defer_begin = true;  // a lone BEGIN takes no server until the first statement

    // Listening
    std::vector<std::string> listen_addr;  // addresses or names, "*" = all; empty = no TCP
    int listen_port = 6432;                // 1..65535; also the number of the Unix socket
    int listen_backlog = 128;              // of listen(2)
    bool so_reuseport = false;
    std::string unix_socket_dir = "/tmp";  // "@..." = abstract; empty = no Unix socket
    int unix_socket_mode = 0777;           // permission bits
    std::string unix_socket_group;         // group name or number; empty = unchanged

    // Pools
    PoolMode pool_mode = PoolMode::transaction;  // an ini file without pool_mode: session
    int max_client_conn = 100;
    int default_pool_size = 20;  // servers per pool (database, user); 0 = unlimited
    int min_pool_size = 0;
    int reserve_pool_size = 0;  // further servers once a client waited too long
    Milliseconds reserve_pool_timeout =
        std::chrono::seconds(5);          // how long that is; 0 = the reserve is off
    int max_db_connections = 0;           // servers per database; 0 = unlimited
    int max_db_client_connections = 0;    // clients per database; 0 = unlimited
    int max_user_connections = 0;         // servers per user; 0 = unlimited
    int max_user_client_connections = 0;  // clients per user; 0 = unlimited
    int max_pinned = 0;                   // pinned clients of a pool; 0 = unlimited
    PinNotice pin_notice = PinNotice::off;
    bool strict_custom_settings = false;
    ListenLost listen_lost = ListenLost::close;
    LendPolicy lend_policy = LendPolicy::lifo;
    bool server_round_robin = false;                     // lend_policy lifo means round_robin
    std::vector<std::string> ignore_startup_parameters;  // lower case
    bool application_name_add_host = false;
    int max_prepared_statements = 200;  // kept per server connection; 0 = not tracked

    // Authentication
    AuthType auth_type = AuthType::md5;
    std::string auth_file;        // userlist.txt; empty = none
    int scram_iterations = 4096;  // for SCRAM secrets made from plain passwords
    std::vector<std::string> admin_users;
    std::vector<std::string> stats_users;

    // Log and statistics
    std::string logfile;  // empty = stderr only
    std::string pidfile;  // empty = none
    bool log_connections = true;
    bool log_disconnections = true;
    bool log_pooler_errors = true;
    bool show_custom_settings = false;
    bool log_stats = true;
    Milliseconds stats_period = std::chrono::seconds(60);  // at least 1 s
    int verbose = 0;                                       // 0..3
    std::vector<std::string> log_level;  // "debug", "pool=debug"; see log_levels.h

    // Statements
    bool query_stats = true;
    int query_stats_max = 2000;  // rows of each worker
    // A statement that takes as long is a slow one; 0 = none.
    Milliseconds log_min_duration = std::chrono::seconds(1);
    int log_sample_percent = 100;  // of the slow ones, how many are lines of slow_logfile
    bool log_parameters = false;   // values may be logged and shown
    std::string slow_logfile;      // empty = none
    SlowLogFormat slow_log_format = SlowLogFormat::json;
    // Spans of traced statements go there by OTLP/HTTP; see conf/http_address.h; empty = none.
    std::string trace_endpoint;
    int trace_sample_percent = 0;  // of the statements without a traceparent, how many are traced
    std::string trace_service_name = "pgweir";
    // A slow SELECT that ran on a replica is explained there, one at most per this time; 0 = none.
    Milliseconds slow_explain_interval{0};

    // Server connections
    std::string server_reset_query = "DISCARD ALL";              // empty = none
    bool server_reset_query_always = false;                      // also outside session mode
    Milliseconds server_check_delay = std::chrono::seconds(30);  // 0 = check before every use
    // "<empty>" = an empty query, as in PgBouncer; "" = no check.
    std::string server_check_query = "<empty>";
    Milliseconds server_lifetime = std::chrono::seconds(3600);     // 0 = a connection is used once
    Milliseconds server_idle_timeout = std::chrono::seconds(600);  // 0 = never
    Milliseconds server_connect_timeout = std::chrono::seconds(15);  // connect and login together
    Milliseconds server_login_retry =
        std::chrono::seconds(15);                         // pause after a failed login; 0 = none
    Milliseconds dns_max_ttl = std::chrono::seconds(15);  // how long an address is believed

    // Timeouts (0 = off)
    Milliseconds client_login_timeout = std::chrono::seconds(60);
    Milliseconds query_wait_notify = std::chrono::seconds(5);
    Milliseconds query_timeout = std::chrono::seconds(0);
    Milliseconds query_wait_timeout = std::chrono::seconds(120);
    Milliseconds cancel_wait_timeout = std::chrono::seconds(10);
    Milliseconds client_idle_timeout = std::chrono::seconds(0);
    Milliseconds pin_idle_timeout = std::chrono::seconds(0);
    Milliseconds idle_transaction_timeout = std::chrono::seconds(0);
    Milliseconds transaction_timeout = std::chrono::seconds(0);

    // TLS towards clients. Protocols and ciphers: see conf/tls_options.h.
    SslMode client_tls_sslmode = SslMode::disable;
    std::string client_tls_key_file;
    std::string client_tls_cert_file;
    std::string client_tls_ca_file;
    std::string client_tls_protocols = "secure";
    std::string client_tls_ciphers = "default";
    std::string client_tls13_ciphers;  // empty = OpenSSL's own
    std::string client_tls_ecdhcurve = "auto";

    // TLS towards servers
    SslMode server_tls_sslmode = SslMode::prefer;
    std::string server_tls_key_file;
    std::string server_tls_cert_file;
    std::string server_tls_ca_file;
    std::string server_tls_protocols = "secure";
    std::string server_tls_ciphers = "default";
    std::string server_tls13_ciphers;

    // HTTP: metrics, status page, health
    std::vector<std::string> http_listen;  // see conf/http_address.h; empty = off
    Secret http_token;                     // for "Authorization: Bearer"; empty = none
    std::string http_user;                 // for basic authentication; empty = none
    Secret http_password;
    bool http_allow_unauthenticated = false;  // anybody who reaches a non-loopback address may look
    std::string http_tls_key_file;            // both files: HTTPS only
    std::string http_tls_cert_file;
    int http_max_connections = 64;
    int metrics_max_pools = 500;     // pools with series of their own; the rest is added up
    bool metrics_pgbouncer = false;  // also under the names of PgBouncer's exporter

    // Clusters
    std::string zone;                // where this process runs; empty = reads prefer no zone
    std::string cluster_state_file;  // empty = timelines are remembered only while it runs

    // Network
    int max_packet_size = 2147483647;                      // bytes of one message
    bool tcp_keepalive = true;                             // on client and server connections
    int tcp_keepcnt = 0;                                   // probes; 0 = the system's own
    Milliseconds tcp_keepidle = std::chrono::seconds(0);   // whole seconds; 0 = the system's own
    Milliseconds tcp_keepintvl = std::chrono::seconds(0);  // whole seconds; 0 = the system's own
    Milliseconds tcp_user_timeout =
        Milliseconds(0);  // a bare number in a file means ms; 0 = the system's own

    // By name as clients use it. "*" stands for every database that is not listed.
    std::map<std::string, DatabaseSettings, std::less<>> databases;
    std::map<std::string, UserSettings, std::less<>> users;

    bool operator==(const Settings&) const = default;
};

// Names that belong to the console, never to a database.
bool is_console_database(std::string_view name);

// The settings of `name`: its own entry, else "*", else nullptr. Lives as long as `settings`.
const DatabaseSettings* find_database(const Settings& settings, std::string_view name);

// The settings of `user`, or nullptr. Lives as long as `settings`.
const UserSettings* find_user(const Settings& settings, std::string_view user);

// The database's name on the server: dbname, else `name`, which a client asked for.
std::string_view server_dbname(const DatabaseSettings& database, std::string_view name);

// host, or unix_socket_dir where host is empty.
std::string_view server_host(const Settings& settings, const DatabaseSettings& database);

// The hosts of a cluster, never empty: hosts, or the one host of host and port, which is primary.
// An empty host of an entry is unix_socket_dir.
std::vector<HostSettings> server_hosts(const Settings& settings, const DatabaseSettings& database);

// route, else auto for several hosts and primary for one.
RouteTo effective_route(const DatabaseSettings& database);
// The user's, else the database's, else auto for several hosts and primary for one. A database for
// reports (route = replica) is one for every user.
RouteTo effective_route(
    const Settings& settings, const DatabaseSettings& database, std::string_view user
);
// The user's, else the database's.
Consistency effective_consistency(
    const Settings& settings, const DatabaseSettings& database, std::string_view user
);

// What holds for one database and one user after all precedence rules. `user` is the name the pool
// runs under (the forced user, where there is one). A database without an entry has the globals.
// pool mode, pool size, reserve: user, else database, else global.
PoolMode effective_pool_mode(
    const Settings& settings, std::string_view database, std::string_view user
);
int effective_pool_size(const Settings& settings, std::string_view database, std::string_view user);
int effective_reserve_pool_size(
    const Settings& settings, std::string_view database, std::string_view user
);
// The database's, else the global; 0 = unlimited.
int effective_max_pinned(const Settings& settings, std::string_view database);
// lend_policy, or what server_round_robin makes of it.
LendPolicy effective_lend_policy(const Settings& settings);
// The database's, else the global. Never above effective_pool_size, which a user may have lowered.
int effective_min_pool_size(
    const Settings& settings, std::string_view database, std::string_view user
);
Milliseconds effective_server_lifetime(const Settings& settings, std::string_view database);
// Limits: the own value if it is above 0, else the global; 0 = unlimited.
int effective_max_db_connections(const Settings& settings, std::string_view database);
int effective_max_db_client_connections(const Settings& settings, std::string_view database);
int effective_max_user_connections(const Settings& settings, std::string_view user);
int effective_max_user_client_connections(const Settings& settings, std::string_view user);
// Timeouts: the user's if it is above 0, else the global; 0 = off.
Milliseconds effective_query_timeout(const Settings& settings, std::string_view user);
Milliseconds effective_idle_transaction_timeout(const Settings& settings, std::string_view user);
Milliseconds effective_transaction_timeout(const Settings& settings, std::string_view user);
// The user's, else the database's, else the global; 0 = none.
Milliseconds effective_log_min_duration(
    const Settings& settings, std::string_view database, std::string_view user
);
Milliseconds effective_client_idle_timeout(const Settings& settings, std::string_view user);

}  // namespace weir::conf
