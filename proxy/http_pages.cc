// Which path is what.
#include "pool/io/control_stream.h"
#include "proxy/http_server.h"
#include "proxy/metrics.h"
#include "proxy/server.h"
#include "proxy/status_feed.h"
#include "proxy/status_json.h"
#include "proxy/status_page.h"
#include "proxy/status_queries.h"

#include <boost/asio/steady_timer.hpp>

#include <array>

namespace weir::proxy {

namespace {

constexpr auto session_list_age = std::chrono::seconds(1);
constexpr std::size_t tables_queries = 20;
constexpr std::string_view queries_path = "/api/v1/queries/";

struct PageContext {
    Server& server;
    StatusFeed& feed;
    const HttpRequest& request;
    bool trusted;
};

HttpResponse healthz(const PageContext&) {
    return text_response(200, "ok\n");
}

// Whoever has no credentials is told whether, not why.
HttpResponse readyz(const PageContext& context) {
    const auto snapshot = take_snapshot(context.server);
    const auto reasons = reasons_not_ready(snapshot);
    if (reasons.empty()) return text_response(200, "ready\n");
    std::string text = "not ready\n";
    for (const auto& reason : reasons) {
        if (context.trusted) text += reason + '\n';
    }
    return text_response(503, std::move(text));
}

HttpResponse metrics(const PageContext& context) {
    auto snapshot = take_snapshot(context.server, SnapshotDetail::for_metrics);
    snapshot.process = read_process();
    const auto& settings = context.server.settings();
    auto families = collect_metrics(snapshot, settings);
    if (settings.metrics_pgbouncer) {
        for (auto& family : collect_pgbouncer_metrics(snapshot, settings))
            families.push_back(std::move(family));
    }
    const auto format = metric_format(context.request.accept);
    HttpResponse response;
    response.type = content_type(format);
    response.body = metrics_text(families, format);
    if (accepts_gzip(context.request)) {
        response.body = gzip(response.body, 1);
        response.encoding = "gzip";
    }
    return response;
}

HttpResponse status(const PageContext& context) {
    return json_response(status_json(take_snapshot(context.server), context.feed.history()));
}

HttpResponse stream(const PageContext&) {
    HttpResponse response;
    response.type = "text/event-stream";
    response.is_stream = true;
    return response;
}

HttpResponse page(const PageContext& context) {
    return status_page(context.request);
}

HttpResponse tables(const PageContext& context) {
    const auto queries = context.server.queries().snapshot(QueryWindow::fifteen_minutes);
    return status_tables(
        take_snapshot(context.server), context.feed.history(), top_queries(*queries, tables_queries)
    );
}

// A JSON document, compressed for whoever takes that.
HttpResponse large_json(const PageContext& context, std::string json) {
    auto response = json_response(std::move(json));
    if (accepts_gzip(context.request)) {
        response.body = gzip(response.body, 1);
        response.encoding = "gzip";
    }
    return response;
}

HttpResponse queries(const PageContext& context) {
    const auto asked = context.request.parameter("window");
    const auto window = query_window(asked.empty() ? "15m" : asked);
    if (!window) return json_error(400, "window is one of 1m, 5m, 15m, all");
    const auto& reports = context.server.queries();
    const auto rows = reports.snapshot(*window);
    return large_json(
        context,
        queries_json(*rows, reports.window_length(*window), context.server.settings().query_stats)
    );
}

// `text`: what stands behind queries_path.
HttpResponse query(const PageContext& context, std::string_view text) {
    const auto fingerprint = parse_fingerprint(text);
    if (!fingerprint) return json_error(400, "a fingerprint has 16 hexadecimal digits");
    const auto rows = context.server.queries().rows_of(*fingerprint);
    if (rows.empty()) return json_error(404, "no such statement, or not any more");
    return large_json(context, query_json(rows));
}

HttpResponse series(const PageContext& context) {
    return large_json(context, series_json(context.feed.history()));
}

HttpResponse errors(const PageContext& context) {
    return large_json(context, errors_json(context.server.queries().errors()));
}

struct Page {
    std::string_view path;
    HttpResponse (*answer)(const PageContext& context);
    bool is_public = false;
};

constexpr std::array pages{
    Page{"/", page},
    Page{"/tables", tables},
    Page{"/metrics", metrics},
    Page{"/healthz", healthz, true},
    Page{"/readyz", readyz, true},
    Page{"/api/v1/status", status},
    Page{"/api/v1/series", series},
    Page{"/api/v1/queries", queries},
    Page{"/api/v1/errors", errors},
    Page{"/api/v1/stream", stream},
};

// Asks the workers, as SHOW CLIENTS does; once a second at most, however many ask for it.
asio::awaitable<HttpResponse> sessions(Server& server, const StatusFeed& feed) {
    const auto cache = feed.session_list();
    const auto now = pool::Clock::now();
    if (now - cache->asked >= session_list_age) {
        cache->asked = now;
        server.view_sessions([cache](const std::vector<SessionView>& views) {
            cache->json = sessions_json(views, pool::Clock::now());
            cache->made = pool::Clock::now();
        });
    }
    asio::steady_timer timer(server.io());
    // Workers answer at once; one that does not is no reason to keep this waiting.
    const auto limit = now + std::chrono::seconds(2);
    while (cache->made < cache->asked && pool::Clock::now() < limit) {
        timer.expires_after(std::chrono::milliseconds(2));
        co_await timer.async_wait(pool::use_op);
    }
    if (cache->made < cache->asked) co_return json_error(503, "the workers have not answered");
    co_return json_response(cache->json);
}

const Page* find_page(std::string_view path) {
    for (const auto& page : pages) {
        if (page.path == path) return &page;
    }
    return nullptr;
}

}  // namespace

bool is_public_path(std::string_view path) {
    const auto* const page = find_page(path);
    return page != nullptr && page->is_public;
}

asio::awaitable<HttpResponse> answer_request(
    Server& server, StatusFeed& feed, const HttpRequest& request, bool trusted
) {
    if (request.path == "/api/v1/sessions") co_return co_await sessions(server, feed);
    const PageContext context{server, feed, request, trusted};
    if (request.path.starts_with(queries_path)) {
        co_return query(context, std::string_view(request.path).substr(queries_path.size()));
    }
    const auto* const page = find_page(request.path);
    if (page == nullptr) {
        co_return request.path.starts_with("/api/") ? json_error(404, "no such path")
                                                    : text_response(404, "no such page\n");
    }
    co_return page->answer(context);
}

}  // namespace weir::proxy
