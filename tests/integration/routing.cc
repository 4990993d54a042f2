// A database with a primary and replicas: what runs where, reading one's own writes, and going on
// when the roles change. Real PostgreSQL with real streaming replicas.
#include "tests/integration/routed.h"
#include "tests/support/janitor.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

using namespace weir::test;
using namespace std::chrono_literals;

namespace {

std::string file_text(const std::string& name) {
    std::ifstream file{std::string(WEIR_ROUTING_CORPUS) + "/" + name};
    REQUIRE(file.good());
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::vector<std::string> split(std::string_view text, std::string_view separator) {
    std::vector<std::string> parts;
    for (;;) {
        const auto end = text.find(separator);
        parts.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + separator.size());
    }
}

// A row of corpus.tsv.
struct CorpusRow {
    std::string id, setup, sql, route, also_ok;

    // A replica is no right place for what may run anywhere but here; "pin" is a primary's.
    bool allows(const std::string& place) const {
        const auto words = split(also_ok, ",");
        const auto is_told = [&](const std::string& word) {
            return route == word || std::find(words.begin(), words.end(), word) != words.end();
        };
        return is_told(place) || is_told("any") || (place == "primary" && is_told("pin"));
    }
};

// COPY's text format.
std::string unescaped(std::string_view field) {
    std::string text;
    for (std::size_t i = 0; i < field.size(); ++i) {
        const bool escape = field[i] == '\\' && i + 1 < field.size();
        const char c = escape ? field[++i] : field[i];
        text += escape && c == 'n' ? '\n' : escape && c == 't' ? '\t' : c;
    }
    return text;
}

std::vector<CorpusRow> corpus() {
    std::vector<CorpusRow> rows;
    for (const auto& line : split(file_text("corpus.tsv"), "\n")) {
        const auto fields = split(line, "\t");
        if (fields.size() < 6 || fields[0] == "id" || fields[1] == "[pipeline]") continue;
        rows.push_back({fields[0], unescaped(fields[1]), unescaped(fields[2]), fields[3], fields[4]}
        );
    }
    return rows;
}

std::string mark_of(const CorpusRow& row, bool extended) {
    return "/* row " + row.id + (extended ? " extended */" : " simple */");
}

// In a session of its own; errors are the server's and do not matter here.
void run_row(const Routed& world, const CorpusRow& row, bool extended) {
    Pg pg = world.connect();
    const bool with_value = row.setup == "[ext:5]";
    if (with_value && !extended) return;
    if (!row.setup.empty() && !with_value) {
        for (const auto& text : split(row.setup, " ;; "))
            static_cast<void>(pg.try_exec(text));
    }
    const auto text = row.sql + "\n" + mark_of(row, extended);
    if (extended) {
        static_cast<void>(pg.try_exec(text, with_value ? Parameters{"5"} : Parameters{}));
    } else {
        static_cast<void>(pg.try_exec(text));
    }
}

bool refuses(const Replica& replica, const std::string& database) {
    Pg direct{
        "host=127.0.0.1 port=" + std::to_string(replica.port()) + " user=" + role_trust +
        " dbname=" + database};
    return direct.try_exec("select a from t").sqlstate() == "0A000";
}

bool has_rows(const Replica& replica, const std::string& database) {
    Pg direct{
        "host=127.0.0.1 port=" + std::to_string(replica.port()) + " user=" + role_trust +
        " dbname=" + database};
    return direct.try_exec("select n from counters").rows() == 8;
}

}  // namespace

