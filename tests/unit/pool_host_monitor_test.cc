// HostMonitor and its SQL against scripted servers: relatives of PostgreSQL's, refusals, silence.
#include "pool/host_monitor.h"
#include "protocol/message.h"
#include "tests/unit/support/login_bench.h"

#include <doctest/doctest.h>

#include <memory>

using namespace weir;
using namespace weir::test;
using namespace std::chrono_literals;
using pool::HostReason;
using pool::Knowledge;
using pool::MonitorRow;

namespace {

std::string message(char type, const std::string& body) {
    protocol::MessageWriter out;
    out.begin(type).text(body).end();
    return std::string(as_text(out.view()));
}

std::string bytes(std::initializer_list<unsigned char> values) {
    return {values.begin(), values.end()};
}

const std::string ready = message('Z', "I");

std::string row_message(const MonitorRow& row) {
    protocol::MessageWriter out;
    out.begin('D').u16(static_cast<std::uint16_t>(row.size()));
    for (const auto& field : row) {
        out.u32(field ? static_cast<std::uint32_t>(field->size()) : 0xffffffffU);
        if (field) out.text(*field);
    }
    out.end();
    return std::string(as_text(out.view()));
}

std::string answer(const MonitorRow& row) {
    return row_message(row) + message('C', std::string("SELECT 1") + '\0') + ready;
}

std::string error(const std::string& severity, const std::string& code) {
    return message('E', 'V' + severity + '\0' + 'C' + code + '\0' + "Mno" + std::string(2, '\0'));
}

std::string parameter(const std::string& name, const std::string& value) {
    return message('S', name + '\0' + value + '\0');
}

const MonitorRow all_abilities{"t", "t", "t", "t", "t", "t", "t", "t", "t", "t", "16777216"};
const MonitorRow primary_row{
    "f", "0/4000028", "0000000A", {}, {}, {}, {}, "-5", "f", {}, {}, {}, ""};
const MonitorRow replica_row{
    "t", {}, {}, "10", "0/3000", "0/2000", "t", "-5", "t", "0/4000", "10.0.0.1:5432", "one", ""};

// A listening server that the test plays, and the monitor that watches it.
class Watched : public Bench {
public:
    Watched() {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const raw = reinterpret_cast<sockaddr*>(&address);
        listening = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (::bind(listening, raw, size) != 0 || ::listen(listening, 8) != 0 ||
            ::getsockname(listening, raw, &size) != 0) {
            throw std::runtime_error("no listening socket");
        }
        pool::ServerTarget target;
        target.host = "127.0.0.1";
        target.port = ntohs(address.sin_port);
        target.database = "postgres";
        target.user = "watch";
        pool::MonitorOptions options;
        options.interval = 20ms;
        options.check_timeout = 300ms;
        options.login_timeout = 300ms;
        options.retry_abilities = 100ms;
        pool::HostMonitor::Observer observer;
        observer.answered = [this](pool::HostSample sample) {
            samples.push_back(std::move(sample));
        };
        observer.failed = [this](pool::CheckFailure failure) {
            failures.push_back(std::move(failure));
        };
        monitor = std::make_shared<pool::HostMonitor>(io, login, options, observer);
        monitor->configure(target, {});
        monitor->start();
    }

    ~Watched() {
        monitor->stop();
        ::close(listening);
        server.reset();
        run_until([this] { return monitor.use_count() == 1; });
    }

    // The next login, let in without a password.
    void let_in(const std::string& parameters = {}) {
        int fd = -1;
        REQUIRE(run_until([&] {
            fd = ::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            return fd >= 0;
        }));
        server = std::make_unique<Peer>(*this, fd);
        const auto header = server->receive(4);
        std::size_t length = 0;
        for (const char c : header)
            length = length << 8 | static_cast<unsigned char>(c);
        server->receive(length - 4);
        server->send(message('R', bytes({0, 0, 0, 0})) + parameters + ready);
    }

    // The text of the next Query.
    std::string query() {
        const auto text = server->receive_message();
        return text.size() > 6 ? text.substr(5, text.size() - 6) : text;
    }

    bool sampled(std::size_t count) {
        return run_until([&] { return samples.size() >= count; });
    }

    bool failed(std::size_t count) {
        return run_until([&] { return failures.size() >= count; });
    }

    pool::ServerLogin login{threads};
    int listening = -1;
    std::unique_ptr<Peer> server;
    std::vector<pool::HostSample> samples;
    std::vector<pool::CheckFailure> failures;
    std::shared_ptr<pool::HostMonitor> monitor;
};

}  // namespace

