#include "tests/support/replica.h"

#include <csignal>
#include <stdexcept>

namespace weir::test {
namespace {

CommandLine as_server(std::vector<std::string> arguments) {
    return CommandLine{
        .arguments = std::move(arguments),
        .environment = {},
        .user = server_user(),
        .signal_at_our_death = SIGQUIT,
    };
}

}  // namespace

Cluster::Options options_for_replicas() {
    Cluster::Options options;
    options.hba = {"host replication all 127.0.0.1/32 trust"};
    options.settings = {
        "wal_level = replica",
        "max_wal_senders = 10",
        "hot_standby = on",
        "wal_keep_size = 256MB",
        "max_wal_size = 512MB"};
    return options;
}

Replica::Replica(
    Cluster& primary, int port, const std::string& name, const std::vector<std::string>& settings
)
    : port_(port) {
    run_or_throw(as_server(
        {pg_program("pg_basebackup"),
         "-D",
         (directory_ / "data").string(),
         "-d",
         "host=127.0.0.1 port=" + std::to_string(primary.port()) +
             " user=postgres application_name=" + name,
         "-R",
         "-c",
         "fast",
         "--no-sync"}
    ));
    // -R has appended primary_conninfo to postgresql.auto.conf, where the Cluster's own lines are.
    std::string text = read_text(directory_ / "data/postgresql.auto.conf");
    text += "\nport = " + std::to_string(port_) + "\nunix_socket_directories = '" +
            directory_.path().string() + "'\n";
    for (const auto& line : settings)
        text += line + "\n";
    write_file(directory_ / "data/postgresql.auto.conf", text);
    start();
}

Replica::~Replica() {
    try {
        stop(false);
    } catch (const std::exception&) {
        // ~ChildProcess kills what would not stop.
    }
}

std::string Replica::conninfo() const {
    return "host=" + directory_.path().string() + " port=" + std::to_string(port_) +
           " dbname=postgres user=postgres application_name='weir test'";
}

void Replica::start() {
    process_ = std::make_unique<ChildProcess>(
        as_server({pg_program("postgres"), "-D", directory_ / "data"}), directory_ / "log"
    );
    wait_until(
        "the replica accepts connections",
        [&] {
            if (process_->ended()) {
                throw std::runtime_error("the replica ended:\n" + process_->output());
            }
            return PQping(conninfo().c_str()) == PQPING_OK;
        },
        std::chrono::seconds(60)
    );
    admin_ = std::make_unique<Pg>(conninfo());
}

void Replica::stop(bool fast) {
    admin_.reset();
    if (process_ == nullptr) return;
    process_->signal(fast ? SIGINT : SIGQUIT);
    (void)process_->wait(std::chrono::seconds(30));
    process_.reset();
}

void Replica::promote() {
    admin_->exec("select pg_promote(false)");
}

}  // namespace weir::test