TEST_CASE(
    "routing: reads go to replicas, all else to the primary, and settings go along" * ours_only()
) {
    const Routed world;
    Pg pg = world.connect();
    CHECK(pg.parameter_status("in_hot_standby") == "off");
    pg.exec("create table t (a int)");
    CHECK(contains(route(pg), "role=primary reason=\"writes"));
    pg.exec("insert into t values (1)");
    // It reads what it has written, wherever.
    CHECK(pg.value("select count(*) from t") == "1");
    wait_until("the replicas have it", [&] {
        pg.exec("select a from t");
        return Routed::ran_on_replica(pg);
    });
    CHECK(contains(route(pg), "reason=\"only reads"));
    // All of it on one server: what the settings are there, too.
    pg.exec("set datestyle = 'German'");
    pg.exec("set application_name = 'routed'");
    int replicas = 0;
    for (int i = 0; i < 10; ++i) {
        CHECK(pg.value("select date '2026-11-22' from t") == "22.11.2026");
        replicas += Routed::ran_on_replica(pg);
    }
    CHECK(replicas > 0);
    for (const char* text :
         {"select a from t for update",
          "select nextval('s')",
          "select txid_current()",
          "explain analyze insert into t values (2)",
          "with w as (insert into t values (3) returning a) select * from w",
          "select pg_is_in_recovery()",
          "show transaction_read_only",
          "select * from unknown_table",
          "begin; select 1; commit",
          "select 'x'::regclass"}) {
        CAPTURE(text);
        static_cast<void>(pg.try_exec(text));
        CHECK(contains(route(pg), "role=primary"));
    }
    CHECK(pg.value("select pg_is_in_recovery()") == "f");
    // By the extended protocol, prepared or not.
    wait_until("what it has written is there", [&] {
        pg.exec("select a from t");
        return Routed::ran_on_replica(pg);
    });
    pg.prepare("p", "select a from t where a = $1");
    CHECK(pg.exec_prepared("p", {"1"}).rows() == 1);
    CHECK(Routed::ran_on_replica(pg));
    CHECK(pg.exec("select a from t where a = $1", {"1"}).rows() == 1);
    CHECK(Routed::ran_on_replica(pg));
    pg.exec("insert into t values ($1)", {"9"});
    CHECK(contains(route(pg), "role=primary"));
    // Asked for the primary. (A server that has advanced a sequence may be kept for a moment.)
    std::this_thread::sleep_for(50ms);
    pg.exec("/* pgweir: primary */ select a from t");
    const auto asked = route(pg);
    CAPTURE(asked);
    CHECK(contains(asked, "role=primary reason=\"hint"));
    pg.exec("set pgweir.route = 'primary'");
    pg.exec("select a from t");
    CHECK(contains(route(pg), "role=primary"));
    CHECK(pg.value("show pgweir.route") == "primary");
}

TEST_CASE("routing: the sample corpus, by the log of the server that ran it" * ours_only()) {
    const Section section{{"consistency", "none"}};
    Routed world(section);
    Pg direct = world.database.connect();
    REQUIRE(direct.try_exec(file_text("schema.sql")).good());
    direct.exec(
        "grant usage on schema s2 to public; grant all on all tables in schema public, s2 to "
        "public; "
        "grant all on all sequences in schema public, s2 to public"
    );
    for (Pg* server : {&world.cluster.admin(), &world.one.admin(), &world.two.admin()}) {
        server->exec("alter system set log_statement = 'all'");
        server->exec("select pg_reload_conf()");
    }
    Pg looks = world.connect();
    wait_until("the catalog knows it", [&] {
        static_cast<void>(looks.try_exec("select * from t2"));
        return Routed::ran_on_replica(looks);
    });
    auto rows = corpus();
    // What it makes and drops is not there for what reads.
    std::stable_partition(rows.begin(), rows.end(), [](const CorpusRow& row) {
        return row.route == "replica";
    });
    for (const bool extended : {false, true}) {
        for (const auto& row : rows)
            run_row(world, row, extended);
        const auto primary = world.cluster.log();
        const auto replicas = world.one.log() + world.two.log();
        int total = 0, unsafe = 0, missed = 0;
        for (const auto& row : rows) {
            const auto mark = mark_of(row, extended);
            const bool on_primary = contains(primary, mark);
            const bool on_replica = contains(replicas, mark);
            if (!on_primary && !on_replica) continue;  // answered by the pooler
            ++total;
            CAPTURE(row.id);
            CAPTURE(row.sql);
            // One that was refused there has run on the primary after that.
            const bool ran_on_replica = on_replica && !on_primary;
            CHECK_FALSE((ran_on_replica && !row.allows("replica")));
            unsafe += ran_on_replica && !row.allows("replica");
            missed += !ran_on_replica && !row.allows("primary");
            if (!ran_on_replica && !row.allows("primary"))
                MESSAGE("missed: " << row.id << ' ' << row.sql);
        }
        MESSAGE(total << " rows, " << unsafe << " unsafe, " << missed << " missed");
        CHECK(total > 100);
        CHECK(missed * 100 <= total * 3);
    }
}

