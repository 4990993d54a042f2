// A PostgreSQL of the tests' own: initdb in a temporary directory, TCP on 127.0.0.1 and a Unix
// socket, gone with its owner.
#pragma once

#include "tests/support/child_process.h"
#include "tests/support/libpq.h"
#include "tests/support/temp_dir.h"

#include <memory>
#include <string>
#include <vector>

namespace weir::test {

// The program of PostgreSQL 15 with this name.
std::string pg_program(const std::string& name);

// Roles every cluster has; each is let in over TCP by the method of its name (role_trust: trust).
// None is a superuser. The password of all is role_password.
inline constexpr const char* role_trust = "app";
inline constexpr const char* role_clear = "app_password";
inline constexpr const char* role_md5 = "app_md5";
inline constexpr const char* role_scram = "app_scram";
inline constexpr const char* role_password = "s3cret\\pa'ss";

class Cluster {
public:
    struct Options {
        std::vector<std::string> hba;       // lines before the usual ones
        std::vector<std::string> settings;  // lines for postgresql.conf
        int max_connections = 200;
    };

    // Started once per test program, at the first call. TLS is on and never demanded.
    static Cluster& shared();

    Cluster();
    explicit Cluster(const Options& options);
    ~Cluster();
    Cluster(const Cluster&) = delete;
    Cluster& operator=(const Cluster&) = delete;

    int port() const { return port_; }

    // Directory of the Unix socket.
    std::string socket_dir() const { return directory_.path(); }

    pid_t postmaster() const { return process_->pid(); }

    std::string log() const { return process_->output(); }

    // For a direct connection over the Unix socket, as superuser unless `user` is given.
    std::string conninfo(const std::string& database, const std::string& user = "postgres") const;

    // A superuser's connection to the database "postgres", kept open. Its application_name is
    // "weir test"; see Database::backends.
    Pg& admin();

    // "fast" shutdown and start again on the same port; connections are lost.
    void stop();
    void start();

private:
    void configure(const Options& options);
    void create_roles();

    TempDir directory_{"pg"};
    int port_ = 0;
    std::unique_ptr<ChildProcess> process_;
    std::unique_ptr<Pg> admin_;
};

// A fresh database, dropped at the end; what is counted in it is the test's own. All roles may
// create in its schema public.
class Database {
public:
    explicit Database(Cluster& cluster);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    const std::string& name() const { return name_; }

    Cluster& cluster() const { return cluster_; }

    // Direct connection as superuser.
    Pg connect() const { return Pg{cluster_.conninfo(name_)}; }

    // Client backends in this database, optionally with a further condition on pg_stat_activity.
    int backends(const std::string& condition = "true") const;
    // pg_terminate_backend for all that fit; how many there were.
    int terminate(const std::string& condition = "true") const;

private:
    Cluster& cluster_;
    std::string name_;
};

}  // namespace weir::test
