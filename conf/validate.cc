#include "conf/validate.h"

#include "conf/http_address.h"
#include "conf/log_levels.h"
#include "conf/tls_options.h"

#include <algorithm>
#include <string>

namespace weir::conf {

namespace {

// sockaddr_un::sun_path has 108 bytes, the last one is the terminator.
constexpr std::size_t longest_socket_path = 107;

class Rules {
public:
    Rules(const Settings& settings, const Origins& origins)
        : settings_(settings), origins_(origins) {}

    Problems check() {
        listening();
        pools();
        authentication();
        client_tls();
        server_tls();
        console();
        http();
        for (const auto& [name, database] : settings_.databases)
            check_database(name, database);
        return std::move(found_);
    }

private:
    // The place of `key`, else of the section it belongs to, else the file.
    Problem problem(std::string key, std::string text) const {
        std::string_view near = key;
        auto origin = origins_.find(near);
        while (origin == origins_.end() && !near.empty()) {
            std::size_t dot = near.rfind('.');
            near = dot == std::string_view::npos ? std::string_view() : near.substr(0, dot);
            origin = origins_.find(near);
        }
        Place place = origin == origins_.end() ? Place{} : origin->second;
        return {.place = std::move(place), .key = std::move(key), .text = std::move(text)};
    }

    void error(std::string key, std::string text) {
        found_.errors.push_back(problem(std::move(key), std::move(text)));
    }

    void warn(std::string key, std::string text) {
        found_.warnings.push_back(problem(std::move(key), std::move(text)));
    }

    void listening() {
        const Settings& s = settings_;
        if (s.listen_addr.empty() && s.unix_socket_dir.empty()) {
            error("pgweir.listen_addr", "nothing to listen on: set listen_addr or unix_socket_dir");
        }
        socket_path("pgweir.unix_socket_dir", s.unix_socket_dir, s.listen_port);
        bool abstract = s.unix_socket_dir.starts_with('@');
        if (!s.unix_socket_dir.empty() && !abstract && s.unix_socket_dir.front() != '/') {
            error("pgweir.unix_socket_dir", "must be an absolute directory, \"@name\", or empty");
        }
    }

    void socket_path(std::string key, const std::string& directory, int port) {
        if (directory.empty()) return;
        std::size_t length =
            directory.size() + std::string("/.s.PGSQL.").size() + std::to_string(port).size();
        if (length <= longest_socket_path) return;
        error(
            std::move(key),
            "the socket's path has " + std::to_string(length) + " bytes; allowed: up to " +
                std::to_string(longest_socket_path)
        );
    }

    void pools() {
        const Settings& s = settings_;
        if (s.default_pool_size > 0 && s.min_pool_size > s.default_pool_size) {
            error(
                "pgweir.min_pool_size",
                "is " + std::to_string(s.min_pool_size) + ", above default_pool_size " +
                    std::to_string(s.default_pool_size)
            );
        }
        if (s.reserve_pool_size > 0 && s.reserve_pool_timeout.count() == 0) {
            warn("pgweir.reserve_pool_size", "has no effect while reserve_pool_timeout is 0");
        }
        const auto most = std::int64_t{s.default_pool_size} + s.reserve_pool_size;
        if (s.default_pool_size > 0 && s.max_pinned >= most) {
            warn(
                "pgweir.max_pinned",
                "has no effect: a pool has " + std::to_string(most) + " servers at most"
            );
        }
        if (s.server_round_robin && s.lend_policy == LendPolicy::rotate) {
            warn("pgweir.server_round_robin", "has no effect with lend_policy rotate");
        }
    }

    void authentication() {
        bool asks_password = settings_.auth_type == AuthType::plain ||
                             settings_.auth_type == AuthType::md5 ||
                             settings_.auth_type == AuthType::scram_sha_256;
        if (asks_password && settings_.auth_file.empty()) {
            warn(
                "pgweir.auth_file",
                "is not set, so nobody can log in with auth_type " +
                    std::string(to_string(settings_.auth_type))
            );
        }
    }

    void console() {
        if (settings_.auth_type != AuthType::any || settings_.admin_users.empty()) return;
        warn("pgweir.admin_users", "with auth_type any everybody may claim to be one of them");
    }

    void key_pair(const std::string& prefix, const std::string& key, const std::string& cert) {
        if (!key.empty() && cert.empty()) {
            error(prefix + "_cert_file", "is needed together with the key file");
        }
        if (key.empty() && !cert.empty()) {
            error(prefix + "_key_file", "is needed together with the certificate file");
        }
    }

    void tls_words(const std::string& prefix, const std::string& protocols) {
        if (read_tls_versions(protocols)) return;
        error(
            prefix + "_protocols",
            "allows no TLS version; allowed: secure, all, or a list of tlsv1.0, tlsv1.1, tlsv1.2, "
            "tlsv1.3"
        );
    }

