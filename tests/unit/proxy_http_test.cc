// Requests as bytes, who may look, and answers as bytes.
#include "proxy/http_access.h"
#include "proxy/http_response.h"

#include <doctest/doctest.h>

#include <string>

using namespace weir;
using namespace weir::proxy;

namespace {

HttpReader::State read_all(HttpReader& reader, std::string bytes, std::size_t at_a_time) {
    std::string input;
    auto state = HttpReader::State::more;
    while (!bytes.empty() && state == HttpReader::State::more) {
        input += bytes.substr(0, at_a_time);
        bytes.erase(0, at_a_time);
        state = reader.take(input);
    }
    return state;
}

unsigned refusal(const std::string& bytes) {
    HttpReader reader;
    return read_all(reader, bytes, bytes.size()) == HttpReader::State::refused ? reader.status()
                                                                               : 0;
}

HttpRequest request_with(std::string authorization, std::string host = "127.0.0.1:9127") {
    HttpRequest request;
    request.authorization = std::move(authorization);
    request.host = std::move(host);
    return request;
}

}  // namespace

TEST_CASE("HttpReader: a request in pieces of any size") {
    const std::string bytes =
        "GET /api/v1/queries%2F1?window=5&q=a%20b+c&&x HTTP/1.1\r\nHost: h\r\nAccept: a/b\r\n"
        "Authorization: Bearer t\r\n\r\n";
    for (const std::size_t size : {std::size_t{1}, std::size_t{3}, bytes.size()}) {
        CAPTURE(size);
        HttpReader reader;
        REQUIRE(read_all(reader, bytes, size) == HttpReader::State::complete);
        const auto& request = reader.request();
        CHECK(request.path == "/api/v1/queries/1");
        CHECK(request.parameter("window") == "5");
        CHECK(request.parameter("q") == "a b c");
        CHECK(request.parameter("x").empty());
        CHECK(request.host == "h");
        CHECK(request.authorization == "Bearer t");
        CHECK(request.keep_alive);
        CHECK_FALSE(request.head);
    }
}

TEST_CASE("HttpReader: one request after the other, the rest of the bytes is the next one's") {
    HttpReader reader;
    std::string input = "GET /a HTTP/1.1\r\n\r\nHEAD /b HTTP/1.0\r\n\r\nGET /c";
    REQUIRE(reader.take(input) == HttpReader::State::complete);
    CHECK(reader.request().path == "/a");
    REQUIRE(reader.take(input) == HttpReader::State::complete);
    CHECK(reader.request().path == "/b");
    CHECK(reader.request().head);
    CHECK_FALSE(reader.request().keep_alive);
    CHECK(reader.take(input) == HttpReader::State::more);
}

TEST_CASE("HttpReader: what is refused, and as what") {
    CHECK(refusal("POST / HTTP/1.1\r\n\r\n") == 405);
    CHECK(refusal("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello") == 413);
    CHECK(refusal("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n") == 413);
    CHECK(refusal("GET / HTTP/3.1\r\n\r\n") >= 400);
    CHECK(refusal("GET http://x/ HTTP/1.1\r\n\r\n") == 400);
    CHECK(refusal("GET /%zz HTTP/1.1\r\n\r\n") == 400);
    CHECK(refusal("GET /%00 HTTP/1.1\r\n\r\n") == 400);
    CHECK(refusal("GET /a%2 HTTP/1.1\r\n\r\n") == 400);
    CHECK(refusal(std::string(1, '\x16') + "\x03\x01 hello, TLS\r\n\r\n") == 400);
    CHECK(refusal("GET / HTTP/1.1\r\nA: " + std::string(20000, 'x') + "\r\n\r\n") == 431);
    CHECK(refusal("GET /" + std::string(20000, 'x')) == 431);
    std::string many = "GET /?";
    for (int i = 0; i < 100; ++i)
        many += std::to_string(i) + "=1&";
    CHECK(refusal(many + " HTTP/1.1\r\n\r\n") == 400);
}

TEST_CASE("HttpReader: after a refusal nothing more is read") {
    HttpReader reader;
    std::string input = "nonsense\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    CHECK(reader.take(input) == HttpReader::State::refused);
    CHECK(reader.take(input) == HttpReader::State::refused);
}

TEST_CASE("check_access: without credentials only requests to an address or localhost") {
    const conf::Settings open;
    for (const char* host : {"127.0.0.1:9127", "[::1]:9127", "localhost:9127", "10.1.2.3", ""}) {
        CAPTURE(host);
        CHECK(check_access(open, request_with("", host)) == HttpAccess::granted);
    }
    for (const char* host : {"evil.example", "localhost.evil.example:9127", "[evil]:1"}) {
        CAPTURE(host);
        CHECK(check_access(open, request_with("", host)) == HttpAccess::foreign_host);
    }
    conf::Settings everybody;
    everybody.http_allow_unauthenticated = true;
    CHECK(check_access(everybody, request_with("", "db.example")) == HttpAccess::granted);
}

TEST_CASE("check_access: token and basic authentication") {
    conf::Settings settings;
    settings.http_token = conf::Secret("t0ken");
    settings.http_user = "ops";
    settings.http_password = conf::Secret("pass:word");

    struct Row {
        const char* field;
        HttpAccess access;
    };

    for (const Row& row : {
             Row{"", HttpAccess::no_credentials},
             {"Bearer t0ken", HttpAccess::granted},
             {"bearer t0ken", HttpAccess::granted},
             {"Bearer t0ke", HttpAccess::wrong_credentials},
             {"Bearer ", HttpAccess::wrong_credentials},
             {"Basic b3BzOnBhc3M6d29yZA==", HttpAccess::granted},    // ops:pass:word
             {"Basic b3BzOnBhc3M=", HttpAccess::wrong_credentials},  // ops:pass
             {"Basic YW55Ym9keTp0MGtlbg==", HttpAccess::granted},    // anybody:t0ken
             {"Basic b3BzOg==", HttpAccess::wrong_credentials},      // ops:
             {"Basic !!!!", HttpAccess::wrong_credentials},
             {"Basic b3Bz", HttpAccess::wrong_credentials},  // no colon
             {"Digest x", HttpAccess::wrong_credentials},
         }) {
        CAPTURE(row.field);
        CHECK(check_access(settings, request_with(row.field)) == row.access);
    }
    settings.http_token = conf::Secret();
    CHECK(check_access(settings, request_with("Bearer ")) == HttpAccess::wrong_credentials);
}

TEST_CASE("accepts_gzip: by the field, with its quality") {
    HttpRequest request;
    for (const char* field : {"gzip", "br, gzip;q=0.5", "deflate,gzip"}) {
        request.accept_encoding = field;
        CHECK(accepts_gzip(request));
    }
    for (const char* field : {"", "br", "gzip;q=0", "identity"}) {
        request.accept_encoding = field;
        CHECK_FALSE(accepts_gzip(request));
    }
    CHECK(gzip(std::string(100000, 'a')).size() < 500);
}
