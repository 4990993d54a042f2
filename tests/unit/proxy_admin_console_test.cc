// The console with its sockets, on a Server that nobody connects to: who comes, waits and goes.
#include "protocol/field_cursor.h"
#include "proxy/admin_console.h"
#include "proxy/server.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

using namespace weir;
using namespace weir::proxy;
using namespace std::string_literals;

namespace {

conf::Settings settings() {
    conf::Settings settings;
    settings.workers = 1;
    // SET checks all settings together: one place to listen on is needed. It is abstract, no file.
    settings.unix_socket_dir = "@weir-test-console-" + std::to_string(::getpid());
    settings.admin_users = {"admin"};
    settings.stats_users = {"watcher"};
    settings.server_tls_sslmode = conf::SslMode::disable;
    settings.databases["db"].password = conf::Secret("s3cret-of-db");
    settings.databases["db"].pool_size = 7;
    settings.databases["other"];
    settings.users["alice"].pool_size = 3;
    return settings;
}

// Two clusters that share one address.
conf::Settings settings_with_clusters() {
    auto with = settings();
    auto& shop = with.databases["shop"];
    shop.hosts = {
        {.host = "127.0.0.1", .port = 1}, {.host = "127.0.0.1", .port = 2, .zone = "north"}};
    shop.consistency = conf::Consistency::global;
    shop.causal_wait = conf::Milliseconds(50);
    with.databases["crm"].hosts = {
        {.host = "127.0.0.1", .port = 1}, {.host = "127.0.0.2", .port = 3}};
    return with;
}

const protocol::Error bye = protocol::fatal(protocol::sqlstate::admin_shutdown, "bye");

struct ConsoleBench {
    explicit ConsoleBench(conf::Settings with = settings()) : server("", std::move(with)) {
        // Puts the settings in force.
        REQUIRE(server.open().has_value());
        server.workers()[0]->start();
    }

    ~ConsoleBench() { server.workers()[0]->stop(bye); }

