// Random conversations of several clients on fewer servers, compared with what each client would
// have heard from a PostgreSQL of its own. The PostgreSQL is a small model; the bytes are cut and
// delayed at random.
#include "protocol/field_cursor.h"
#include "protocol/frontend_messages.h"
#include "tests/unit/support/session_script.h"

#include <doctest/doctest.h>

#include <array>
#include <map>
#include <random>

using namespace weir;
using namespace weir::test;

namespace {

// What PostgreSQL does with the few statements of these conversations.
class Postgres {
public:
    // Takes messages, whole or not; returns the replies.
    std::string feed(std::string_view bytes) {
        in_ += bytes;
        out_.clear();
        std::size_t at = 0;
        while (in_.size() - at >= protocol::message_header_size) {
            const auto rest = as_bytes(std::string_view(in_).substr(at));
            const std::size_t whole = std::size_t{protocol::announced_length(rest)} + 1;
            if (rest.size() < whole) break;
            take(protocol::message_at(rest.first(whole)));
            at += whole;
        }
        in_.erase(0, at);
        return out_;
    }

private:
    void take(const protocol::MessageView& message) {
        if (message.type == protocol::frontend::sync) return ready();
        if (skipping_) return;
        protocol::FieldCursor body(message.body);
        switch (message.type) {
            case 'Q': {
                statements_.erase("");
                portals_.erase("");
                run(std::string(body.c_string()), true);
                skipping_ = false;
                return ready();
            }
            case 'P': {
                const std::string name(body.c_string());
                return parse(name, std::string(body.c_string()));
            }
            case 'B': {
                const std::string portal(body.c_string());
                return bind(portal, std::string(body.c_string()));
            }
            case 'D': {
                const bool statement = body.u8() == 'S';
                return describe(statement, std::string(body.c_string()));
            }
            case 'E': {
                const auto portal = portals_.find(std::string(body.c_string()));
                if (portal == portals_.end()) return fail("34000", "portal does not exist");
                return run(portal->second, false);
            }
            case 'C': {
                const bool statement = body.u8() == 'S';
                (statement ? statements_ : portals_).erase(std::string(body.c_string()));
                out_ += be::close_complete();
                return;
            }
            default:
                return;
        }
    }

    void parse(const std::string& name, const std::string& text) {
        // It goes even if the new one is refused.
        if (name.empty()) statements_.erase("");
        if (refused(text)) return;
        if (text == "select broken") return fail("42703", "no such column");
        if (!name.empty() && statements_.contains(name)) return fail("42P05", "already exists");
        statements_[name] = text;
        out_ += be::parse_complete();
    }

    void bind(const std::string& portal, const std::string& name) {
        const auto statement = statements_.find(name);
        if (statement == statements_.end()) {
            return fail(
                "26000",
                name.empty() ? "unnamed prepared statement does not exist"
                             : "prepared statement \"" + name + "\" does not exist"
            );
        }
        if (refused(statement->second)) return;
        portals_[portal] = statement->second;
        out_ += be::bind_complete();
    }

    void describe(bool statement, const std::string& name) {
        const auto& where = statement ? statements_ : portals_;
        const auto found = where.find(name);
        if (found == where.end()) {
            if (!statement) return fail("34000", "portal does not exist");
            return fail(
                "26000",
                name.empty() ? "unnamed prepared statement does not exist"
                             : "prepared statement \"" + name + "\" does not exist"
            );
        }
        if (refused(found->second)) return;
        if (statement) out_ += be::parameter_description();
        out_ += has_rows(found->second) ? be::row_description() : be::no_data();
    }

    static bool has_rows(const std::string& text) {
        return text.starts_with("select") || text.starts_with("show");
    }

    bool refused(const std::string& text) {
        if (status_ != 'E' || text == "commit" || text == "rollback") return false;
        fail("25P02", "current transaction is aborted");
        return true;
    }

