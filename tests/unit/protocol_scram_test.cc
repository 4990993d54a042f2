#include "protocol/saslprep.h"
#include "protocol/scram.h"

#include <doctest/doctest.h>

#include <set>

using namespace weir;
using namespace weir::protocol;

namespace {

// RFC 7677, section 3.
const std::string client_nonce = "rOprNGfwEbeRWgbNEkqO";
const std::string server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const std::string client_first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const std::string server_first =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const std::string client_final =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const std::string server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

std::string salt() {
    return *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==");
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

Result<std::string> challenge(std::string_view first) {
    ScramServer server(server_nonce);
    return server.challenge(first, salt(), 4096);
}

// What a whole login of the vector's client gives with this final message.
Result<std::string> log_in(std::string_view final_message, std::optional<ScramSecret> secret) {
    ScramServer server(server_nonce);
    REQUIRE(server.challenge(client_first, salt(), 4096).has_value());
    if (auto taken = server.take_final(final_message); !taken) return taken.error();
    return server.verify(secret);
}

ScramKeyPair pencil() {
    return *scram_keys("pencil", salt(), 4096);
}

}  // namespace

TEST_CASE("SCRAM: the server side of RFC 7677's exchange, and the client's key from its proof") {
    ScramServer server(server_nonce);
    const auto first = server.challenge(client_first, salt(), 4096);
    REQUIRE(first.has_value());
    CHECK(*first == server_first);
    REQUIRE(server.take_final(client_final).has_value());
    const auto final_message = server.verify(pencil().secret());
    REQUIRE(final_message.has_value());
    CHECK(*final_message == server_final);
    CHECK(server.keys() == pencil());
}

TEST_CASE("SCRAM: a client logs in with the keys learnt from another login, without a password") {
    ScramClient client("abcdef");
    ScramServer server("ghijkl");
    const auto first = server.challenge(client.first(), salt(), 4096);
    REQUIRE(first.has_value());
    REQUIRE(client.take_challenge(*first).has_value());
    CHECK(client.salt() == salt());
    CHECK(client.iterations() == 4096);
    REQUIRE(server.take_final(client.final_message(pencil())).has_value());
    const auto final_message = server.verify(pencil().secret());
    REQUIRE(final_message.has_value());
    CHECK(client.verify(*final_message).has_value());
    // Any other signature: this server does not know the secret.
    CHECK(client.verify(server_final).has_error());
    CHECK(client.verify("e=invalid-proof").has_error());
    CHECK(client.verify("").has_error());
    CHECK(client.verify("v=").has_error());
}

TEST_CASE("SCRAM: the keys of another password are refused with 28P01") {
    ScramClient client("abcdef");
    ScramServer server("ghijkl");
    REQUIRE(client.take_challenge(*server.challenge(client.first(), salt(), 4096)).has_value());
    const auto wrong = *scram_keys("pencils", salt(), 4096);
    REQUIRE(server.take_final(client.final_message(wrong)).has_value());
    const auto refused = server.verify(pencil().secret());
    REQUIRE(refused.has_error());
    CHECK(refused.error().code == sqlstate::invalid_password);
    CHECK(refused.error().message == "password authentication failed");
    CHECK(refused.error().detail.empty());
}

TEST_CASE("SCRAM: an unknown user fails exactly as a wrong password does") {
    const auto wrong = *scram_keys("pencils", salt(), 4096);
    const auto known = log_in(client_final, wrong.secret());
    const auto unknown = log_in(client_final, std::nullopt);
    REQUIRE(known.has_error());
    REQUIRE(unknown.has_error());
    CHECK(known.error() == unknown.error());
}

TEST_CASE("SCRAM: hostile first messages of a client") {
    for (const std::string bad :
         {"",
          "n",
          "n,",
          "n,,",
          "x,,n=,r=abc",
          "p=tls-server-end-point,,n=,r=abc",
          "n,a=admin,n=,r=abc",
          "n,,m=x,n=,r=abc",
          "n,,r=abc",
          "n,,n=",
          "n,,n=,r=",
          "n,,n=,x=abc",
          "n,,n=,r=ab\x01",
          "n,,n=,r=ab\xff",
          "n,,n=,s=abc,r=abc",
          "garbage"}) {
        CAPTURE(bad);
        CHECK(challenge(bad).has_error());
    }
    CHECK(challenge(std::string("n,,n=,r=a\0b", 11)).has_error());
    CHECK(challenge("n,,n=,r=" + std::string(2000, 'a')).has_error());
    // Truncated anywhere before the nonce.
    for (std::size_t size = 0; size < client_first.find("r=") + 3; ++size) {
        CAPTURE(size);
        if (size == client_first.find("r=") + 3) break;
        CHECK(challenge(client_first.substr(0, size)).has_error());
    }
    CHECK(challenge("y,,n=,r=abc").has_value());
    CHECK(challenge("n,,n=,r=abc,ext=1").has_value());
}

TEST_CASE("SCRAM: hostile final messages of a client") {
    const auto secret = pencil().secret();
    CHECK(log_in(client_final, secret).has_value());
    const std::string bad_messages[] = {
        "",
        "p=",
        replaced(client_final, "biws", "eSws"),  // says 'y' now, said 'n' before
        replaced(client_final, "c=biws", "c="),
        replaced(client_final, "c=biws,", ""),
        replaced(client_final, "hNlF", "hNlG"),  // nonce of somebody else
        replaced(client_final, "$k0,", "$k0x,"),
        replaced(client_final, ",p=dHzb", ",p="),  // short proof
        client_final + "AAAA",                     // long proof
        replaced(client_final, "dVQ=", "dVQ"),
        client_final + std::string(3000, 'A'),
        std::string("c=biws\0", 7) + client_final,
    };
    for (const auto& bad : bad_messages) {
        CAPTURE(bad);
        const auto refused = log_in(bad, secret);
        REQUIRE(refused.has_error());
        CHECK(refused.error().code == sqlstate::protocol_violation);
        CHECK(refused.error().message == "SASL authentication failed");
    }
    for (std::size_t size = 0; size < client_final.size(); ++size) {
        CAPTURE(size);
        CHECK(log_in(client_final.substr(0, size), secret).has_error());
    }
    const auto flipped = log_in(replaced(client_final, "dHzb", "eHzb"), secret);
    REQUIRE(flipped.has_error());
    CHECK(flipped.error().code == sqlstate::invalid_password);
}

TEST_CASE("SCRAM: hostile challenges of a server") {
    const auto take = [](const std::string& first) {
        ScramClient client(client_nonce);
        return client.take_challenge(first);
    };
    CHECK(take(server_first).has_value());
    const std::string bad_messages[] = {
        "",
        "r=",
        replaced(server_first, "r=rO", "r=xO"),                      // not our nonce
        "r=" + client_nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",  // nothing added to it
        replaced(server_first, "i=4096", "i=0"),
        replaced(server_first, "i=4096", "i=-1"),
        replaced(server_first, "i=4096", "i=2147483648"),
        replaced(server_first, "i=4096", "i=1000001"),
        replaced(server_first, "i=4096", "i=4096x"),
        replaced(server_first, "i=4096", "i="),
        replaced(server_first, ",i=4096", ""),
        replaced(server_first, "s=W22ZaJ0SNY7soEsUEjb6gQ==", "s="),
        replaced(server_first, "gQ==", "gQ="),
        replaced(server_first, "$k0,", "$k0" + std::string(2000, 'n') + ","),
        "m=ext," + server_first,
    };
    for (const auto& bad : bad_messages) {
        CAPTURE(bad);
        CHECK(take(bad).has_error());
    }
    const auto shortest = server_first.find("i=") + 3;
    for (std::size_t size = 0; size < shortest; ++size) {
        CAPTURE(size);
        CHECK(take(server_first.substr(0, size)).has_error());
    }
}

TEST_CASE("SCRAM: secrets as PostgreSQL stores them, both ways") {
    const auto text = pencil().secret().text();
    CHECK(
        text ==
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    );
    const auto parsed = ScramSecret::parse(text);
    REQUIRE(parsed);
    CHECK(*parsed == pencil().secret());
    for (std::size_t size = 0; size < text.size(); ++size) {
        CAPTURE(size);
        CHECK_FALSE(ScramSecret::parse(text.substr(0, size)));
    }
    CHECK_FALSE(ScramSecret::parse(text + "A"));
    CHECK_FALSE(ScramSecret::parse(replaced(text, "4096", "0")));
    CHECK_FALSE(ScramSecret::parse(replaced(text, "4096", "99999999999")));
    CHECK_FALSE(ScramSecret::parse(replaced(text, "SHA-256", "SHA-1")));
}

TEST_CASE("SCRAM: HMAC-SHA-256 as RFC 4231 has it, a key longer than a block included") {
    const auto hmac = [](std::string_view key, std::string_view text) {
        return base64_encode(hmac_sha256(as_bytes(key), as_bytes(text)));
    };
    CHECK(
        hmac("Jefe", "what do ya want for nothing?") ==
        "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="
    );
    CHECK(
        hmac(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First") ==
        "YOQxWR7gtn8Niiaqy/W3f44LxiE3KMUUBUYEDw7jf1Q="
    );
}

TEST_CASE("SCRAM: random bytes are given once, in whatever pieces they are asked for") {
    std::set<std::string> given;
    for (std::size_t i = 0; i < 300; ++i) {
        const auto bytes = random_bytes(8 + i % 150);
        CHECK(bytes.size() == 8 + i % 150);
        given.insert(bytes.substr(0, 8));
        given.insert(bytes.substr(bytes.size() - 8) + "behind");
    }
    CHECK(given.size() == 600);
}

TEST_CASE("SCRAM: base64 is strict") {
    CHECK(base64_encode(as_bytes("")).empty());
    CHECK(base64_encode(as_bytes("n,,")) == "biws");
    CHECK(base64_encode(as_bytes("ab")) == "YWI=");
    CHECK(*base64_decode("YWI=") == "ab");
    CHECK(*base64_decode("YQ==") == "a");
    for (const char* bad :
         {"Y", "YW", "YWI", "YWI=YWI=", "Y===", "====", "YW\nI", "YW=I", "-WI="}) {
        CAPTURE(bad);
        CHECK_FALSE(base64_decode(bad));
    }
}

TEST_CASE("SASLprep: PostgreSQL's examples") {
    CHECK(saslprep("pencil") == "pencil");
    CHECK(saslprep("a\tb") == "a\tb");
    CHECK(saslprep("I\xC2\xADX") == "IX");    // soft hyphen vanishes
    CHECK(saslprep("\xC2\xAA") == "a");       // ª
    CHECK(saslprep("\xE2\x85\xA8") == "IX");  // Ⅸ
    CHECK(
        saslprep("a\xC2\xA0"
                 "b") == "a b"
    );                                           // no-break space
    CHECK(saslprep("e\xCC\x81") == "\xC3\xA9");  // e + acute = é
    CHECK(saslprep("\xC3\xA9") == "\xC3\xA9");
    CHECK(saslprep("a\xCC\xA3\xCC\x82") == "\xE1\xBA\xAD");  // a, dot below, circumflex
    CHECK(saslprep("a\xCC\x82\xCC\xA3") == "\xE1\xBA\xAD");  // the same in the other order
    CHECK(saslprep("\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8") == "\xEA\xB0\x81");  // Hangul
    CHECK(saslprep("\xEA\xB0\x81") == "\xEA\xB0\x81");
    CHECK(saslprep("\xEF\xAC\x81") == "fi");  // ligature
    CHECK(saslprep("\xF0\x9F\x98\x80") == "\xF0\x9F\x98\x80");
}

TEST_CASE("SASLprep: what cannot be prepared stays as it is") {
    for (const std::string raw :
         {"\xff\xfe",
          "a\xC3",
          "\xC0\x80",
          "\xED\xA0\x80",
          "\xF4\x90\x80\x80",
          "\xC2\xAA\x01",
          "\xC2\xAD",
          "\xEE\x80\x80\xC2\xAA"}) {
        CAPTURE(raw);
        CHECK(saslprep(raw) == raw);
    }
}
