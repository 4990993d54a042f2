#include "protocol/message.h"
#include "protocol/scram.h"
#include "proxy/authenticator.h"
#include "tests/unit/support/client_login_bench.h"

#include <doctest/doctest.h>

using namespace weir;
using namespace weir::test;
using namespace std::chrono_literals;

namespace {

const std::string password = "s3cret";

std::string scram_secret() {
    return scram_keys(password, "0123456789abcdef", 4096)->secret().text();
}

// A client in the middle of a login: what it was asked is `question`.
struct Asked {
    Asked(LoginBench& bench, const std::string& user) : client(bench, bench.connect()) {
        client.send(startup({{"user", user}}));
        question = client.receive_message();
    }

    std::string answer(const std::string& bytes) {
        client.send(bytes);
        return client.receive_message();
    }

    Peer client;
    std::string question;
};

std::string sasl_initial(std::string_view mechanism, std::string_view data) {
    MessageWriter out;
    write_sasl_initial_response(mechanism, data, out);
    return written(out);
}

std::string sasl_response(std::string_view data) {
    MessageWriter out;
    write_sasl_response(data, out);
    return written(out);
}

std::string password_message(std::string_view text) {
    MessageWriter out;
    write_password_message(text, out);
    return written(out);
}

const std::string asks_clear_text = BYTES("R\0\0\0\x08\0\0\0\3");
const std::string asks_scram = BYTES("R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0");

// One SCRAM login; the last message of the proxy. `tamper` may change the client's final message.
std::string log_in_by_scram(
    LoginBench& bench,
    const std::string& user,
    const std::string& with_password,
    const std::function<std::string(std::string)>& tamper = [](std::string text) { return text; },
    std::string* salt = nullptr
) {
    Asked asked(bench, user);
    CHECK(asked.question == asks_scram);
    ScramClient client("clientnonce");
    const auto challenge = asked.answer(sasl_initial("SCRAM-SHA-256", client.first()));
    REQUIRE(challenge.size() > 9);
    REQUIRE(challenge.substr(5, 4) == BYTES("\0\0\0\x0b"));
    REQUIRE(client.take_challenge(challenge.substr(9)).has_value());
    if (salt != nullptr) *salt = client.salt();
    const auto keys = scram_keys(with_password, client.salt(), client.iterations());
    const auto last = asked.answer(sasl_response(tamper(client.final_message(*keys))));
    if (last.starts_with("R")) {
        CHECK(last.substr(5, 4) == BYTES("\0\0\0\x0c"));
        CHECK(client.verify(last.substr(9)).has_value());
        return asked.client.receive_message();
    }
    return last;
}

std::string md5_answer(const Asked& asked, const std::string& user, const std::string& text) {
    Md5Salt salt{};
    REQUIRE(asked.question.size() == 13);
    const auto bytes = as_bytes(asked.question).subspan(9);
    std::copy(bytes.begin(), bytes.end(), salt.begin());
    return password_message(*md5_response(*md5_secret(user, text), salt));
}

}  // namespace

TEST_CASE("Authentication: clear text against every kind of secret") {
    LoginBench bench;
    bench.settings->auth_type = conf::AuthType::plain;
    bench.users = {
        {"plain", password},
        {"md5", *md5_secret("md5", password)},
        {"scram", scram_secret()},
        {"none", ""}};
    for (const char* user : {"plain", "md5", "scram"}) {
        CAPTURE(user);
        Asked right(bench, user);
        CHECK(right.question == asks_clear_text);
        CHECK(right.answer(password_message(password)) == authentication_ok);
        Asked wrong(bench, user);
        CHECK(error_code(wrong.answer(password_message("other"))) == "28P01");
    }
    for (const char* user : {"none", "nobody"}) {
        CAPTURE(user);
        Asked asked(bench, user);
        CHECK(asked.question == asks_clear_text);
        CHECK(error_code(asked.answer(password_message(password))) == "28P01");
    }
    Asked empty(bench, "plain");
    CHECK(contains(empty.answer(password_message("")), "empty password returned by client"));
    // A hash is not the password it belongs to.
    Asked hash(bench, "md5");
    CHECK(error_code(hash.answer(password_message(*md5_secret("md5", password)))) == "28P01");
    // The clear text showed the keys of the user with a SCRAM secret.
    REQUIRE(bench.learnt.find("scram"));
    CHECK(bench.learnt.find("scram")->secret().text() == scram_secret());
    CHECK_FALSE(bench.learnt.find("plain"));
}