    void run(const std::string& text, bool simple) {
        if (refused(text)) return;
        if (text == "select 1/0") return fail("22012", "division by zero");
        if (text == "select broken") return fail("42703", "no such column");
        std::string tag = "SELECT 1";
        if (has_rows(text)) {
            if (simple) out_ += be::row_description();
            const bool shows = text.starts_with("show");
            out_ += be::row(shows ? name_ : text.substr(text.find(' ') + 1));
            if (shows) tag = "SHOW";
        } else if (text == "commit" || text == "rollback") {
            const bool commits = text == "commit" && status_ != 'E';
            tag = commits ? "COMMIT" : "ROLLBACK";
            status_ = 'I';
            end_transaction(commits);
        } else if (text.starts_with("begin") || text.starts_with("BEGIN")) {
            tag = "BEGIN";
            status_ = 'T';
        } else if (text == "deallocate all") {
            tag = "DEALLOCATE ALL";
            statements_.clear();
        } else {
            // Either "set application_name to 'x'", or pgweir's way to say that.
            tag = "SET";
            const auto first = text.find('\'');
            REQUIRE(first != std::string::npos);
            name_ = text.substr(first + 1, text.size() - first - 2);
        }
        out_ += be::complete(tag);
    }

    void fail(std::string_view code, const std::string& text) {
        out_ += be::error(code, text);
        skipping_ = true;
        if (status_ == 'T') status_ = 'E';
        if (status_ == 'I') end_transaction(false);
    }

    void end_transaction(bool commits) {
        (commits ? committed_ : name_) = commits ? name_ : committed_;
        portals_.clear();
    }

    void ready() {
        skipping_ = false;
        if (status_ == 'I') end_transaction(true);
        if (name_ != reported_) out_ += be::parameter_status("application_name", name_);
        reported_ = name_;
        out_ += be::ready(status_);
    }

    std::string in_, out_;
    std::map<std::string, std::string> statements_, portals_;
    std::string name_, committed_, reported_;
    char status_ = 'I';
    bool skipping_ = false;
};

class Author {
public:
    explicit Author(std::mt19937& random) : random_(random) {}

    std::string write(int groups) {
        std::string out;
        for (int i = 0; i < groups; ++i)
            out += one_in(3) ? simple() : one_in(6) ? control() : extended();
        return out + fe::query("rollback");
    }

private:
    bool one_in(std::uint32_t n) { return random_() % n == 0; }

    std::string pick(std::initializer_list<const char*> choices) {
        return *(choices.begin() + random_() % choices.size());
    }

    std::string simple() {
        auto text = pick(
            {"select 1",
             "select 2",
             "select 1/0",
             "select broken",
             "begin",
             "begin",
             "commit",
             "rollback",
             "show application_name",
             "deallocate all"}
        );
        if (text == "begin") in_block_ = true;
        if (text == "commit" || text == "rollback") in_block_ = false;
        // Outside of a block only: there a SET follows its client.
        if (!in_block_ && one_in(4)) {
            return fe::query("rollback") +
                   fe::query("set application_name to '" + pick({"", "a", "b", "c"}) + "'");
        }
        return fe::query(text);
    }

    // A block begun and ended by the extended protocol.
    std::string control() {
        const auto text = pick({"begin", "begin", "commit", "rollback"});
        const auto name = pick({"", "", "b"});
        in_block_ = text == "begin";
        return (name.empty() ? std::string() : fe::close('S', name) + fe::sync()) +
               fe::parse(name, text) + fe::bind("", name) +
               (one_in(2) ? fe::describe('P', "") : std::string()) + fe::execute() + fe::sync();
    }

    std::string extended() {
        std::string out;
        for (auto count = random_() % 6; count > 0; --count) {
            auto name = pick({"", "", "s", "t"});
            switch (random_() % 7) {
                case 0:
                case 1:
                    // A Parse or Close that is skipped takes the unnamed statement with it, other
                    // than in PostgreSQL: Parse comes first, and named ones only are closed.
                    if (!out.empty() && name.empty()) name = "t";
                    out += fe::parse(
                        name,
                        pick(
                            {"select 1",
                             "select 2",
                             "select 3",
                             "select 4",
                             "select 1/0",
                             "select broken",
                             "show application_name"}
                        )
                    );
                    break;
                case 2:
                case 3:
                    // The unnamed portal is used right away: in a block it is also there when
                    // pgweir's BEGIN went ahead, and nobody who forgot to bind is told so.
                    out += fe::bind("", name);
                    if (one_in(3)) out += fe::describe('P', "");
                    out += fe::execute();
                    break;
                case 4:
                    out += fe::describe('S', name);
                    break;
                case 5:
                    if (name.empty()) name = "s";
                    out += one_in(2) ? fe::close('S', name) : fe::bind("p", name);
                    break;
                default:
                    out += one_in(2) ? fe::flush() : fe::describe('P', "p") + fe::execute("p");
                    break;
            }
        }
        return out + fe::sync();
    }