TEST_CASE("routing: transactions stay where they began" * ours_only()) {
    const Routed world;
    Pg pg = world.connect();
    pg.exec("create table t (a int)");
    pg.exec("insert into t values (1)");
    wait_until("the replicas have it", [&] {
        pg.exec("select a from t");
        return Routed::ran_on_replica(pg);
    });
    pg.exec("begin read only");
    const auto where = Routed::port(pg);
    CHECK(where != std::to_string(world.cluster.port()));
    for (int i = 0; i < 5; ++i)
        CHECK(Routed::port(pg) == where);
    CHECK(pg.try_exec("insert into t values (2)").sqlstate() == "25006");
    pg.exec("rollback");
    // A lock that would be on the wrong server.
    pg.exec("begin read only");
    pg.exec("select a from t");
    CHECK(pg.try_exec("select pg_advisory_lock(1)").sqlstate() == "25006");
    CHECK(pg.try_exec("select 1").sqlstate() == "25P02");
    pg.exec("rollback");
    pg.exec("begin read only");
    pg.exec("select a from t");
    pg.exec("select pg_advisory_lock(1)");
    CHECK(Routed::port(pg) == std::to_string(world.cluster.port()));
    pg.exec("commit");
    CHECK(pg.value("select pg_advisory_unlock(1)") == "t");
    // What a chain begins on a replica may write after all, as long as nothing has run in it.
    Pg chain = world.connect();
    chain.exec("begin read only");
    chain.exec("select a from t");
    CHECK(Routed::ran_on_replica(chain));
    chain.exec("commit and chain");
    CHECK(chain.transaction_status() == 'T');
    chain.exec("set transaction read write");
    chain.exec("insert into t values (3)");
    chain.exec("commit");
    CHECK(chain.value("/* pgweir: primary */ select count(*) from t where a = 3") == "1");
    // BEGIN by the extended protocol is deferred, too.
    chain.exec("begin read only", Parameters{});
    CHECK(chain.transaction_status() == 'T');
    wait_until("it reads on a replica", [&] {
        chain.exec("select a from t", Parameters{});
        const bool there = Routed::ran_on_replica(chain);
        chain.exec(there ? "commit" : "rollback", Parameters{});
        if (!there) chain.exec("begin read only", Parameters{});
        return there;
    });
    CHECK(chain.transaction_status() == 'I');
    // What a driver runs behind Flush, when it has had it described.
    for (int i = 0; i < 3; ++i) {
        const auto name = "flushed" + std::to_string(i);
        PGconn* const raw = chain.raw();
        REQUIRE(PQenterPipelineMode(raw) == 1);
        PQsendPrepare(raw, name.c_str(), "select a from t where a = 1", 0, nullptr);
        PQsendDescribePrepared(raw, name.c_str());
        PQsendFlushRequest(raw);
        PQflush(raw);
        for (int answers = 0; answers < 4; ++answers)
            PQclear(PQgetResult(raw));
        PQsendQueryPrepared(raw, name.c_str(), 0, nullptr, nullptr, nullptr, 0);
        PQpipelineSync(raw);
        const Result rows{PQgetResult(raw)};
        CHECK(rows.rows() == 1);
        PQclear(PQgetResult(raw));
        PQclear(PQgetResult(raw));
        REQUIRE(PQexitPipelineMode(raw) == 1);
        CHECK(Routed::ran_on_replica(chain));
    }
    // Serializable is no standby's.
    Pg other = world.connect();
    other.exec("begin isolation level serializable read only");
    CHECK(Routed::port(other) == std::to_string(world.cluster.port()));
    other.exec("commit");
    other.exec("begin");
    CHECK(Routed::port(other) == std::to_string(world.cluster.port()));
    other.exec("commit");
}