    static bool verifies(SslMode mode) {
        return mode == SslMode::verify_ca || mode == SslMode::verify_full;
    }

    void client_tls() {
        const Settings& s = settings_;
        tls_words("pgweir.client_tls", s.client_tls_protocols);
        key_pair("pgweir.client_tls", s.client_tls_key_file, s.client_tls_cert_file);
        if (s.client_tls_sslmode == SslMode::disable) return;
        std::string why =
            "is needed with client_tls_sslmode " + std::string(to_string(s.client_tls_sslmode));
        if (s.client_tls_key_file.empty() && s.client_tls_cert_file.empty()) {
            error("pgweir.client_tls_key_file", why);
            error("pgweir.client_tls_cert_file", why);
        }
        if (verifies(s.client_tls_sslmode) && s.client_tls_ca_file.empty()) {
            error("pgweir.client_tls_ca_file", why);
        }
    }

    void server_tls() {
        const Settings& s = settings_;
        tls_words("pgweir.server_tls", s.server_tls_protocols);
        key_pair("pgweir.server_tls", s.server_tls_key_file, s.server_tls_cert_file);
        if (verifies(s.server_tls_sslmode) && s.server_tls_ca_file.empty()) {
            error(
                "pgweir.server_tls_ca_file",
                "is needed with server_tls_sslmode " + std::string(to_string(s.server_tls_sslmode))
            );
        }
    }

    // Whoever can reach the page sees what runs here: beyond this machine only those who may.
    void http() {
        const Settings& s = settings_;
        key_pair("pgweir.http_tls", s.http_tls_key_file, s.http_tls_cert_file);
        const bool token = !s.http_token.empty();
        const bool password = !s.http_password.empty();
        if (password && s.http_user.empty()) error("pgweir.http_user", "is needed with a password");
        if (!password && !s.http_user.empty()) {
            error("pgweir.http_password", "is needed with http_user");
        }
        if (!s.trace_endpoint.empty()) {
            const auto url = read_http_url(s.trace_endpoint);
            if (!url.ok()) error("pgweir.trace_endpoint", url.wrong);
        }
        if (const auto levels = read_log_levels(s.log_level, s.verbose); !levels.ok()) {
            error("pgweir.log_level", levels.wrong);
        }
        for (const std::string& text : s.http_listen) {
            const auto address = read_http_address(text);
            if (!address.ok()) {
                error("pgweir.http_listen", address.wrong);
            } else if (!is_loopback(address.value)) {
                http_beyond_loopback(text, token || password);
            }
        }
    }

    void http_beyond_loopback(const std::string& address, bool authenticated) {
        if (!authenticated && !settings_.http_allow_unauthenticated) {
            error(
                "pgweir.http_listen",
                "has \"" + address +
                    "\", which others can reach: set http_token or http_user and http_password (or "
                    "http_allow_unauthenticated)"
            );
        }
        if (authenticated && settings_.http_tls_cert_file.empty()) {
            warn(
                "pgweir.http_listen",
                "has \"" + address +
                    "\": without http_tls_cert_file, passwords cross the network "
                    "in clear text"
            );
        }
    }

    void check_database(const std::string& name, const DatabaseSettings& database) {
        std::string path = "databases." + name;
        if (is_console_database(name)) error(path, "this name belongs to the console");
        if (name.empty()) error(path, "the name is empty");
        // PostgreSQL's NAMEDATALEN; a longer name can never be a database there, but may be ours.
        if (name.size() > 1024) error(path, "the name is too long; allowed: up to 1024 bytes");
        if (database.hosts.empty()) {
            server_address(path, database);
        } else {
            cluster(path, database);
        }
        reads(path, database);
        int size = database.pool_size.value_or(settings_.default_pool_size);
        int minimum = database.min_pool_size.value_or(settings_.min_pool_size);
        bool own = database.pool_size || database.min_pool_size;
        if (own && size > 0 && minimum > size) {
            error(
                path + (database.min_pool_size ? ".min_pool_size" : ".pool_size"),
                "min_pool_size " + std::to_string(minimum) + " is above pool_size " +
                    std::to_string(size)
            );
        }
        if (database.password && !database.user) {
            warn(path + ".password", "has no effect without user");
        }
        if (settings_.auth_type == AuthType::any && !database.user) {
            error(path + ".user", "is needed with auth_type any, which ignores the client's name");
        }
    }

    void server_address(const std::string& path, const DatabaseSettings& database) {
        const std::string& host = database.host;
        bool socket = host.starts_with('/') || host.starts_with('@');
        if (host.empty() && settings_.unix_socket_dir.empty()) {
            error(path + ".host", "is needed, since unix_socket_dir is empty");
        }
        if (socket) socket_path(path + ".host", host, database.port);
        if (host.empty() && database.port == settings_.listen_port) {
            warn(path + ".port", "leads back to this process: the same Unix socket");
        }
        if (host.size() > 253 && !socket) error(path + ".host", "is too long for a host name");
    }

