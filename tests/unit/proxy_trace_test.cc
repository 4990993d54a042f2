// Spans: what is made of a statement, and where they may be sent.
#include "conf/http_address.h"
#include "proxy/otlp_json.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace weir;
using namespace weir::proxy;

namespace {

SlowStatement statement() {
    SlowStatement s;
    s.ended = std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000));
    s.duration = 5000;
    s.wait = 1000;
    s.sent = 1500;
    s.server = 3000;
    s.database = "sh\"op\xff";
    s.user = "alice";
    s.server_address = "10.0.0.1";
    s.server_port = 5432;
    return s;
}

nlohmann::json spans_of(const SlowStatement& s) {
    TraceIds ids(1);
    const auto request = otlp_request({&s, 1}, {"shop", "i", "h", 1}, ids);
    const auto json = nlohmann::json::parse(request.json);
    auto spans = json["resourceSpans"][0]["scopeSpans"][0]["spans"];
    CHECK(spans.size() == request.spans);
    return spans;
}

}  // namespace

TEST_CASE("otlp_request: a statement with a wait, run by a server") {
    const auto spans = spans_of(statement());
    REQUIRE(spans.size() == 3);
    CHECK(spans[0]["startTimeUnixNano"] == "1699999999995000000");
    CHECK(spans[0]["endTimeUnixNano"] == "1700000000000000000");
    CHECK_FALSE(spans[0].contains("parentSpanId"));
    CHECK(spans[1]["startTimeUnixNano"] == "1699999999995500000");
    CHECK(spans[1]["endTimeUnixNano"] == "1699999999996500000");
    CHECK(spans[2]["startTimeUnixNano"] == "1699999999996500000");
    CHECK(spans[2]["endTimeUnixNano"] == "1699999999999500000");
    for (const auto& span : spans) {
        CHECK(span["traceId"] == spans[0]["traceId"]);
        CHECK_FALSE(span.contains("status"));
    }
    CHECK(spans[1]["parentSpanId"] == spans[0]["spanId"]);
    CHECK(spans[2]["parentSpanId"] == spans[0]["spanId"]);
}

TEST_CASE("otlp_request: a statement that no server ever got, and times that make no sense") {
    auto s = statement();
    s.sent = s.wait = s.duration;
    s.sqlstate = "57014";
    s.server_address.clear();
    auto spans = spans_of(s);
    REQUIRE(spans.size() == 2);
    CHECK(spans[0]["status"]["code"] == 2);
    CHECK(spans[1]["startTimeUnixNano"] == spans[0]["startTimeUnixNano"]);
    // A deferred BEGIN waits later than it lasts.
    s.wait = 10 * s.duration;
    s.client = 10 * s.duration;
    s.ended = {};
    spans = spans_of(s);
    for (const auto& span : spans)
        CHECK(span["endTimeUnixNano"] == "0");
}

TEST_CASE("command_of: the first word, behind comments") {
    CHECK(command_of("select 1") == "SELECT");
    CHECK(command_of(" /* a */ -- b\n (SELECT $1)") == "SELECT");
    CHECK(command_of("/* no end") == "SQL");
    CHECK(command_of("$1") == "SQL");
    CHECK(command_of("") == "SQL");
}

TEST_CASE("read_http_url: only what can be sent to") {
    const auto url = conf::read_http_url("http://[::1]:4318/v1/traces?x=1");
    REQUIRE(url.ok());
    CHECK(url.value == conf::HttpUrl{"::1", 4318, "/v1/traces?x=1"});
    CHECK(conf::read_http_url("http://collector").value == conf::HttpUrl{"collector", 80, "/"});
    for (const auto* wrong :
         {"",
          "https://a/v1/traces",
          "http://",
          "http://:4318/",
          "http://*:4318/",
          "http://user:secret@a:4318/",
          "http://a:0/",
          "http://a:99999/",
          "http://a/b c",
          "http://a/b\r\nX: y",
          "http://a/#b",
          "ftp://a/"}) {
        CAPTURE(wrong);
        CHECK_FALSE(conf::read_http_url(wrong).ok());
    }
}