TEST_CASE("Authentication: md5, and SCRAM for users with such a secret") {
    LoginBench bench;
    bench.settings->auth_type = conf::AuthType::md5;
    bench.users = {
        {"plain", password},
        {"md5", *md5_secret("md5", password)},
        {"scram", scram_secret()},
        {"none", ""}};
    for (const std::string user : {"plain", "md5"}) {
        CAPTURE(user);
        Asked right(bench, user);
        CHECK(right.answer(md5_answer(right, user, password)) == authentication_ok);
        Asked wrong(bench, user);
        CHECK(error_code(wrong.answer(md5_answer(wrong, user, "other"))) == "28P01");
        Asked replay(bench, user);
        CHECK(error_code(replay.answer(md5_answer(right, user, password))) == "28P01");
    }
    for (const std::string user : {"none", "nobody"}) {
        CAPTURE(user);
        Asked asked(bench, user);
        CHECK(error_code(asked.answer(md5_answer(asked, user, password))) == "28P01");
    }
    CHECK(log_in_by_scram(bench, "scram", password) == authentication_ok);
    bench.policy.unknown_users_get_scram = [] {
        return true;
    };
    CHECK(error_code(log_in_by_scram(bench, "nobody", password)) == "28P01");
}

TEST_CASE("Authentication: SCRAM, with stored secrets and ones made from plain passwords") {
    LoginBench bench;
    bench.settings->auth_type = conf::AuthType::scram_sha_256;
    bench.users = {
        {"plain", password},
        {"md5", *md5_secret("md5", password)},
        {"scram", scram_secret()},
        {"none", ""}};
    for (int round = 0; round < 2; ++round) {
        CHECK(log_in_by_scram(bench, "scram", password) == authentication_ok);
        CHECK(log_in_by_scram(bench, "plain", password) == authentication_ok);
        CHECK(error_code(log_in_by_scram(bench, "scram", "other")) == "28P01");
        CHECK(error_code(log_in_by_scram(bench, "plain", "other")) == "28P01");
        CHECK(error_code(log_in_by_scram(bench, "md5", password)) == "28P01");
        CHECK(error_code(log_in_by_scram(bench, "none", password)) == "28P01");
        CHECK(error_code(log_in_by_scram(bench, "nobody", password)) == "28P01");
    }
    // The key the client showed logs in to servers; of the others there is nothing to learn.
    REQUIRE(bench.learnt.find("scram"));
    CHECK(*bench.learnt.find("scram") == *scram_keys(password, "0123456789abcdef", 4096));
    CHECK_FALSE(bench.learnt.find("plain"));
    // A changed password in the list counts at once, whatever is cached.
    bench.users["plain"] = "changed";
    CHECK(error_code(log_in_by_scram(bench, "plain", password)) == "28P01");
    CHECK(log_in_by_scram(bench, "plain", "changed") == authentication_ok);
}

TEST_CASE("Authentication: an unknown user and a wrong password look the same, salt included") {
    LoginBench bench;
    bench.settings->auth_type = conf::AuthType::scram_sha_256;
    bench.users = {{"bob", password}};
    const auto same = [](std::string text) {
        return text;
    };
    std::string first_salt, second_salt, known_salt, known_again;
    const auto unknown = log_in_by_scram(bench, "nobody", "x", same, &first_salt);
    const auto unknown_again = log_in_by_scram(bench, "nobody", "y", same, &second_salt);
    const auto known = log_in_by_scram(bench, "bob", "x", same, &known_salt);
    log_in_by_scram(bench, "bob", "y", same, &known_again);
    CHECK(unknown == known);
    CHECK(unknown == unknown_again);
    CHECK(contains(known, "password authentication failed"));
    CHECK(first_salt == second_salt);
    CHECK(known_salt == known_again);
    CHECK(first_salt != known_salt);
    CHECK(first_salt.size() == 16);
    CHECK(known_salt.size() == 16);
}