    void cluster(const std::string& path, const DatabaseSettings& database) {
        const DatabaseSettings none;
        if (database.host != none.host) error(path + ".host", "cannot be together with hosts");
        if (database.port != none.port) error(path + ".port", "cannot be together with hosts");
        if (database.hosts.size() > most_hosts) {
            error(
                path + ".hosts",
                "has " + std::to_string(database.hosts.size()) + " hosts; allowed: up to " +
                    std::to_string(most_hosts)
            );
        }
        bool may_be_primary = false;
        for (std::size_t i = 0; i < database.hosts.size(); ++i) {
            cluster_host(path + ".hosts[" + std::to_string(i) + ']', database, i);
            const HostSettings& host = database.hosts[i];
            may_be_primary |= !host.removed && host.role != HostRole::replica;
        }
        if (!may_be_primary && effective_route(database) != RouteTo::replica) {
            warn(path + ".hosts", "has replicas only, so nothing can be written");
        }
    }

    void cluster_host(const std::string& path, const DatabaseSettings& database, std::size_t i) {
        const HostSettings& host = database.hosts[i];
        DatabaseSettings alone;
        alone.host = host.host;
        alone.port = host.port;
        server_address(path, alone);
        const auto same = [&](const HostSettings& other) {
            return other.host == host.host && other.port == host.port;
        };
        const auto end = database.hosts.begin() + static_cast<std::ptrdiff_t>(i);
        if (std::any_of(database.hosts.begin(), end, same)) error(path, "is there twice");
        if (!host.zone.empty() && settings_.zone.empty()) {
            warn(path + ".zone", "has no effect while the global zone is empty");
        }
    }

    // How reads are spread.
    void reads(const std::string& path, const DatabaseSettings& database) {
        if (database.causal_wait.count() > 0 && database.consistency == Consistency::none) {
            warn(path + ".causal_wait", "has no effect with consistency none");
        }
        if (database.primary_reads_weight && database.primary_reads != PrimaryReads::always) {
            warn(path + ".primary_reads_weight", "has no effect without primary_reads always");
        }
        if (database.monitor_password && !database.monitor_user) {
            warn(path + ".monitor_password", "has no effect without monitor_user");
        }
        if (database.route == RouteTo::replica && database.hosts.empty()) {
            error(path + ".route", "needs hosts, since a single host is the primary");
        }
    }

    const Settings& settings_;
    const Origins& origins_;
    Problems found_;
};

std::uint64_t count(int number) {
    return static_cast<std::uint64_t>(number);
}

// Servers one pool may hold, or 0 if it has no limit.
std::uint64_t pool_limit(const Settings& s, std::string_view database, std::string_view user) {
    int size = effective_pool_size(s, database, user);
    if (size == 0) return 0;
    return count(size) + count(effective_reserve_pool_size(s, database, user));
}

}  // namespace

Problems validate(const Settings& settings, const Origins& origins) {
    return Rules(settings, origins).check();
}

DescriptorEstimate estimate_descriptors(const Settings& settings, int workers) {
    DescriptorEstimate estimate;
    estimate.clients = count(settings.max_client_conn);
    for (const auto& [name, database] : settings.databases) {
        std::string_view user = database.user ? std::string_view(*database.user) : "";
        std::uint64_t pool = pool_limit(settings, name, user);
        // Each host has a pool of its own, and a connection that watches it.
        std::uint64_t hosts = std::max<std::uint64_t>(1, database.hosts.size());
        estimate.others += database.hosts.size();
        std::uint64_t limit = count(effective_max_db_connections(settings, name));
        bool one_pool = database.user && name != "*";
        if (limit > 0) {
            // A forced user has one pool; otherwise every user may have one, up to the limit.
            estimate.servers += one_pool && pool > 0 ? std::min(pool * hosts, limit) : limit;
            if (name == "*") estimate.bounded = false;
            continue;
        }
        estimate.servers += pool * hosts;
        if (pool == 0 || !one_pool) estimate.bounded = false;
    }
    // Each worker: loop, wake-up, timer. A cancel request has a connection on either side, and a
    // few are open at once; the rest is listeners, log, pid file, monitor and the console.
    constexpr std::uint64_t per_worker = 3;
    constexpr std::uint64_t spare = 64;
    estimate.others += count(workers) * per_worker + spare + settings.listen_addr.size() * 2;
    if (!settings.http_listen.empty()) estimate.others += count(settings.http_max_connections);
    return estimate;
}

}  // namespace weir::conf