TEST_CASE("routing: what a replica refuses runs on the primary, unseen" * ours_only()) {
    Routed world;
    Pg pg = world.connect();
    pg.exec("create table t (a int)");
    pg.exec("insert into t values (1)");
    wait_until("the replicas have it", [&] {
        pg.exec("select a from t");
        return Routed::ran_on_replica(pg);
    });
    // What a direct connection does is not seen.
    Pg direct = world.database.connect();
    direct.exec("alter table t set unlogged");
    for (Replica* replica : {&world.one, &world.two})
        wait_until("the replica has it, too", [&] {
            return refuses(*replica, world.database.name());
        });
    CHECK(pg.value("select a from t") == "1");
    CHECK(contains(route(pg), "role=primary"));
    CHECK(contains(route(pg), "retried="));
    CHECK(pg.value("select a from t") == "1");
    CHECK_FALSE(contains(route(pg), "retried="));
    pg.prepare("p", "select a, $1::int from t");
    CHECK(pg.exec_prepared("p", {"1"}).value() == "1");
    CHECK(pg.exec("select a + $1::int from t", {"1"}).value() == "2");
    Pg other = world.connect();
    wait_until("it is on a replica", [&] {
        other.exec("select 1");
        return Routed::ran_on_replica(other);
    });
    other.exec("begin read only");
    CHECK(other.value("select a + 0 from t") == "1");
    CHECK(other.value("select a + 0 from t") == "1");
    other.exec("commit");
    CHECK(pg.value("select 1") == "1");

    // A parameter of a type, by its OID, that no replica has yet.
    Pg reader = world.connect();
    reader.exec("set pgweir.consistency = 'none'");
    for (Replica* replica : {&world.one, &world.two})
        replica->admin().exec("select pg_wal_replay_pause()");
    pg.exec("create domain counted as int");
    const auto oid_of = [&](const std::string& type) {
        return static_cast<Oid>(std::stoul(direct.value("select '" + type + "'::regtype::oid")));
    };
    const auto shows = [&](const char* sql, Oid type) {
        const char* const value = "7";
        const Result result{PQexecParams(reader.raw(), sql, 1, &type, &value, nullptr, nullptr, 0)};
        return result.good() ? result.value() : result.error();
    };
    CHECK(shows("select $1", oid_of("counted")) == "7");
    CHECK(contains(route(reader), "role=primary reason=\"unknown type"));
    wait_until("the catalog knows it, and no replica does", [&] {
        CHECK(pg.value("/* pgweir: primary */ select 7::counted") == "7");
        CHECK(shows("select $1", oid_of("counted")) == "7");
        CHECK(contains(route(reader), "role=primary"));
        return contains(route(reader), "retried=\"perhaps not replayed yet\"");
    });
    for (Replica* replica : {&world.one, &world.two})
        replica->admin().exec("select pg_wal_replay_resume()");
    // What is not known goes to the primary, until the catalog has been read.
    wait_until("it is known", [&] {
        CHECK(shows("select $1", oid_of("counted")) == "7");
        return Routed::ran_on_replica(reader);
    });
    // ... but not one whose checks may do anything.
    pg.exec("create function checked(int) returns bool volatile language sql as 'select true'");
    pg.exec("create domain watched as int check (checked(value))");
    wait_until("it is known", [&] {
        CHECK(shows("select $1", oid_of("watched")) == "7");
        CHECK(contains(route(reader), "role=primary"));
        return contains(route(reader), "reason=\"volatile type");
    });
}

