// with_proxy COMMAND ARGUMENT...: runs a command with PostgreSQL and the proxy around it. The
// command finds the proxy by libpq's variables (PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD),
// its Unix socket's directory in WEIR_SOCKET_DIR, an admin in WEIR_ADMIN (same password), and the
// size of the pool in WEIR_POOL_SIZE. Exit code: the command's, or 1 if the proxy came to harm.
#include "tests/support/cluster.h"
#include "tests/support/proxy.h"

#include <cstdio>
#include <sys/wait.h>
#include <unistd.h>

using namespace weir::test;

namespace {

constexpr int pool_size = 5;

// In the foreground: its output is the test's.
int run_foreground(char** arguments, const Database& database, const Proxy& proxy) {
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
        ::execvp(arguments[0], arguments);
        std::perror(arguments[0]);
        ::_exit(127);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int run(char** arguments) {
    const Database database{Cluster::shared()};
    ProxyConfig config = ProxyConfig::for_database(database, pool_size);
    config.settings["auth_type"] = "scram-sha-256";
    config.use_client_tls("prefer");
    // What drivers send at startup; PgBouncer needs to be told to look away.
    if (proxy_is_pgbouncer()) config.settings["ignore_startup_parameters"] = "extra_float_digits";
    Proxy proxy{config};
    const int code = run_foreground(arguments, database, proxy);
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