    std::mt19937& random_;
    bool in_block_ = false;
};

// Some lines that are the same, and the first ones that are not.
std::array<std::string, 3> first_difference(const std::string& a, const std::string& b) {
    if (a == b) return {};
    const auto same = static_cast<std::size_t>(
        std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin()
    );
    auto line = same;
    for (int back = 0; line > 0; --line) {
        if (a[line - 1] == '\n' && ++back == 8) break;
    }
    const auto start = same == 0 ? 0 : a.rfind('\n', same - 1) + 1;
    return {a.substr(line, start - line), a.substr(start, 200), b.substr(start, 200)};
}

void converse(std::uint32_t seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    constexpr std::size_t clients = 3;
    ScriptOptions options;
    options.servers = 2;
    options.clients = {{}, {}, {}};
    if (seed % 2 == 0) options.lend_policy = pool::LendPolicy::round_robin;
    // Names are closed on the servers to make room, too.
    if (seed % 3 == 0) options.limits.max_prepared_statements = 2;
    ScriptWorld world(options);
    world.network->set_read_size(
        seed % 5 == 0 ? random() % 30 + 1 : pool::MemoryNetwork::unlimited
    );
    std::vector<std::string> said, heard(clients), expected;
    for (std::size_t i = 0; i < clients; ++i) {
        said.push_back(Author(random).write(25));
        expected.push_back(Postgres().feed(said[i]));
    }
    std::vector<Postgres> servers(2);
    std::vector<std::string> replies(2);
    std::vector<std::size_t> sent(clients);
    for (int quiet = 0; quiet < 50;) {
        bool moved = false;
        const auto client = random() % clients;
        const auto size = std::min<std::size_t>(random() % 120, said[client].size() - sent[client]);
        world.network->send(world.clients[client], said[client].substr(sent[client], size));
        sent[client] += size;
        moved |= size > 0;
        world.settle();
        for (std::size_t i = 0; i < servers.size(); ++i) {
            replies[i] += servers[i].feed(world.network->received(world.servers[i]));
            const auto part = random() % 3 == 0 ? random() % 40 : replies[i].size();
            const auto now = std::min<std::size_t>(part, replies[i].size());
            world.network->send(world.servers[i], replies[i].substr(0, now));
            replies[i].erase(0, now);
            moved |= now > 0;
            world.settle();
        }
        for (std::size_t i = 0; i < clients; ++i) {
            heard[i] += world.network->received(world.clients[i]);
        }
        // One that was closed, because it has refused a message of pgweir's own, is replaced.
        while (world.counts().total() < 2) {
            world.open_server();
            servers.emplace_back();
            replies.emplace_back();
            moved = true;
        }
        quiet = moved ? 0 : quiet + 1;
    }
    for (std::size_t i = 0; i < clients; ++i) {
        CAPTURE(i);
        CHECK(sent[i] == said[i].size());
        CHECK(!world.client_gone(i));
        const auto [before, got, due] = first_difference(readable(heard[i]), readable(expected[i]));
        INFO("said\n" << readable(said[i]));
        INFO("after\n" << before);
        CHECK(got == due);
    }
    const auto counts = world.counts();
    CHECK(counts.idle >= 2);
    CHECK(counts.active == 0);
    CHECK(counts.waiting == 0);
    CHECK(world.entry->pool.overtakings() == 0);
}

}  // namespace

TEST_CASE("Model: clients on shared servers hear what they would hear on servers of their own") {
    for (std::uint32_t seed = 1; seed <= 300; ++seed)
        converse(seed);
}