TEST_CASE("Monitor SQL: only what the server has is in the statement") {
    pool::MonitorAbilities none;
    CHECK(none.knowledge() == Knowledge::none);
    CHECK(pool::check_statement(none, false) == "SELECT 1");
    const auto all = pool::read_abilities(all_abilities);
    REQUIRE(all);
    CHECK(all->knowledge() == Knowledge::positions);
    const auto whole = pool::check_statement(*all, false);
    CHECK(whole.find("pg_stat_wal_receiver") != std::string::npos);
    CHECK(whole.find("pg_stat_replication") != std::string::npos);
    const auto brief = pool::check_statement(*all, true);
    CHECK(brief.find("pg_current_wal_insert_lsn") != std::string::npos);
    CHECK(brief.find("pg_stat") == std::string::npos);
    MonitorRow aurora = all_abilities;
    aurora[1] = std::nullopt;
    const auto less = pool::read_abilities(aurora);
    CHECK(less->knowledge() == Knowledge::role);
    CHECK(pool::check_statement(*less, false).find("insert_lsn") == std::string::npos);
    CHECK_FALSE(pool::read_abilities({"t"}));
    // A size that no server has is not believed.
    MonitorRow odd = all_abilities;
    odd.back() = "12345";
    CHECK(pool::read_abilities(odd)->wal_segment_size == pool::default_wal_segment_size);
}

TEST_CASE("Monitor SQL: a primary's and a replica's row") {
    const auto able = *pool::read_abilities(all_abilities);
    MonitorRow row = primary_row;
    row.back() =
        "one\x1f"
        "10.0.0.2\x1fstreaming\x1fsync\x1f"
        "0/2000\x1e\x1f\x1f\x1f\x1f";
    const auto primary = pool::read_check(row, able, false);
    REQUIRE(primary);
    CHECK(primary->in_recovery == false);
    CHECK(primary->insert_lsn == pool::Lsn{0x4000028});
    CHECK(primary->timeline == 10);
    CHECK(primary->system_identifier == static_cast<std::uint64_t>(-5));
    REQUIRE(primary->downstreams);
    REQUIRE(primary->downstreams->size() == 2);
    CHECK(
        (primary->downstreams->at(0) ==
         pool::Downstream{"one", "10.0.0.2", true, pool::SyncState::sync, pool::Lsn{0x2000}})
    );
    CHECK(primary->downstreams->at(1) == pool::Downstream{});
    const auto replica = pool::read_check(replica_row, able, false);
    REQUIRE(replica);
    CHECK(replica->in_recovery == true);
    CHECK(replica->timeline == 10);
    CHECK(replica->receive_lsn == pool::Lsn{0x3000});
    CHECK(replica->replay_lsn == pool::Lsn{0x2000});
    CHECK(replica->upstream_end == pool::Lsn{0x4000});
    CHECK(replica->replay_paused);
    CHECK(replica->receiving == true);
    CHECK(replica->upstream == "10.0.0.1:5432");
    CHECK(replica->name_upstream == "one");
    CHECK_FALSE(pool::read_check({"t"}, able, false));
}

TEST_CASE("HostMonitor: learns, checks, and tells samples with the time they were started at") {
    Watched watched;
    watched.let_in();
    CHECK(watched.query() == pool::ability_statement());
    watched.server->send(answer(all_abilities));
    CHECK(watched.query().find("pg_stat_replication") != std::string::npos);
    const auto asked = pool::Clock::now();
    watched.run_until([] { return false; }, 30ms);
    watched.server->send(answer(primary_row));
    REQUIRE(watched.sampled(1));
    CHECK(watched.samples[0].started <= asked);
    CHECK(watched.samples[0].answered - watched.samples[0].started >= 30ms);
    CHECK(watched.samples[0].knowledge == Knowledge::positions);
    // check_now while one is under way: the next starts at once, and after it.
    watched.query();
    watched.monitor->check_now();
    const auto wanted = pool::Clock::now();
    watched.server->send(answer(primary_row));
    watched.query();
    watched.server->send(answer(primary_row));
    REQUIRE(watched.sampled(3));
    CHECK(watched.samples[1].started < wanted);
    CHECK(watched.samples[2].started >= wanted);
    CHECK(watched.failures.empty());
}

TEST_CASE("HostMonitor: a short interval has brief checks between the full ones") {
    Watched watched;
    watched.let_in();
    watched.query();
    watched.server->send(answer(all_abilities));
    watched.monitor->set_interval(1ms);
    unsigned brief = 0;
    unsigned full = 0;
    for (int i = 0; i < 40; ++i) {
        (watched.query().find("pg_stat") == std::string::npos ? brief : full) += 1;
        watched.server->send(answer(primary_row));
    }
    CHECK(brief > 0);
    CHECK(full > 0);
}

