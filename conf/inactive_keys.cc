// PgBouncer's settings that do not act here, each with its reason.
#include "conf/keys.h"

#include <array>

namespace weir::conf {

namespace {

constexpr std::string_view later = "this feature does not exist yet";
constexpr std::string_view buffers = "buffers and system calls are organised differently here";
constexpr std::string_view names = "names are resolved by the system's resolver";

constexpr std::array<InactiveKey, 29> global{{
    {"auth_dbname", later},
    {"auth_hba_file", later},
    {"auth_ident_file", later},
    {"auth_ldap_options", later},
    {"auth_query", later},
    {"auth_user", later},
    {"autodb_idle_timeout", later},
    {"client_tls_dheparams", "the parameters are always OpenSSL's own (auto)"},
    {"conffile", "the file is the one given on the command line"},
    {"disable_pqexec", later},
    {"dns_nxdomain_ttl", names},
    {"dns_zone_check_period", names},
    {"job_name", "it concerns Windows only"},
    {"login_notify_message", later},
    {"peer_id", later},
    {"pkt_buf", buffers},
    {"pool_idle_timeout", later},
    {"resolv_conf", names},
    {"sbuf_loopcnt", buffers},
    {"server_fast_close", later},
    {"service_name", "it concerns Windows only"},
    {"suspend_timeout", later},
    {"syslog", later},
    {"syslog_facility", later},
    {"syslog_ident", later},
    {"tcp_defer_accept", "a client is always taken when it speaks, or after a second"},
    {"tcp_socket_buffer", buffers},
    {"track_extra_parameters", "every parameter the server reports follows the client anyway"},
    {"user", "start the process as the right user"},
}};

constexpr std::array<InactiveKey, 5> database{{
    {"auth_dbname", later},
    {"auth_query", later},
    {"auth_user", later},
    {"load_balance_hosts", later},
    {"query_wait_timeout", "only the global query_wait_timeout acts"},
}};

constexpr std::array<InactiveKey, 1> user{{
    {"query_wait_timeout", "only the global query_wait_timeout acts"},
}};

}  // namespace

std::span<const InactiveKey> inactive_global_keys() {
    return global;
}

std::span<const InactiveKey> inactive_database_keys() {
    return database;
}

std::span<const InactiveKey> inactive_user_keys() {
    return user;
}

}  // namespace weir::conf
