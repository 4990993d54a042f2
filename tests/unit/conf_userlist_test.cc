#include "conf/userlist.h"
#include "tests/unit/conf_support.h"

#include <doctest/doctest.h>

namespace weir::conf {

namespace {

const std::string salt = "W22ZaJ0SNY7soEsUEjb6gQ==";
const std::string stored = "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=";
const std::string server = "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

}  // namespace

TEST_CASE("classify_secret: only what is a hash counts as one") {
    const std::string scram = "SCRAM-SHA-256$4096:" + salt + "$" + stored + ":" + server;

    struct Row {
        std::string text;
        SecretKind kind;
    };

    for (const Row& row : {
             Row{"", SecretKind::none},
             {"secret", SecretKind::plain},
             {"md5" + std::string(32, 'a'), SecretKind::md5},
             {"md5" + std::string(31, 'a'), SecretKind::plain},
             {"md5" + std::string(33, 'a'), SecretKind::plain},
             {"md5" + std::string(32, 'A'), SecretKind::plain},
             {"md5" + std::string(32, 'g'), SecretKind::plain},
             {scram, SecretKind::scram},
             {"SCRAM-SHA-256$4096:" + salt + "$" + stored, SecretKind::plain},
             {"SCRAM-SHA-256$0:" + salt + "$" + stored + ":" + server, SecretKind::plain},
             {"SCRAM-SHA-256$x:" + salt + "$" + stored + ":" + server, SecretKind::plain},
             {"SCRAM-SHA-256$4096:$" + stored + ":" + server, SecretKind::plain},
             {"SCRAM-SHA-256$4096:" + salt + "$" + salt + ":" + server, SecretKind::plain},
             {"SCRAM-SHA-256$4096:" + salt + "$" + stored + ":" + server + "=", SecretKind::plain},
             {"SCRAM-SHA-256$4096$" + salt + ":" + stored + ":" + server, SecretKind::plain},
             {"SCRAM-SHA-256$", SecretKind::plain},
             {"SCRAM-SHA-256$:$:", SecretKind::plain},
         }) {
        CAPTURE(row.text);
        UserSecret secret = classify_secret(row.text);
        CHECK((secret.kind == row.kind));
        CHECK(secret.text.reveal() == row.text);
    }
}

TEST_CASE("load_userlist: a file") {
    LoadedUsers loaded = load_userlist(fixture("userlist.txt"));
    CHECK(lines(loaded.problems.errors) == "");
    REQUIRE(loaded.users.has_value());
    const UserList& users = *loaded.users;
    CHECK(users.size() == 5);
    CHECK((users.at("plain").kind == SecretKind::plain));
    CHECK((users.at("md5").kind == SecretKind::md5));
    CHECK((users.at("scram").kind == SecretKind::scram));
    CHECK((users.at("nobody").kind == SecretKind::none));
    CHECK(users.at("quo\"ted").text.reveal() == "with \" inside");
    LoadedUsers gone = load_userlist("/nonexistent/userlist.txt");
    CHECK_FALSE(gone.users.has_value());
    CHECK(gone.problems.errors.size() == 1);
}

TEST_CASE("read_userlist: what is wrong, with lines and without secrets") {
    std::string text =
        "user \"hunter2\"\n\"user\"\n\"user\" hunter2\n\"user\" \"hunter2\n\"\" \"hunter2\"\n\"" +
        std::string(128, 'u') + "\" \"hunter2\"\n\"u\" \"" + std::string(2048, 'p') +
        "\"\n\"ok\" \"a\0b\"\n";
    text += std::string("\"z\" \"hunter2\0\"\n", 15);
    LoadedUsers loaded = read_userlist(text, "u.txt");
    CHECK_FALSE(loaded.users.has_value());
    std::string all = lines(loaded.problems.errors);
    CAPTURE(all);
    CHECK(loaded.problems.errors.size() >= 8);
    for (unsigned line = 1; line <= 7; ++line) {
        CHECK(all.find("u.txt:" + std::to_string(line) + ": ") != std::string::npos);
    }
    CHECK(all.find("contains a zero byte") != std::string::npos);
    CHECK(all.find("hunter2") == std::string::npos);
}

TEST_CASE("read_userlist: limits are inclusive") {
    std::string text =
        "\"" + std::string(127, 'u') + "\" \"" + std::string(2047, 'p') + "\"\r\n; c\n\n# c\n";
    LoadedUsers loaded = read_userlist(text, "u.txt");
    REQUIRE(loaded.users.has_value());
    CHECK(loaded.users->begin()->second.text.reveal().size() == 2047);
}

TEST_CASE("read_userlist: the last line of a name counts, with a warning") {
    LoadedUsers loaded = read_userlist("\"a\" \"1\"\n\"a\"\t\"2\"", "u.txt");
    REQUIRE(loaded.users.has_value());
    CHECK(loaded.users->at("a").text.reveal() == "2");
    CHECK(
        lines(loaded.problems.warnings) ==
        "u.txt:2: a: appears more than once; the last line counts\n"
    );
}

}  // namespace weir::conf
