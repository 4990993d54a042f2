// A streaming replica of a Cluster, made with pg_basebackup; gone with its owner.
#pragma once

#include "tests/support/cluster.h"

namespace weir::test {

// Lines a Cluster needs in its options to have replicas.
Cluster::Options options_for_replicas();

class Replica {
public:
    // On 127.0.0.1 and `port`; `name` is its application_name at the primary. `settings` are
    // further lines of postgresql.conf.
    Replica(
        Cluster& primary,
        int port,
        const std::string& name,
        const std::vector<std::string>& settings = {}
    );
    ~Replica();
    Replica(const Replica&) = delete;
    Replica& operator=(const Replica&) = delete;

    int port() const { return port_; }

    std::string conninfo() const;

    std::string log() const { return process_->output(); }

    // "immediate" if not fast; start() brings it back on the same port.
    void stop(bool fast = true);
    void start();
    // pg_promote() without waiting.
    void promote();

    Pg& admin() { return *admin_; }

private:
    TempDir directory_{"pgr"};
    int port_;
    std::unique_ptr<ChildProcess> process_;
    std::unique_ptr<Pg> admin_;
};

}  // namespace weir::test