TEST_CASE("routing: hints, EXPLAIN ROUTE and SHOW by both protocols" * ours_only()) {
    Routed world;
    Pg pg = world.connect();
    pg.exec("create table t (a int)");
    pg.exec("create function f() returns int language sql as 'insert into t values (1) returning a'"
    );
    wait_until("the replicas have it", [&] {
        pg.exec("select a from t");
        return Routed::ran_on_replica(pg);
    });
    for (const int port : {world.one.port(), world.two.port(), world.cluster.port()}) {
        const auto address = Routed::address(port);
        CAPTURE(address);
        wait_until("it has what the session has written", [&] {
            pg.exec("/* pgweir: host=" + address + " */ select a from t");
            return contains(route(pg), address + " ");
        });
        pg.exec("/* pgweir: host=" + address + " */ select a from t");
        CHECK(contains(route(pg), address + " "));
    }
    // No hint moves a write.
    pg.exec(
        "/* pgweir: replica host=" + Routed::address(world.one.port()) +
        " */ insert into t values (2)"
    );
    CHECK(contains(route(pg), "role=primary reason=\"writes"));
    pg.exec("/* pgweir: consistency=strict */ select a from t");
    // The extended protocol: unnamed, and prepared once for several transactions.
    CHECK(contains(pg.exec("show pgweir.last_route", Parameters{}).value(), "reason="));
    pg.prepare("own", "SHOW pgweir.last_route;");
    pg.exec("insert into t values (3)");
    CHECK(contains(pg.exec_prepared("own", {}).value(), "reason=\"writes"));
    CHECK(contains(pg.exec_prepared("own", {}).value(), "reason=\"writes"));
    CHECK(pg.exec("show pgweir.route", Parameters{}).value() == "auto");
    CHECK(contains(pg.exec("show pgweir.lsn_token", Parameters{}).value(), "/"));
    pg.exec("begin");
    CHECK(contains(pg.exec_prepared("own", {}).value(), "reason="));
    pg.exec("commit");
    // Its unnamed statement is forgotten for the next.
    CHECK(pg.exec("select 7", Parameters{}).value() == "7");
    pg.exec("deallocate own");
    pg.prepare("own", "select 8");
    CHECK(pg.exec_prepared("own", {}).value() == "8");
    const auto explained = [&](const Result& result) {
        std::string text;
        for (int i = 0; i < result.rows(); ++i)
            text += result.value(i) + "\n";
        return text;
    };
    for (const auto& text :
         {explained(pg.exec("explain route select f(), lower('A') from t")),
          explained(pg.exec("EXPLAIN ROUTE select f(), lower('A') from t", Parameters{}))}) {
        CAPTURE(text);
        CHECK(contains(text, "Target: primary\n"));
        CHECK(contains(text, "Decided by: f\n"));
        CHECK(contains(text, "t (only reads)"));
        CHECK(contains(text, "f (volatile function)"));
        CHECK(contains(text, "lower (not volatile, only reads)"));
        CHECK(contains(text, "Host: " + Routed::address(world.cluster.port())));
    }
    CHECK(pg.value("select count(*) from t") == "2");
}

TEST_CASE("routing: a slow SELECT is explained where it ran" * ours_only()) {
    const Routed world;
    Pg pg = world.connect();
    pg.exec("create table t (a int)");
    pg.exec("insert into t select generate_series(1, 1500)");
    Pg console = world.proxy.console();
    console.exec("SET log_min_duration = '30ms'");
    const std::string plans = "select count(*) from slow where plan like '%Seq Scan on t two%'";
    const auto run = [&] {
        pg.exec("select count(*) from t one, t two");
        return Routed::ran_on_replica(pg);
    };
    wait_until("it runs on a replica", run);
    CHECK(console.value(plans) == "0");
    console.exec("SET slow_explain_interval = '1h'");
    wait_until("there is a plan", [&] {
        run();
        return console.value(plans) == "1";
    });
    // One in an hour.
    run();
    CHECK(console.value(plans) == "1");
    const auto slow = console.value("select fingerprint from slow where plan <> ''");
    const auto query = console.exec("SHOW QUERY " + slow);
    bool shown = false;
    for (int row = 0; row < query.rows(); ++row)
        shown |= contains(query.value(row, 0), "plan of a slow one");
    CHECK(shown);
}

