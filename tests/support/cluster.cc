#include "tests/support/cluster.h"

#include "tests/support/tls_files.h"

#include <csignal>
#include <stdexcept>
#include <unistd.h>

namespace weir::test {
namespace {

constexpr const char* binaries = "/usr/lib/postgresql/15/bin/";

CommandLine as_server(std::vector<std::string> arguments) {
    return CommandLine{
        .arguments = std::move(arguments),
        .environment = {},
        .user = server_user(),
        .signal_at_our_death = SIGQUIT,
    };
}

std::string hba_text(const std::vector<std::string>& first) {
    std::string text;
    for (const auto& line : first)
        text += line + "\n";
    text +=
        "local all all trust\n"
        "host all app_password all password\n"
        "host all app_md5 all md5\n"
        "host all app_scram all scram-sha-256\n"
        "host all all all trust\n";
    return text;
}

}  // namespace

std::string pg_program(const std::string& name) {
    return binaries + name;
}

Cluster& Cluster::shared() {
    static Cluster cluster;
    return cluster;
}

Cluster::Cluster() : Cluster(Options()) {}

Cluster::Cluster(const Options& options) {
    run_or_throw(as_server(
        {pg_program("initdb"),
         "-D",
         directory_ / "data",
         "-U",
         "postgres",
         "-A",
         "trust",
         "-E",
         "UTF8",
         "--locale",
         "C.UTF-8",
         "--no-sync"}
    ));
    // Not earlier: initdb takes a while.
    port_ = free_port();
    configure(options);
    start();
    create_roles();
}

Cluster::~Cluster() {
    try {
        stop();
    } catch (const std::exception&) {
        // ~ChildProcess kills what would not stop.
    }
}

void Cluster::configure(const Options& options) {
    const TlsFiles& tls = TlsFiles::shared();
    std::string text = "listen_addresses = '127.0.0.1'\nport = " + std::to_string(port_) +
                       "\nunix_socket_directories = '" + socket_dir() +
                       "'\nmax_connections = " + std::to_string(options.max_connections) +
                       "\nfsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
                       "max_prepared_transactions = 10\nssl = on\nssl_cert_file = '" +
                       tls.server_certificate().string() + "'\nssl_key_file = '" +
                       tls.server_key().string() + "'\n";
    for (const auto& line : options.settings)
        text += line + "\n";
    write_file(directory_.path() / "data/postgresql.auto.conf", text);
    write_file(directory_.path() / "data/pg_hba.conf", hba_text(options.hba));
}

void Cluster::start() {
    process_ = std::make_unique<ChildProcess>(
        as_server({pg_program("postgres"), "-D", directory_ / "data"}), directory_ / "log"
    );
    const std::string conninfo = this->conninfo("postgres");
    wait_until(
        "PostgreSQL accepts connections",
        [&] {
            if (process_->ended()) throw std::runtime_error("PostgreSQL ended:\n" + log());
            return PQping(conninfo.c_str()) == PQPING_OK;
        },
        std::chrono::seconds(30)
    );
    admin_ = std::make_unique<Pg>(conninfo);
}

void Cluster::stop() {
    admin_.reset();
    if (process_ == nullptr) return;
    process_->signal(SIGINT);
    const ExitStatus status = process_->wait(std::chrono::seconds(30));
    process_.reset();
    if (!status.good()) throw std::runtime_error("PostgreSQL ended with " + status.text());
}

std::string Cluster::conninfo(const std::string& database, const std::string& user) const {
    return "host=" + socket_dir() + " port=" + std::to_string(port_) + " dbname=" + database +
           " user=" + user + " application_name='weir test'";
}

Pg& Cluster::admin() {
    return *admin_;
}

void Cluster::create_roles() {
    const std::string password = " login password '" + std::string("s3cret\\pa''ss") + "'";
    admin().exec("create role app" + password);
    admin().exec("create role app_password" + password);
    admin().exec("create role app_scram" + password);
    admin().exec("set password_encryption = md5; create role app_md5" + password);
    admin().exec("reset password_encryption");
}

Database::Database(Cluster& cluster) : cluster_(cluster) {
    static int count = 0;
    name_ = "db" + std::to_string(++count);
    cluster_.admin().exec("create database " + name_);
    connect().exec("grant all on schema public to public");
}

Database::~Database() {
    try {
        cluster_.admin().exec("drop database " + name_ + " with (force)");
    } catch (const std::exception&) {
        // The test has stopped the cluster; the database goes with it.
    }
}

int Database::backends(const std::string& condition) const {
    return std::stoi(cluster_.admin().value(
        "select count(*) from pg_stat_activity where backend_type = 'client backend' and "
        "application_name <> 'weir test' and datname = '" +
        name_ + "' and (" + condition + ")"
    ));
}

int Database::terminate(const std::string& condition) const {
    return std::stoi(cluster_.admin().value(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where backend_type = "
        "'client backend' and application_name <> 'weir test' and datname = '" +
        name_ + "' and (" + condition + ")"
    ));
}

}  // namespace weir::test
