// The reference of the JSON API has the fields that are written, and no other.
#include "proxy/api_reference.h"
#include "proxy/status_json.h"
#include "proxy/status_queries.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <set>

using namespace weir;
using namespace weir::proxy;

namespace {

using Json = nlohmann::json;
using Fields = std::set<std::string>;

// Arrays of objects are "name[]."; what holds values or nothing ends there.
void add_fields(Fields& out, const Json& json, const std::string& before) {
    for (const auto& [name, value] : json.items()) {
        const bool list = value.is_array() && !value.empty() && value.front().is_object();
        const bool object = value.is_object() && name != "now";
        if (list) {
            for (const auto& item : value)
                add_fields(out, item, before + name + "[].");
        } else if (object) {
            add_fields(out, value, before + name + ".");
        } else {
            out.insert(before + name);
        }
    }
}

Fields fields_of(const std::string& text) {
    Fields fields;
    add_fields(fields, Json::parse(text), "");
    return fields;
}

Fields documented(std::string_view path) {
    Fields fields;
    for (const auto& document : api_documents()) {
        if (document.path.substr(0, document.path.find('?')) != path) continue;
        for (const auto& field : document.fields) {
            CHECK(fields.insert(std::string(field.name)).second);
            CHECK_FALSE(field.help.empty());
        }
    }
    return fields;
}

// By name, so that a failure says which.
void check_same(std::string_view path, const Fields& written) {
    const auto known = documented(path);
    CAPTURE(path);
    for (const auto& field : written) {
        CAPTURE(field);
        CHECK(known.contains(field));
    }
    for (const auto& field : known) {
        CAPTURE(field);
        CHECK(written.contains(field));
    }
}

// One of everything.
StatusSnapshot full_snapshot(int second) {
    StatusSnapshot snapshot;
    snapshot.at = pool::TimePoint(std::chrono::seconds(1000 + second));
    snapshot.time = std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000));
    PoolStatus pool;
    pool.database = "shop";
    pool.user = "app";
    pool.hosts.push_back({.host = "db1:5432"});
    pool.pins.push_back({});
    snapshot.pools.push_back(pool);
    HostStatus host;
    host.cluster = "shop";
    host.address = "db1:5432";
    host.view.state = second > 0 ? pool::HostState::down : pool::HostState::healthy;
    host.view.reason = pool::HostReason::connect_failed;
    snapshot.hosts.push_back(host);
    ClusterStatus cluster;
    cluster.name = "shop";
    cluster.routes.push_back({"shop", "primary", "why", 1});
    snapshot.clusters.push_back(cluster);
    snapshot.reloads = static_cast<std::uint64_t>(second);
    return snapshot;
}

QueryRow query_row() {
    auto made = std::make_shared<router::Fingerprint>();
    made->id = 1;
    QueryRow row;
    row.fingerprint = std::move(made);
    row.times.record(5);
    return row;
}

}  // namespace

TEST_CASE("api_documents: /api/v1/status and series") {
    StatusHistory history;
    history.add(full_snapshot(0));
    history.add(full_snapshot(1));
    REQUIRE_FALSE(history.problems().empty());
    REQUIRE_FALSE(history.events().empty());
    check_same("/api/v1/status", fields_of(status_json(full_snapshot(1), history)));
    check_same("/api/v1/series", fields_of(series_json(history)));
}

TEST_CASE("api_documents: sessions, queries, errors") {
    SessionView view;
    view.server_id = 1;
    check_same("/api/v1/sessions", fields_of(sessions_json({view}, pool::TimePoint{})));
    const auto queries = queries_json({query_row()}, std::chrono::seconds(60), true);
    check_same("/api/v1/queries", fields_of(queries));
    check_same("/api/v1/queries/FINGERPRINT", fields_of(query_json({query_row()})));
    check_same("/api/v1/errors", fields_of(errors_json({ErrorRow{}})));
}