TEST_CASE(
    "routing: SET TRANSACTION before the first statement is part of its BEGIN" * ours_only()
) {
    const Routed world;
    Pg pg = world.connect();
    pg.exec("create table t (a int)");
    wait_until("the replicas have it", [&] {
        pg.exec("select a from t");
        return Routed::ran_on_replica(pg);
    });
    pg.exec("begin");
    pg.exec("set transaction read only");
    pg.exec("select a from t");
    CHECK(Routed::ran_on_replica(pg));
    pg.exec("commit");
    for (const char* mode : {"read write", "isolation level serializable"}) {
        CAPTURE(mode);
        pg.exec("begin read only");
        pg.exec(std::string("set transaction ") + mode);
        pg.exec("select a from t");
        CHECK_FALSE(Routed::ran_on_replica(pg));
        pg.exec("commit");
    }
    // What only a standby refuses: the next such transaction is elsewhere.
    pg.exec("create unlogged table ul (a int)");
    wait_until("it reads on a replica", [&] {
        pg.exec("select a from t");
        return Routed::ran_on_replica(pg);
    });
    const auto read_both = [&] {
        pg.exec("begin read only");
        pg.exec("select a from t");
        const auto state = pg.try_exec("select a from ul").sqlstate();
        pg.exec("rollback");
        return state;
    };
    CHECK(read_both() == "0A000");
    CHECK(read_both() == "");
}

TEST_CASE("routing: a client reads what it has written" * ours_only()) {
    Routed world;
    Pg setup = world.connect();
    setup.exec("create table counters (id int primary key, n int)");
    setup.exec("insert into counters select i, 0 from generate_series(1, 8) i");
    std::atomic<int> stale{0}, reads{0}, on_replicas{0};
    const auto told = [&] {
        return std::to_string(reads) + " reads, " + std::to_string(on_replicas) + " on replicas, " +
               std::to_string(stale) + " stale";
    };
    std::mutex mutex;
    std::string failure;
    const auto write_and_read = [&](int id, const std::string& consistency, auto until) {
        Pg pg = world.connect();
        if (!consistency.empty()) pg.exec("set pgweir.consistency = '" + consistency + "'");
        const auto where = " where id = " + std::to_string(id);
        const auto first = pg.value("/* pgweir: primary */ select n from counters" + where);
        for (int n = std::stoi(first) + 1; std::chrono::steady_clock::now() < until; ++n) {
            pg.exec("update counters set n = " + std::to_string(n) + where);
            for (int i = 0; i < 3; ++i) {
                stale += pg.value("select n from counters" + where) != std::to_string(n);
                ++reads;
                on_replicas += Routed::ran_on_replica(pg);
            }
        }
    };
    const auto run = [&](const std::string& consistency, std::chrono::seconds time) {
        stale = reads = on_replicas = 0;
        std::vector<std::thread> clients;
        for (int id = 1; id <= 8; ++id) {
            clients.emplace_back([&, id] {
                try {
                    write_and_read(id, consistency, std::chrono::steady_clock::now() + time);
                } catch (const std::exception& error) {
                    const std::lock_guard lock(mutex);
                    failure = error.what();
                }
            });
        }
        for (auto& client : clients)
            client.join();
        CHECK(failure == "");
    };
    for (Replica* replica : {&world.one, &world.two})
        wait_until("it has the rows", [&] { return has_rows(*replica, world.database.name()); });
    // One of them falls behind.
    world.one.admin().exec("select pg_wal_replay_pause()");
    run("", 3s);
    CHECK(stale == 0);
    CHECK(reads > 100);
    MESSAGE("consistency session: " << told());
    run("none", 1s);
    CHECK(stale > 0);
    MESSAGE("consistency none: " << told());
    world.one.admin().exec("select pg_wal_replay_resume()");
}

