// The console's conversation over the extended protocol.
#include "tests/unit/proxy_admin_support.h"

using namespace weir;
using namespace weir::proxy;
using namespace weir::proxy::test;

TEST_CASE("admin session: scripts of the extended protocol, split at every byte") {
    struct Script {
        const char* name;
        std::string bytes;
        std::string types;
    };

    const std::string binary = u16(1) + u16(1);
    const Script scripts[] = {
        {"pgx, psycopg: unnamed",
         parse("show rows") + bind_message() + describe('P') + execute() + sync_message,
         "12TDDDCZ"},
        {"asyncpg: prepare, then run in binary",
         parse("show rows", "s") + describe('S', "s") + sync_message +
             bind_message("s", "", binary) + execute() + sync_message,
         "1tTZ2DDDCZ"},
        {"flush is no sync", parse("show rows") + message('H', "") + sync_message, "1Z"},
        {"statement outlives sync, portal does not",
         parse("show rows", "s") + bind_message("s", "p") + sync_message + execute(0, "p") +
             sync_message,
         "12ZEZ"},
        {"limits of rows",
         parse("show rows") + bind_message() + execute(2) + execute(2) + sync_message,
         "12DDsDCZ"},
        {"a limit that is just reached",
         parse("show rows") + bind_message() + execute(3) + execute() + sync_message,
         "12DDDsCZ"},
        {"run twice without rows",
         parse("resume") + bind_message() + execute() + execute() + sync_message,
         "12CEZ"},
        {"no rows to describe",
         parse("resume") + describe('S') + bind_message() + describe('P') + sync_message,
         "1tn2nZ"},
        {"empty statement",
         parse("") + bind_message() + describe('P') + execute() + sync_message,
         "12nIZ"},
        {"error skips to sync",
         parse("nonsense") + bind_message() + execute() + query("show rows") + sync_message,
         "EZ"},
        {"failing command",
         parse("reload") + bind_message() + execute() + execute() + sync_message,
         "12EZ"},
        {"two commands", parse("resume; resume") + sync_message, "EZ"},
        {"name twice", parse("resume", "s") + parse("resume", "s") + sync_message, "1EZ"},
        {"name again after close",
         parse("resume", "s") + close('S', "s") + parse("resume", "s") + close('P', "x") +
             sync_message,
         "1313Z"},
        {"portal twice",
         parse("resume") + bind_message("", "p") + bind_message("", "p") + sync_message,
         "12EZ"},
        {"unknown statement", bind_message("x") + sync_message, "EZ"},
        {"unknown portal", execute(0, "x") + describe('P', "x") + sync_message, "EZ"},
        {"unknown statement described", describe('S', "x") + sync_message, "EZ"},
        {"simple query drops the unnamed statement",
         parse("resume") + sync_message + query("show rows") + bind_message() + sync_message,
         "1ZTDDDCZEZ"},
        {"wrong number of formats",
         parse("show rows") + bind_message("", "", u16(3) + u16(0) + u16(0) + u16(0)) +
             sync_message,
         "1EZ"},
        {"wrong format",
         parse("show rows") + bind_message("", "", u16(1) + u16(2)) + sync_message,
         "1EZ"},
        {"left-overs of COPY",
         message('d', "x") + message('c', "") + message('f', "x\0"s) + sync_message,
         "Z"},
        {"function call", message('F', u16(0) + u16(0)) + query("resume"), "EZCZ"},
        {"notice", parse("show help") + bind_message() + execute() + sync_message, "12NCZ"},
    };
    for (const auto& script : scripts) {
        CAPTURE(script.name);
        for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{1} << 20U}) {
            CAPTURE(piece);
            Bench bench;
            bench.send(script.bytes, piece);
            CHECK(bench.types() == script.types);
            CHECK_FALSE(bench.session.ended());
        }
        // Two pieces, cut at each place.
        for (std::size_t cut = 1; cut < script.bytes.size(); ++cut) {
            Bench bench;
            bench.send(script.bytes.substr(0, cut));
            bench.send(script.bytes.substr(cut));
            REQUIRE(bench.types() == script.types);
        }
    }
}

TEST_CASE("admin session: errors have PostgreSQL's codes") {
    const std::pair<std::string, const char*> rows[] = {
        {bind_message("x") + sync_message, "26000"},
        {execute(0, "x") + sync_message, "34000"},
        {parse("resume", "s") + parse("resume", "s") + sync_message, "42P05"},
        {parse("resume; resume") + sync_message, "42601"},
        {parse("resume") + bind_message("", "p") + bind_message("", "p") + sync_message, "42P03"},
        {parse("resume") + message('B', "\0\0"s + u16(0) + u16(1) + u16(0) + u16(0) + u16(0)) +
             sync_message,
         "08P01"},
        {parse("show rows") + bind_message("", "", u16(1) + u16(2)) + sync_message, "22023"},
        {message('P', "no end") + sync_message, "08P01"},
        {message('B', "\0\0"s + u16(0) + u16(0xffff)) + sync_message, "08P01"},
        {message('B', "\0\0"s + u16(0xffff)) + sync_message, "08P01"},
        {message('B', "\0\0"s + u16(0) + u16(1) + "\x7f\xff\xff\xff"s) + sync_message, "08P01"},
        {message('D', "X\0"s) + sync_message, "08P01"},
        {message('C', "X\0"s) + sync_message, "08P01"},
        {message('E', "p") + sync_message, "08P01"},
        {parse("reload") + bind_message() + execute() + sync_message, "F0000"},
    };
    for (const auto& [bytes, code] : rows) {
        CAPTURE(code);
        Bench bench;
        bench.send(bytes);
        const auto sent = bench.messages();
        REQUIRE(sent.size() >= 2);
        const auto& error = sent[sent.size() - 2];
        REQUIRE(error.type == 'E');
        CHECK(code_of(error) == code);
        CHECK_FALSE(is_fatal(error));
        CHECK(sent.back().type == 'Z');
    }
}

TEST_CASE("admin session: statements and portals have limits") {
    Bench bench;
    for (std::size_t i = 0; i < AdminSession::max_statements; ++i) {
        bench.send(parse("resume", "s" + std::to_string(i)));
    }
    bench.send(sync_message);
    CHECK(bench.types() == std::string(AdminSession::max_statements, '1') + "Z");
    bench.send(parse("resume", "more") + sync_message);
    CHECK(bench.types() == "EZ");
    bench.send(close('S', "s0") + parse("resume", "more") + sync_message);
    CHECK(bench.types() == "31Z");
    for (std::size_t i = 0; i <= AdminSession::max_portals; ++i) {
        bench.send(bind_message("more", "p" + std::to_string(i)));
    }
    bench.send(sync_message);
    CHECK(bench.types() == std::string(AdminSession::max_portals, '2') + "EZ");
    bench.send(parse("resume", std::string(100000, 'n')) + sync_message);
    CHECK(bench.types() == "EZ");
}
