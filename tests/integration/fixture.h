// What most end-to-end tests start from: a database of their own with the proxy in front of it.
#pragma once

#include "tests/support/cluster.h"
#include "tests/support/libpq.h"
#include "tests/support/proxy.h"
#include "tests/support/raw_client.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>

namespace weir::test {

// Decorator of test cases about what PgBouncer 1.18 cannot do or does otherwise; they are skipped
// with WEIR_PROXY=pgbouncer.
inline doctest::skip ours_only() {
    return doctest::skip(proxy_is_pgbouncer());
}

struct Fixture {
    // Transaction mode, trust, default_pool_size = pool_size.
    explicit Fixture(int pool_size = 5, const Section& more = {})
        : database(Cluster::shared()), proxy(config(database, pool_size, more)) {}

    static ProxyConfig config(const Database& database, int pool_size, const Section& more) {
        ProxyConfig config = ProxyConfig::for_database(database, pool_size);
        for (const auto& [key, value] : more)
            config.settings[key] = value;
        return config;
    }

    Pg connect(const std::string& more = "") const { return proxy.connect(more); }

    // A logged-in raw client.
    RawClient raw(const StartupParameters& more = {}) const {
        RawClient client = RawClient::tcp(proxy.port());
        client.login(role_trust, database.name(), "", more);
        return client;
    }

    Database database;
    Proxy proxy;
};

inline int backend_pid(Pg& client) {
    return std::stoi(client.value("select pg_backend_pid()"));
}

// The server is told by what PostgreSQL says, not by libpq's idea of its backend.
inline std::string in_transaction_pid(Pg& client) {
    client.exec("begin");
    return client.value("select pg_backend_pid()");
}

}  // namespace weir::test