TEST_CASE(
    "routing: what another client has written, and hosts that are taken out of use" * ours_only()
) {
    Routed world;
    Pg writer = world.connect();
    Pg reader = world.connect();
    writer.exec("create table t (n int)");
    writer.exec("insert into t values (0)");
    wait_until("the replicas have it", [&] {
        reader.exec("select n from t");
        return Routed::ran_on_replica(reader);
    });
    for (Replica* replica : {&world.one, &world.two})
        replica->admin().exec("select pg_wal_replay_pause()");
    for (const char* consistency : {"global", "strict"}) {
        CAPTURE(consistency);
        reader.exec(std::string("set pgweir.consistency = '") + consistency + "'");
        for (int i = 0; i < 20; ++i) {
            writer.exec("update t set n = n + 1");
            CHECK(reader.value("select n from t") == writer.value("select n from t"));
        }
    }
    // Past pgweir, too.
    Pg direct = world.database.connect();
    for (int i = 0; i < 20; ++i) {
        direct.exec("update t set n = n + 1");
        CHECK(reader.value("select n from t") == direct.value("select n from t"));
    }
    // A token says the same to a session that has written nothing.
    Pg other = world.connect();
    writer.exec("update t set n = n + 1");
    other.exec("set pgweir.min_lsn = '" + writer.value("show pgweir.lsn_token") + "'");
    CHECK(other.value("select n from t") == direct.value("select n from t"));
    for (Replica* replica : {&world.one, &world.two})
        replica->admin().exec("select pg_wal_replay_resume()");

    Pg console = world.proxy.console();
    console.exec("DRAIN " + Routed::address(world.one.port()));
    for (int i = 0; i < 20; ++i)
        CHECK(Routed::port(other) != std::to_string(world.one.port()));
    console.exec("FENCE " + Routed::address(world.two.port()));
    for (int i = 0; i < 5; ++i)
        CHECK(Routed::port(other) == std::to_string(world.cluster.port()));
    console.exec("UNDRAIN " + Routed::address(world.one.port()));
    wait_until("it is back", [&] {
        return Routed::port(other) == std::to_string(world.one.port());
    });
}

TEST_CASE(
    "routing: a replica that dies under a read does not take the client with it" * ours_only()
) {
    Routed world;
    Pg pg = world.connect();
    wait_until("it reads on the one that dies", [&] {
        return Routed::port(pg) == std::to_string(world.one.port());
    });
    Pg console = world.proxy.console();
    console.exec("DRAIN " + Routed::address(world.two.port()));
    pg.send("select 'it has slept' from pg_sleep(2)");
    holds_for(
        "it sleeps", [&] { return !pg.answered(); }, std::chrono::milliseconds(500)
    );
    world.one.stop(false);
    CHECK(pg.finish(20s).value() == "it has slept");
    CHECK(contains(route(pg), "role=primary"));
    CHECK(contains(route(pg), "retried="));
}

TEST_CASE("routing: a promotion moves the writes, and open transactions are told" * ours_only()) {
    Routed world;
    Pg pg = world.connect();
    Pg open = world.connect();
    Pg reader = world.connect();
    pg.exec("create table t (a int)");
    pg.exec("insert into t values (1)");
    open.exec("begin");
    open.exec("insert into t values (2)");
    wait_until("a replica has it", [&] {
        return world.one.admin().try_exec("select 1").good() && [&] {
            Pg direct{
                "host=127.0.0.1 port=" + std::to_string(world.one.port()) +
                " user=postgres dbname=" + world.database.name()};
            return direct.try_exec("select a from t").rows() == 1;
        }();
    });
    world.one.promote();
    wait_until("writes go to the new primary", [&] {
        pg.exec("/* pgweir: primary */ select 1");
        return contains(route(pg), Routed::address(world.one.port()) + " role=primary");
    });
    // The old one still runs; nothing is written there any more.
    const auto lost = open.try_exec("insert into t values (3)");
    CHECK(lost.sqlstate() == "57P01");
    CHECK(open.try_exec("select 1").sqlstate() == "25P02");
    open.exec("rollback");
    CHECK(open.exec("insert into t values (4)").good());
    CHECK(
        pg.value("/* pgweir: primary */ select string_agg(a::text, ',' order by a) from t") == "1,4"
    );
    Pg console = world.proxy.console();
    CHECK(reader.value("select count(*) from t") != "");
}
