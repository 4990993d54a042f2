// with_proxy COMMAND ARGUMENT...: runs a command with PostgreSQL and the proxy around it. The
// command finds the proxy by libpq's variables (PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD),
// its Unix socket's directory in WEIR_SOCKET_DIR, an admin in WEIR_ADMIN (same password), and the
// size of the pool in WEIR_POOL_SIZE, HTTP on 127.0.0.1 at WEIR_HTTP_PORT, the proxy's process id
// in WEIR_PROXY_PID. Exit code: the command's, or 1 if the proxy came to harm.
#include "tests/support/cluster.h"
#include "tests/support/proxy.h"

#include <cstdio>
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>

using namespace weir::test;

namespace {

constexpr int pool_size = 5;

// In the foreground: its output is the test's.
int run_foreground(char** arguments, const Database& database, const Proxy& proxy, int http_port) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::setenv("PGHOST", "127.0.0.1", 1);
        ::setenv("PGPORT", std::to_string(proxy.port()).c_str(), 1);
        ::setenv("PGDATABASE", database.name().c_str(), 1);
        ::setenv("PGUSER", role_scram, 1);
        ::setenv("PGPASSWORD", role_password, 1);
        ::setenv("WEIR_SOCKET_DIR", proxy.socket_dir().c_str(), 1);
        ::setenv("WEIR_ADMIN", "admin", 1);
        ::setenv("WEIR_POOL_SIZE", std::to_string(pool_size).c_str(), 1);
        ::setenv("WEIR_HTTP_PORT", std::to_string(http_port).c_str(), 1);
        ::setenv("WEIR_PROXY_PID", std::to_string(proxy.pid()).c_str(), 1);
        ::execvp(arguments[0], arguments);
        std::perror(arguments[0]);
        ::_exit(127);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

// HTTPS with the token that WEIR_HTTP_TOKEN names, if it names one.
void use_http_credentials(ProxyConfig& config) {
    const char* const token = std::getenv("WEIR_HTTP_TOKEN");
    if (token == nullptr) return;
    config.settings["http_token"] = std::string(token);
    config.settings["http_tls_cert_file"] = config.settings["client_tls_cert_file"];
    config.settings["http_tls_key_file"] = config.settings["client_tls_key_file"];
}

int run(char** arguments) {
    const Database database{Cluster::shared()};
    ProxyConfig config = ProxyConfig::for_database(database, pool_size);
    config.settings["auth_type"] = "scram-sha-256";
    config.use_client_tls("prefer");
    // What drivers send at startup; PgBouncer needs to be told to look away.
    if (proxy_is_pgbouncer()) config.settings["ignore_startup_parameters"] = "extra_float_digits";
    const int http_port = free_port();
    if (!proxy_is_pgbouncer()) {
        config.settings["http_listen"] = "127.0.0.1:" + std::to_string(http_port);
        config.settings["http_max_connections"] = 20;
        use_http_credentials(config);
    }
    Proxy proxy{config};
    const int code = run_foreground(arguments, database, proxy, http_port);
    if (code != 0) std::fprintf(stderr, "--- the proxy's log\n%s\n", proxy.log().c_str());
    proxy.stop();
    return code;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fputs("usage: with_proxy COMMAND ARGUMENT...\n", stderr);
        return 2;
    }
    try {
        return run(argv + 1);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "with_proxy: %s\n", error.what());
        return 1;
    }
}