    // Lets the control thread work until `done`, or for as long as `patience`.
    template <class Done>
    bool run_until(Done done, pool::Duration patience = std::chrono::seconds(20)) {
        const auto limit = pool::Clock::now() + patience;
        while (!done()) {
            if (pool::Clock::now() > limit) return false;
            server.io().restart();
            if (server.io().poll() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return true;
    }

    // A pool that PAUSE has to wait for: a server of it is being opened.
    void hold(const std::string& database) {
        held = server.pools().entry(database, "alice");
        held->pool.opening_started();
    }

    void let_go() { held->pool.opening_ended(); }

    Server server;
    AdminConsole console{server};
    std::shared_ptr<PoolEntry> held;
};

class Client {
public:
    Client(ConsoleBench& bench, const std::string& user) : bench_(bench) {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0);
        socket_ = ends[0];
        LoggedInClient client;
        client.transport = pool::Transport(ends[1]);
        client.user = user;
        client.database = "pgbouncer";
        client.settings = {{"application_name", "test-of-" + user}};
        client.address = "unix";
        client.unix_socket = true;
        client.console = true;
        bench_.console.start(std::move(client));
        REQUIRE(read_until_ready());
        key_ = key_in(taken_);
    }

    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    ~Client() { close(); }

    void close() {
        if (socket_ >= 0) ::close(std::exchange(socket_, -1));
    }

    const protocol::CancelKey& key() const { return key_; }

    void send(const std::string& text) {
        taken_.clear();
        protocol::MessageWriter out;
        out.begin('Q').c_string(text).end();
        const auto bytes = out.view();
        REQUIRE(
            ::send(socket_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size())
        );
    }

    bool read_until_ready() {
        return bench_.run_until([this] {
            read();
            return taken_.ends_with(std::string("Z\0\0\0\5I", 6));
        });
    }

    // The whole answer, as it came.
    std::string ask(const std::string& text) {
        send(text);
        REQUIRE(read_until_ready());
        return taken_;
    }

    bool at_end() {
        return bench_.run_until([this] {
            read();
            return ended_;
        });
    }

    const std::string& taken() {
        read();
        return taken_;
    }

private:
    void read() {
        std::array<char, 65536> buffer;
        for (;;) {
            const auto size = ::recv(socket_, buffer.data(), buffer.size(), 0);
            if (size == 0) ended_ = true;
            if (size <= 0) return;
            taken_.append(buffer.data(), static_cast<std::size_t>(size));
        }
    }

    static protocol::CancelKey key_in(std::string_view bytes) {
        while (!bytes.empty() && bytes[0] != 'K') {
            bytes.remove_prefix(protocol::FieldCursor(as_bytes(bytes.substr(1))).u32() + 1);
        }
        REQUIRE(bytes.size() >= 13);
        protocol::FieldCursor fields(as_bytes(bytes.substr(5, 8)));
        protocol::CancelKey key;
        key.process_id = fields.i32();
        key.secret = as_text(fields.rest());
        return key;
    }

    ConsoleBench& bench_;
    int socket_ = -1;
    std::string taken_;
    protocol::CancelKey key_;
    bool ended_ = false;
};

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

// A value of a DataRow.
std::string cell(const std::string& value) {
    return "\0\0\0"s + static_cast<char>(value.size()) + value;
}

const std::string null_cell = "\xff\xff\xff\xff";

}  // namespace

TEST_CASE("console: every SHOW answers, and none tells a secret") {
    ConsoleBench bench;
    Client admin(bench, "admin");
    bench.hold("db");
    for (const char* topic :
         {"clients",    "servers",      "pools",          "databases", "users",
          "stats",      "stats_totals", "stats_averages", "totals",    "lists",
          "config",     "state",        "version",        "help",      "peers",
          "peer_pools", "mem",          "dns_hosts",      "dns_zones", "client_encoding",
          "pins",       "pin_counts",   "close_counts",   "lending",   "hosts",
          "routes",     "catalog",      "consistency"}) {
        CAPTURE(topic);
        const auto answer = admin.ask("SHOW " + std::string(topic));
        CHECK(answer.find("SERROR") == std::string::npos);
        CHECK(has(answer, std::string("C\0\0\0\x09SHOW\0", 10)));
        CHECK_FALSE(has(answer, "s3cret"));
    }
    CHECK(has(admin.ask("show clients"), "test-of-admin"));
    CHECK(has(admin.ask("show version"), "PgBouncer 1.25.2 (pgweir "));
    CHECK(has(admin.ask("show users"), "        3"));
    CHECK(has(admin.ask("show fds"), "invalid command 'show fds', use SHOW HELP;"));
    bench.let_go();
}

TEST_CASE("console: what SHOW PIN_COUNTS and LENDING count, per pool") {
    ConsoleBench bench;
    Client admin(bench, "admin");
    CHECK_FALSE(has(admin.ask("show pin_counts"), "LISTEN"));
    auto& entry = *bench.server.pools().entry("db", "alice");
    using router::PinReason;
    for (int i = 0; i < 41; ++i)
        entry.pins.count(PinReason::listen, PinEvent::begun);
    for (int i = 0; i < 32; ++i)
        entry.pins.count(PinReason::listen, PinEvent::lifted);
    for (int i = 0; i < 23; ++i)
        entry.pins.count(PinReason::listen, PinEvent::left);
    for (int i = 0; i < 14; ++i)
        entry.pins.count(PinReason::load, PinEvent::refused);
    const auto counts = admin.ask("show pin_counts");
    CHECK(
        has(counts,
            cell("db") + cell("alice") + cell("LISTEN") + cell("41") + cell("32") + cell("23") +
                cell("0"))
    );
    CHECK(
        has(counts,
            cell("db") + cell("alice") + cell("loaded library") + cell("0") + cell("0") +
                cell("0") + cell("14"))
    );
    CHECK_FALSE(has(counts, "advisory"));
    admin.ask("set max_pinned = 6");
    admin.ask("set lend_policy = round_robin");
    entry.pool.start_pin();
    entry.pool.counters(0).server_assignments.add(52);
    entry.pool.counters(0).transactions.add(63);
    entry.pool.counters(0).pinned_transactions.add(7);
    entry.pool.counters(0).foreign_settings.add(8);
    CHECK(
        has(admin.ask("show lending"),
            cell("db") + cell("alice") + cell("round_robin") + cell("1") + cell("6") + cell("52") +
                cell("0") + cell("63") + cell("7") + cell("8"))
    );
    entry.pool.end_pin();
}

TEST_CASE("console: who may only watch") {
    ConsoleBench bench;
    Client watcher(bench, "watcher");
    CHECK(has(watcher.ask("show pools"), "SHOW"));
    for (const char* text :
         {"pause",
          "resume",
          "kill",
          "reload",
          "kill_client 1",
          "shutdown",
          "set verbose = 1",
          "drain 127.0.0.1:1",
          "forget timeline",
          "set weight 127.0.0.1:1 = 1"}) {
        CAPTURE(text);
        CHECK(has(watcher.ask(text), "admin access needed"));
    }
    CHECK(bench.server.shutting_down() == Shutdown::none);
    CHECK(has(watcher.ask("set timezone = 'x'"), "SET ignored"));
}

TEST_CASE("console: commands say what PgBouncer says") {
    ConsoleBench bench;
    Client admin(bench, "admin");
    const std::pair<const char*, const char*> rows[] = {
        {"resume", "pooler is not paused/suspended"},
        {"resume db", "database db is not paused"},
        {"pause nowhere", "no such database: nowhere"},
        {"pause pgbouncer", "cannot pause admin db: pgbouncer"},
        {"disable", "a database is required"},
        {"disable pgbouncer", "cannot disable admin db: pgbouncer"},
        {"disable nowhere", "no such database: nowhere"},
        {"enable pgweir", "cannot enable admin db: pgweir"},
        {"reconnect pgbouncer", "cannot reconnect admin db: pgbouncer"},
        {"wait_close pgbouncer", "cannot wait in admin db: pgbouncer"},
        {"wait_close nowhere", "no such database: nowhere"},
        {"kill pgbouncer", "cannot kill admin db: pgbouncer"},
        {"kill nowhere", "no such database: nowhere"},
        {"kill_client x", "invalid client pointer supplied"},
        {"kill_client", "invalid client pointer supplied"},
        {"kill_client 12345", "client not found"},
        {"set nonsense = 1", "SET failed"},
        {"set listen_port = 1", "SET failed"},
        {"set default_pool_size = many", "SET failed"},
        {"shutdown now", "invalid command 'shutdown now', use SHOW HELP;"},
        {"reload", "RELOAD failed, see logs for additional details"},
    };
    for (const auto& [text, expected] : rows) {
        CAPTURE(text);
        const auto answer = admin.ask(text);
        CHECK(has(answer, "SERROR"));
        CHECK(has(answer, expected));
        CHECK(has(answer, std::string_view(text) == "reload" ? "CF0000" : "C08P01"));
    }
    CHECK(has(admin.ask("set default_pool_size = 9"), "SET default_pool_size=9"));
    CHECK(has(admin.ask("set lend_policy = fifo"), "SET failed"));
    CHECK(has(admin.ask("set lend_policy = rotate"), "SET lend_policy=rotate"));
    CHECK(bench.server.settings().default_pool_size == 9);
    CHECK(has(admin.ask("disable db"), "DISABLE"));
    CHECK(bench.server.is_disabled("db"));
    CHECK(has(admin.ask("enable db; reconnect; wait_close; pause db; resume db"), "RESUME"));
    CHECK_FALSE(bench.server.is_disabled("db"));
}

TEST_CASE("console: hosts of clusters, and what is done to them") {
    ConsoleBench bench(settings_with_clusters());
    Client admin(bench, "admin");
    const auto host = [&](const char* cluster, const char* address, const char* state) {
        return has(
            admin.ask("show hosts"), cell(cluster) + cell(address) + cell("unknown") + cell(state)
        );
    };
    const auto done = [&](const std::string& text, const std::string& tag) {
        // Of a CommandComplete: its length comes before.
        return has(admin.ask(text), '\0' + std::string(1, static_cast<char>(tag.size() + 5)) + tag);
    };
    CHECK(host("crm", "127.0.0.1:1", "down"));
    CHECK(host("crm", "127.0.0.2:3", "down"));
    CHECK(host("shop", "127.0.0.1:1", "down"));
    // One machine, however many clusters it is in.
    CHECK(done("FENCE 127.0.0.1:1", "FENCE"));
    CHECK(host("crm", "127.0.0.1:1", "fenced"));
    CHECK(host("shop", "127.0.0.1:1", "fenced"));
    CHECK(host("shop", "127.0.0.1:2", "down"));
    CHECK(done("unfence \"127.0.0.1:1\"", "UNFENCE"));
    CHECK(host("crm", "127.0.0.1:1", "down"));
    CHECK(host("shop", "127.0.0.1:1", "down"));
    // Its port may be left out where that says enough.
    CHECK(done("fence 127.0.0.2", "FENCE"));
    CHECK(host("crm", "127.0.0.2:3", "fenced"));
    CHECK(done("drain 127.0.0.1:2", "DRAIN"));
    CHECK(done("undrain 127.0.0.1:2", "UNDRAIN"));
    CHECK(done("set weight 127.0.0.1:2 = 7", "SET WEIGHT"));
    // No LSN, and a lag that is not known is not 0.
    const auto weight_of = [](const char* weight) {
        return cell("") + cell("") + null_cell + null_cell + cell(weight) + cell("north");
    };
    CHECK(has(admin.ask("show hosts"), weight_of("7")));
    CHECK(done("set weight 127.0.0.1:2 = 0", "SET WEIGHT"));
    CHECK(has(admin.ask("show hosts"), weight_of("0")));
    CHECK(done("forget timeline shop", "FORGET TIMELINE"));

    const std::pair<const char*, const char*> rows[] = {
        {"drain", "a host is required"},
        {"drain nowhere", "no such host: nowhere"},
        {"undrain 127.0.0.1:7", "no such host: 127.0.0.1:7"},
        {"fence 127.0.0.1", "host 127.0.0.1 is ambiguous"},
        {"unfence 127.0.0.1", "It may be 127.0.0.1:1, 127.0.0.1:2."},
        {"set weight nowhere = 5", "no such host: nowhere"},
        {"set weight 127.0.0.1:2 = -1", "invalid weight: -1"},
        {"set weight 127.0.0.1:2 = 10001", "invalid weight: 10001"},
        {"set weight 127.0.0.1:2 = ''", "invalid weight: "},
        {"forget timeline", "a cluster is required"},
        {"forget timeline nowhere", "no such cluster: nowhere"},
    };
    for (const auto& [text, expected] : rows) {
        CAPTURE(text);
        const auto answer = admin.ask(text);
        CHECK(has(answer, "C08P01"));
        CHECK(has(answer, expected));
    }
    CHECK(has(admin.ask("show hosts"), weight_of("0")));
}

TEST_CASE("console: without clusters there are no hosts, and no timeline") {
    ConsoleBench bench;
    Client admin(bench, "admin");
    CHECK(has(admin.ask("drain 127.0.0.1:1"), "no such host: 127.0.0.1:1"));
    CHECK(has(admin.ask("forget timeline"), "no such cluster: "));
}

TEST_CASE("console: what SHOW ROUTES and CONSISTENCY count, per cluster") {
    ConsoleBench bench(settings_with_clusters());
    Client admin(bench, "admin");
    CHECK_FALSE(has(admin.ask("show routes"), "shop"));
    auto& routes = bench.server.pools().clusters().find("shop")->routes(0);
    const auto count = [](auto& counters, auto reason, std::uint64_t times) {
        counters[static_cast<std::size_t>(reason)].add(times);
    };
    count(routes.replica, router::ReadReason::reads_only, 120);
    count(routes.primary, router::ReadReason::writes, 61);
    count(routes.reads_on_primary, pool::ChoiceReason::no_replica, 19);
    count(routes.retried, router::ReplicaRefusal::read_only, 3);
    routes.waits.add(4);
    routes.wait_time.add(250);
    const auto answer = admin.ask("show routes");
    const auto row = [&](const char* target, const std::string& reason, const char* times) {
        return cell("shop") + cell(target) + cell(reason) + cell(times);
    };
    CHECK(has(answer, row("replica", "only reads", "120") + cell("60.0")));
    CHECK(has(answer, row("primary", "writes", "61") + cell("30.5")));
    CHECK(has(answer, row("primary", "primary, no healthy replica", "19") + cell("9.5")));
    // Not counted again.
    const auto refused = std::string(router::text(router::ReplicaRefusal::read_only));
    CHECK(has(answer, row("primary", "retried: " + refused, "3") + cell("1.5")));
    CHECK_FALSE(has(answer, "crm"));

    const auto nothing = null_cell + cell("") + null_cell + null_cell;
    const auto consistency = admin.ask("show consistency");
    CHECK(has(
        consistency, cell("crm") + cell("session") + cell("0") + nothing + cell("0") + cell("0")
    ));
    CHECK(has(
        consistency, cell("shop") + cell("global") + cell("50") + nothing + cell("4") + cell("250")
    ));
    bench.server.pools().clusters().find("shop")->newest_write().wrote(pool::Clock::now());
    CHECK_FALSE(has(admin.ask("show consistency"), cell("50") + nothing));
}

TEST_CASE("console: SHOW CATALOG, and EXPLAIN ROUTE by it") {
    ConsoleBench bench;
    Client admin(bench, "admin");
    CHECK_FALSE(has(admin.ask("show catalog"), cell("db")));
    auto& catalog = *bench.server.pools().entry("db", "alice")->catalog;
    bench.server.pools().entry("db", "bob");
    const auto none = cell("db") + cell("1") + cell("0") + null_cell + null_cell + null_cell;
    const auto rows = admin.ask("show catalog");
    CHECK(has(rows, none + cell("none")));
    // One for all users.
    CHECK(rows.find(cell("db")) == rows.rfind(cell("db")));
    CHECK(has(admin.ask("explain route db select f()"), cell("primary")));
    CHECK(has(admin.taken(), cell("none")));

    catalog.publish({catalog.epoch(), router::Catalog::build({}), pool::Clock::now()});
    CHECK(has(admin.ask("show catalog"), cell("db") + cell("1") + cell("1")));
    CHECK(has(admin.taken(), cell("0") + cell("0") + cell("current")));
    CHECK(has(admin.ask("explain route db select 1"), cell("only reads") + cell("")));
    CHECK(has(admin.taken(), cell("current")));
    CHECK(has(admin.ask("explain route db select f()"), cell("primary")));
    CHECK(has(admin.taken(), cell("f") + cell("current")));
    CHECK(has(admin.ask("explain route db /*+ route=primary */ select 1"), cell("primary")));
    // All of the text is SQL.
    CHECK(has(admin.ask("explain route db select ')'; delete from t"), cell("writes")));

    catalog.outdate();
    CHECK(has(admin.ask("show catalog"), cell("db") + cell("2") + cell("1")));
    CHECK(has(admin.taken(), cell("outdated")));
    CHECK(has(admin.ask("explain route db select f()"), cell("outdated")));
    // A database that nobody has used has no catalog.
    CHECK(has(admin.ask("explain route other select f()"), cell("none")));
    CHECK(has(admin.ask("explain route nowhere select 1"), "no such database: nowhere"));
}

TEST_CASE("console: PAUSE waits; whatever ends it, nobody hangs") {
    ConsoleBench bench;
    Client admin(bench, "admin");
    Client second(bench, "admin");
    for (const std::string& target : {std::string(), std::string(" db")}) {
        CAPTURE(target);
        const auto paused = [&] {
            return target.empty() ? bench.server.paused_all()
                                  : bench.server.pools().is_paused("db");
        };
        bench.hold("db");

        // Its own end.
        admin.send("PAUSE" + target);
        const auto answered = [&] {
            return !admin.taken().empty();
        };
        CHECK_FALSE(bench.run_until(answered, std::chrono::seconds(1)));
        // PAUSE of one database can be waited for by many, that of all by one.
        second.send("PAUSE" + target);
        if (target.empty()) {
            REQUIRE(second.read_until_ready());
            CHECK(has(second.taken(), "already suspended/paused"));
            CHECK(has(second.ask("PAUSE db"), "already suspended/paused"));
            CHECK(has(second.ask("KILL db"), "already suspended/paused"));
            CHECK(has(second.ask("RESUME db"), "database db is not paused"));
        } else {
            // Who came second gives up: it stays paused for the first.
            // (What comes before his PAUSE has no effect.)
            CHECK(bench.run_until([&] {
                REQUIRE(bench.console.cancel(second.key()));
                return !second.taken().empty();
            }));
            CHECK(second.read_until_ready());
            CHECK(has(second.taken(), "C57014"));
            CHECK(paused());
        }
        bench.let_go();
        CHECK(admin.read_until_ready());
        CHECK(has(admin.taken(), "PAUSE"));
        CHECK(paused());
        CHECK(has(second.ask("RESUME" + target), "RESUME"));

        // RESUME (PgBouncer #715).
        bench.hold("db");
        admin.send("PAUSE" + target);
        REQUIRE(bench.run_until(paused));
        CHECK(has(second.ask("RESUME" + target), "RESUME"));
        CHECK(admin.read_until_ready());
        CHECK(has(admin.taken(), "C57014"));
        CHECK_FALSE(paused());

        // Ctrl-C, with the right key only.
        admin.send("PAUSE" + target);
        REQUIRE(bench.run_until(paused));
        auto wrong = admin.key();
        wrong.secret[0] = static_cast<char>(wrong.secret[0] ^ 1);
        CHECK_FALSE(bench.console.cancel(wrong));
        CHECK(bench.console.cancel(second.key()));
        CHECK(paused());
        CHECK(bench.console.cancel(admin.key()));
        CHECK(admin.read_until_ready());
        CHECK(has(admin.taken(), "canceling statement due to user request"));
        CHECK_FALSE(paused());

        // The client goes.
        {
            Client third(bench, "admin");
            third.send("PAUSE" + target);
            REQUIRE(bench.run_until(paused));
        }
        CHECK(bench.run_until([&] { return !paused(); }));
        bench.let_go();
    }
    CHECK(bench.console.clients() == 2);
}

TEST_CASE("console: PAUSE of one and PAUSE of all are independent, and bind pools to come") {
    ConsoleBench bench;
    Client admin(bench, "admin");
    const auto lends = [&](const std::string& database) {
        return !bench.server.pools().entry(database, "alice")->pool.paused();
    };
    CHECK(lends("db"));
    CHECK(has(admin.ask("PAUSE db; PAUSE"), "PAUSE"));
    CHECK_FALSE(lends("db"));
    CHECK_FALSE(lends("other"));
    CHECK(has(admin.ask("SHOW STATE"), "paused\0\0\0\3yes"s));
    CHECK(has(admin.ask("RESUME"), "RESUME"));
    CHECK_FALSE(lends("db"));
    CHECK(lends("other"));
    CHECK(has(admin.ask("SHOW STATE"), "paused\0\0\0\2no"s));
    CHECK(has(admin.ask("RESUME"), "pooler is not paused/suspended"));
    CHECK(has(admin.ask("PAUSE; RESUME db"), "RESUME"));
    CHECK_FALSE(lends("db"));
    CHECK(has(admin.ask("RESUME"), "RESUME"));
    CHECK(lends("db"));
    // KILL of all leaves each database with pools paused by itself, as PgBouncer does.
    CHECK(has(admin.ask("KILL"), "KILL"));
    CHECK_FALSE(lends("db"));
    CHECK_FALSE(lends("other"));
    CHECK(has(admin.ask("RESUME"), "pooler is not paused/suspended"));
    CHECK(has(admin.ask("RESUME db; RESUME other"), "RESUME"));
    CHECK(lends("db"));
    CHECK(lends("other"));
}

TEST_CASE("console: clients leave and are told to leave") {
    ConsoleBench bench;
    Client admin(bench, "admin");
    {
        Client other(bench, "admin");
        CHECK(bench.console.clients() == 2);
    }
    CHECK(bench.run_until([&] { return bench.console.clients() == 1; }));

    Client victim(bench, "watcher");
    // Ids of the console's clients count down from the largest int4.
    CHECK(has(admin.ask("KILL_CLIENT 2147483645"), "KILL_CLIENT"));
    CHECK(victim.at_end());
    CHECK(has(victim.taken(), "admin forced disconnect"));
    CHECK(bench.run_until([&] { return bench.console.clients() == 1; }));

    bench.console.stop(bye);
    CHECK(admin.at_end());
    CHECK(has(admin.taken(), "SFATAL"));
    CHECK(has(admin.taken(), "bye"));
    CHECK(bench.run_until([&] { return bench.console.clients() == 0; }));
}

TEST_CASE("console: a client who reads nothing costs little and goes when he is told") {
    ConsoleBench bench;
    Client lazy(bench, "admin");
    std::string many;
    for (int i = 0; i < 2000; ++i)
        many += "show config;";
    lazy.send(many);
    for (int i = 0; i < 50; ++i) {
        bench.server.io().restart();
        bench.server.io().poll();
    }
    Client other(bench, "admin");
    CHECK(has(other.ask("show version"), "PgBouncer"));
    SUBCASE("he reads at last") {
        CHECK(lazy.read_until_ready());
        std::size_t results = 0;
        const auto& bytes = lazy.taken();
        const std::string tag("C\0\0\0\x09SHOW\0", 10);
        for (auto at = bytes.find(tag); at != std::string::npos; at = bytes.find(tag, at + 1)) {
            ++results;
        }
        CHECK(results == 2000);
    }
    SUBCASE("he is told to go") {
        lazy.close();
        CHECK(bench.run_until([&] { return bench.console.clients() == 1; }));
    }
}