TEST_CASE("HostMonitor: the end of an idle connection is seen at once, with its reason") {
    Watched watched;
    watched.let_in();
    watched.query();
    watched.server->send(answer(all_abilities));
    watched.monitor->set_interval(10s);
    watched.query();
    watched.server->send(answer(primary_row));
    REQUIRE(watched.sampled(1));
    watched.server->send(error("FATAL", "57P01"));
    watched.server->close();
    REQUIRE(watched.failures.empty());
    REQUIRE(watched.failed(1));
    CHECK(watched.failures[0].reason == HostReason::connection_lost);
    CHECK(watched.failures[0].detail == "no");
    // And it is back at once.
    watched.let_in();
    CHECK(watched.query() == pool::ability_statement());
}

TEST_CASE("HostMonitor: silence is a timeout, then another login") {
    Watched watched;
    watched.let_in();
    watched.query();
    watched.server->send(answer(all_abilities));
    watched.query();
    REQUIRE(watched.failed(1));
    CHECK(watched.failures[0].reason == HostReason::check_timeout);
    CHECK(watched.samples.empty());
}

TEST_CASE("HostMonitor: an error of one check is told, and the connection goes on") {
    Watched watched;
    watched.let_in();
    watched.query();
    watched.server->send(answer(all_abilities));
    watched.query();
    watched.server->send(error("ERROR", "57014") + ready);
    watched.query();
    watched.server->send(answer(primary_row));
    REQUIRE(watched.sampled(1));
    REQUIRE(watched.failures.size() == 1);
    CHECK(watched.failures[0].reason == HostReason::check_failed);
}

TEST_CASE("HostMonitor: a server that refuses WAL functions when they run (Aurora)") {
    Watched watched;
    watched.let_in();
    watched.query();
    watched.server->send(answer(all_abilities));
    watched.query();
    watched.server->send(error("ERROR", "0A000") + ready);
    const auto less = watched.query();
    CHECK(less.find("pg_is_in_recovery") != std::string::npos);
    CHECK(less.find("insert_lsn") == std::string::npos);
    watched.server->send(answer({"t", {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}));
    REQUIRE(watched.sampled(1));
    CHECK(watched.samples[0].knowledge == Knowledge::role);
    CHECK(watched.samples[0].in_recovery == true);
    // After a while it is asked again what it has.
    bool asked_again = false;
    for (int i = 0; i < 50 && !asked_again; ++i) {
        asked_again = watched.query() == pool::ability_statement();
        if (!asked_again) {
            watched.server->send(answer({"t", {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}));
        }
    }
    CHECK(asked_again);
}

TEST_CASE("HostMonitor: a server that understands none of it still answers, and may tell its role"
) {
    for (const bool tells : {false, true}) {
        CAPTURE(tells);
        Watched watched;
        watched.let_in(tells ? parameter("in_hot_standby", "on") : "");
        watched.query();
        watched.server->send(error("ERROR", "42883") + ready);
        CHECK(watched.query() == "SELECT 1");
        watched.server->send(answer({"1"}));
        REQUIRE(watched.sampled(1));
        CHECK(watched.samples[0].knowledge == (tells ? Knowledge::role : Knowledge::none));
        CHECK(watched.samples[0].in_recovery.has_value() == tells);
        if (!tells) continue;
        // Promoted: it says so before the answer to the next query.
        watched.query();
        watched.server->send(parameter("in_hot_standby", "off") + answer({"1"}));
        REQUIRE(watched.sampled(2));
        CHECK(watched.samples[1].in_recovery == false);
    }
}

TEST_CASE("HostMonitor: nonsense costs the connection, not the monitor") {
    for (const std::string& nonsense :
         {message('D', bytes({0, 1, 0, 0, 0, 9, 1})),
          message('D', bytes({0, 0, 1})),
          bytes({'D', 0, 0, 0, 3}),
          bytes({'D', 0x7f, 0xff, 0xff, 0xff}),
          message('E', "X")}) {
        Watched watched;
        watched.let_in();
        watched.query();
        watched.server->send(answer(all_abilities));
        watched.query();
        watched.server->send(nonsense);
        REQUIRE(watched.failed(1));
        watched.let_in();
        CHECK(watched.query() == pool::ability_statement());
    }
    // A row of another shape.
    Watched watched;
    watched.let_in();
    watched.query();
    watched.server->send(answer({"x"}));
    CHECK(watched.query() == "SELECT 1");
    watched.server->send(answer({"1", "2"}));
    REQUIRE(watched.failed(1));
    CHECK(watched.failures[0].detail == "the answer is not what was asked for");
}