TEST_CASE("Authentication: hostile messages") {
    const std::string first = "n,,n=,r=abc";
    const auto raw_sasl =
        [](const std::string& mechanism, const std::string& length, const std::string& data) {
            return message('p', mechanism + '\0' + length + data);
        };

    struct Row {
        std::string name;
        conf::AuthType type;
        std::string bytes;
    };
    using enum conf::AuthType;
    const Row rows[] = {
        {"auth-query-instead-of-password", plain, message('Q', BYTES("select 1\0"))},
        {"auth-parse-bind-early",
         plain,
         message('P', BYTES("\0select 1\0\0\0")) + message('B', BYTES("\0\0\0\0\0\0\0\0"))},
        {"auth-len0", plain, BYTES("p\0\0\0\0")},
        {"auth-len3", plain, BYTES("p\0\0\0\3")},
        {"auth-len-2^31-1", plain, BYTES("p\x7f\xff\xff\xff")},
        {"auth-len-2^32-1", plain, BYTES("p\xff\xff\xff\xff")},
        {"auth-70KB-password", plain, password_message(std::string(70000, 'x'))},
        {"auth-empty", plain, BYTES("p\0\0\0\4")},
        {"auth-no-nul", plain, message('p', "secret")},
        {"two texts", plain, message('p', BYTES("a\0b\0"))},
        {"auth-terminate", plain, message('X', "")},
        {"startup again", plain, startup({{"user", "bob"}})},
        {"md5: no nul", md5, message('p', "md5")},
        {"md5: empty", md5, BYTES("p\0\0\0\4")},
        {"auth-sasl-garbage", scram_sha_256, message('p', BYTES("\xff\xfe\1\2\3"))},
        {"auth-sasl-unknown-mech", scram_sha_256, sasl_initial("SCRAM-SHA-1", first)},
        {"auth-sasl-plus", scram_sha_256, sasl_initial("SCRAM-SHA-256-PLUS", first)},
        {"auth-sasl-len-mismatch",
         scram_sha_256,
         raw_sasl("SCRAM-SHA-256", BYTES("\0\0\0\xff"), first)},
        {"auth-sasl-len-neg",
         scram_sha_256,
         raw_sasl("SCRAM-SHA-256", BYTES("\xff\xff\xff\x80"), first)},
        {"auth-sasl-no-response",
         scram_sha_256,
         raw_sasl("SCRAM-SHA-256", BYTES("\xff\xff\xff\xff"), "")},
        {"auth-sasl-cbind-p",
         scram_sha_256,
         sasl_initial("SCRAM-SHA-256", "p=tls-server-end-point,,n=,r=abc")},
        {"auth-sasl-nul-in-nonce",
         scram_sha_256,
         sasl_initial("SCRAM-SHA-256", BYTES("n,,n=,r=a\0bc"))},
        {"auth-sasl-authzid", scram_sha_256, sasl_initial("SCRAM-SHA-256", "n,a=root,n=,r=abc")},
        {"auth-sasl-m-ext", scram_sha_256, sasl_initial("SCRAM-SHA-256", "n,,m=x,n=,r=abc")},
        {"auth-sasl-huge",
         scram_sha_256,
         sasl_initial("SCRAM-SHA-256", first + std::string(3000, 'a'))},
    };
    for (const auto& row : rows) {
        CAPTURE(row.name);
        LoginBench bench;
        bench.users["bob"] = password;
        bench.settings->auth_type = row.type;
        Asked asked(bench, "bob");
        asked.client.send(row.bytes);
        asked.client.half_close();
        const auto told = asked.client.receive_all();
        const auto code = error_code(told);
        CAPTURE(told);
        const bool refused = code == "08P01" || code == "28P01";
        CHECK(refused);
        CHECK(asked.client.closed);
        CHECK(bench.settled());
        CHECK(bench.delivered.empty());
        CHECK(bench.permits == 0);
    }
}

TEST_CASE("Authentication: a tampered proof is refused at every kind of change") {
    LoginBench bench;
    bench.settings->auth_type = conf::AuthType::scram_sha_256;
    bench.users["bob"] = scram_secret();
    const auto with = [&](const std::function<std::string(std::string)>& tamper) {
        return error_code(log_in_by_scram(bench, "bob", password, tamper));
    };
    CHECK(with([](std::string text) {
              return text.replace(text.find("clientnonce"), 1, "X");
          }) == "08P01");  // auth-scram-nonce-tamper
    CHECK(with([](std::string text) {
              return text.substr(0, text.find(",p=") + 7);
          }) == "08P01");  // auth-scram-proof-short
    CHECK(with([](std::string text) {
              return text + std::string(1500, 'A');
          }) == "08P01");  // auth-scram-proof-huge
    CHECK(with([](std::string text) {
              auto& last = text[text.find(",p=") + 3];
              last = last == 'A' ? 'B' : 'A';
              return text;
          }) == "28P01");
    // auth-sasl-cbind-y-downgrade: says 'y' now, said 'n' before
    CHECK(with([](std::string text) {
              return text.replace(text.find("biws"), 4, "eSws");
          }) == "08P01");
    CHECK(with([](std::string) { return std::string(); }) == "08P01");
    CHECK(with([](std::string text) { return text; }).empty());
}

TEST_CASE("Authentication: auth_type any takes every name") {
    LoginBench bench;
    bench.settings->auth_type = conf::AuthType::any;
    Asked asked(bench, "whoever");
    CHECK(asked.question == authentication_ok);
}
