// The proxy under test, started as a process of its own with a configuration of the test's.
//
// The program is the environment's WEIR_BINARY, else the build tree's pgweir. With
// WEIR_PROXY=pgbouncer it is Debian's PgBouncer: the same tests then show that the harness works.
#pragma once

#include "tests/support/cluster.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace weir::test {

using SettingValue = std::variant<std::string, int, double, bool>;

// PgBouncer's names; written in order of the name.
using Section = std::map<std::string, SettingValue>;

struct ProxyConfig {
    Section settings;
    std::map<std::string, Section> databases;
    std::map<std::string, Section> users;
    // auth_file: name and password or secret.
    std::vector<std::pair<std::string, std::string>> userlist;

    // Transaction mode, auth_type trust, one database (the test's, over TCP), the roles of
    // Cluster with their passwords and an admin user "admin"; workers as in WEIR_WORKERS.
    static ProxyConfig for_database(const Database& database);
    // The same with default_pool_size = `pool_size`.
    static ProxyConfig for_database(const Database& database, int pool_size);

    // client_tls_sslmode and the test certificate's files.
    void use_client_tls(const std::string& sslmode);

    std::string toml() const;
    std::string ini() const;
};

bool proxy_is_pgbouncer();

class Proxy {
public:
    // Adds ports, directories and auth_file to the configuration; waits until it accepts.
    explicit Proxy(ProxyConfig config);
    // stop(), unless that was done. A failure is printed and makes the test program fail.
    ~Proxy();
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;

    int port() const { return port_; }

    std::string socket_dir() const { return directory_.path(); }

    std::string socket_path() const { return socket_dir() + "/.s.PGSQL." + std::to_string(port_); }

    pid_t pid() const { return process_->pid(); }

    bool ended() { return process_->ended(); }

    std::string log() const { return process_->output(); }

    // Over TCP. `database` "" is the test's database. `more` is appended to the string.
    std::string conninfo(
        const std::string& user = role_trust,
        const std::string& more = "",
        const std::string& database = ""
    ) const;
    std::string unix_conninfo(const std::string& user = role_trust) const;

    Pg connect(const std::string& more = "") const { return Pg{conninfo(role_trust, more)}; }

    // A connection to the console as "admin".
    Pg console() const { return Pg{conninfo("admin", "", "pgbouncer")}; }

    // The configuration; a change is written to the file by reload() or rewrite().
    ProxyConfig& config() { return config_; }

    void rewrite();
    // Writes any text in place of the configuration.
    void rewrite(const std::string& text);
    // rewrite() and SIGHUP. Does not wait: what changed is for the test to wait for.
    void reload();

    void signal(int number) const { process_->signal(number); }

    // SIGTERM as clients do it no more (they are gone): throws unless the exit code is 0 within
    // some seconds and no sanitizer has reported anything.
    void stop();
    // Waits for the end that another signal or the console has asked for; checks the same.
    void wait_for_good_end();

private:
    void write_config_file();
    void start();
    bool accepts() const;

    ProxyConfig config_;
    std::string database_;
    TempDir directory_{"proxy"};
    int port_;
    std::unique_ptr<ChildProcess> process_;
    bool checked_ = false;
};

// The program under test, where server_user() can run it.
std::string proxy_program();

// Failures seen where nobody could throw; a test program's exit code must count them.
int late_failures();

}  // namespace weir::test
