// A primary with two streaming replicas, and the proxy in front of them.
#pragma once

#include "tests/integration/fixture.h"
#include "tests/support/replica.h"

#include <cstdlib>
#include <set>
#include <string>
#include <vector>

namespace weir::test {

// Of this many workers; several themes run side by side.
inline int port_of(int number) {
    const char* workers = std::getenv("WEIR_WORKERS");
    const int count = workers == nullptr || *workers == '\0' ? 1 : std::atoi(workers);
    return 27600 + 20 * count + number;
}

// A primary, two replicas and the proxy in front of them.
struct Routed {
    // The replicas are on `first_port` and the next.
    explicit Routed(
        const Section& more = {},
        const std::vector<std::string>& of_replicas = {},
        int first_port = port_of(0)
    )
        : cluster(options_for_replicas()),
          database(cluster),
          one(cluster, first_port, "one", of_replicas),
          two(cluster, first_port + 1, "two", of_replicas),
          proxy(config(more)) {
        // Else the WAL writer may take 200 ms before a replica gets anything.
        cluster.admin().exec("alter system set synchronous_commit = on");
        cluster.admin().exec("select pg_reload_conf()");
        wait_until(
            "all hosts are known", [&] { return knows_all(); }, std::chrono::seconds(30)
        );
    }

    ProxyConfig config(const Section& more) const {
        ProxyConfig config = ProxyConfig::for_database(database, 5);
        auto& section = config.databases[database.name()];
        section.erase("host");
        section.erase("port");
        section["hosts"] =
            address(cluster.port()) + ", " + address(one.port()) + ", " + address(two.port());
        section["monitor_user"] = role_trust;
        for (const auto& [key, value] : more)
            section[key] = value;
        return config;
    }

    static std::string address(int port) { return "127.0.0.1:" + std::to_string(port); }

    Pg connect(const std::string& more = "") const { return proxy.connect(more); }

    // Where a read of this connection runs.
    static std::string port(Pg& pg) {
        pg.exec("select 1");
        const auto route = pg.value("show pgweir.last_route");
        const auto at = route.find(':') + 1;
        return route.substr(at, route.find(' ') - at);
    }

    bool knows_all() const {
        Pg pg = connect();
        std::set<std::string> ports;
        for (int i = 0; i < 30; ++i)
            ports.insert(port(pg));
        ports.erase(std::to_string(cluster.port()));
        return ports.size() == 2;
    }

    static bool ran_on_replica(Pg& pg) {
        return pg.value("show pgweir.last_route").find("role=replica") != std::string::npos;
    }

    Cluster cluster;
    Database database;
    Replica one;
    Replica two;
    Proxy proxy;
};

inline std::string route(Pg& pg) {
    return pg.value("show pgweir.last_route");
}

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace weir::test
