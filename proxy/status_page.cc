#include "proxy/status_page.h"

#include "proxy/log.h"
#include "proxy/web/files.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <ctime>

namespace weir::proxy {

namespace {

using Digest = std::array<unsigned char, 32>;

Digest sha256(std::string_view text) {
    Digest digest{};
    EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
    return digest;
}

// As a Content-Security-Policy has it.
std::string policy_hash(std::string_view text) {
    const auto digest = sha256(text);
    std::array<unsigned char, 64> base64{};
    const auto size = EVP_EncodeBlock(base64.data(), digest.data(), digest.size());
    return "'sha256-" +
           std::string(
               reinterpret_cast<const char*>(base64.data()), static_cast<std::size_t>(size)
           ) +
           "'";
}

void replace(std::string& text, std::string_view mark, std::string_view by) {
    text.replace(text.find(mark), mark.size(), by);
}

struct BuiltPage {
    std::shared_ptr<const std::string> plain, compressed;
    std::string etag, policy;
};

// Once: it never changes while the process runs.
const BuiltPage& built_page() {
    static const BuiltPage built = [] {
        const auto css = std::string(web::chart_css()).append(web::status_css());
        const auto js = std::string(web::chart_js()).append(web::status_js());
        std::string html(web::status_html());
        replace(html, "@css@", css);
        replace(html, "@js@", js);
        BuiltPage page;
        page.policy = fmt::format(
            "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            policy_hash(js),
            policy_hash(css)
        );
        constexpr std::size_t etag_bytes = 8;
        const auto digest = sha256(html);
        for (std::size_t i = 0; i < etag_bytes; ++i)
            page.etag += fmt::format("{:02x}", digest[i]);
        page.etag = '"' + page.etag + '"';
        page.compressed = std::make_shared<const std::string>(gzip(html, 9));
        page.plain = std::make_shared<const std::string>(std::move(html));
        return page;
    }();
    return built;
}

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : printable(text)) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

// --- tables ---

std::string time_of_day(EpochTime time) {
    const std::time_t seconds = time / 1000;
    std::tm parts{};
    std::array<char, 32> text{};
    if (::gmtime_r(&seconds, &parts) == nullptr) return {};
    return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%SZ", &parts)};
}

class TableWriter {
public:
    TableWriter(std::string title, std::initializer_list<std::string_view> columns) {
        text_ = "<h2>" + title + "</h2>\n<table><thead><tr>";
        for (const auto column : columns)
            text_.append("<th scope=\"col\">").append(column).append("</th>");
        text_ += "</tr></thead>\n<tbody>\n";
    }

    void row(std::initializer_list<std::string> cells) {
        text_ += "<tr>";
        for (const auto& cell : cells)
            text_.append("<td>").append(escaped(cell)).append("</td>");
        text_ += "</tr>\n";
        empty_ = false;
    }

    std::string end() const {
        return text_ + (empty_ ? "<tr><td>none</td></tr>\n" : "") + "</tbody></table>\n";
    }

private:
    std::string text_;
    bool empty_ = true;
};

std::string number(double value) {
    return fmt::format("{:.0f}", value);
}

std::string problems_table(const StatusHistory& history) {
    TableWriter table("Problems", {"severity", "part", "what", "since", "next"});
    for (const auto& [problem, since] : history.problems()) {
        table.row(
            {std::string(to_string(problem.severity)),
             problem.part,
             problem.what,
             time_of_day(since),
             problem.hint}
        );
    }
    return table.end();
}

std::string pools_table(const StatusSnapshot& snapshot, const StatusHistory& history) {
    TableWriter table(
        "Pools",
        {"database",
         "user",
         "host",
         "busy",
         "idle",
         "size",
         "peak busy",
         "waiting",
         "longest wait, ms",
         "queries/s",
         "query, us"}
    );
    for (const auto& pool : snapshot.pools) {
        const auto now = history.pool(pool.database, pool.user);
        for (const auto& host : pool.hosts) {
            table.row(
                {pool.database,
                 pool.user,
                 host.host,
                 std::to_string(host.busy()),
                 std::to_string(host.idle + host.used),
                 host.size == 0 ? "no limit" : std::to_string(host.size),
                 std::to_string(now.peak_busy),
                 std::to_string(host.waiting),
                 std::to_string(host.longest_wait.count() / 1000),
                 number(now.queries),
                 number(now.query_time)}
            );
        }
    }
    return table.end();
}

std::string hosts_table(const StatusSnapshot& snapshot, const StatusHistory& history) {
    TableWriter table(
        "Hosts",
        {"cluster",
         "host",
         "role",
         "state",
         "reason",
         "lag, ms",
         "lag, bytes",
         "servers",
         "requests/s",
         "latency, us"}
    );
    for (const auto& host : snapshot.hosts) {
        const auto& lag = host.view.lag;
        table.row(
            {host.cluster,
             host.address,
             std::string(pool::text(host.view.role)),
             std::string(pool::text(host.view.state)),
             std::string(pool::text(host.view.reason)),
             lag.time ? std::to_string(lag.time->count()) : "",
             lag.bytes ? std::to_string(*lag.bytes) : "",
             std::to_string(host.servers),
             number(history.host(host.cluster, host.address).queries),
             std::to_string(host.latency)}
        );
    }
    return table.end();
}

std::string queries_table(const std::vector<const QueryRow*>& queries) {
    TableWriter table(
        "Statements of the last 15 minutes, by their total time",
        {"statement",
         "fingerprint",
         "database",
         "user",
         "calls",
         "failed",
         "total, ms",
         "mean, ms",
         "p95, ms",
         "max, ms",
         "rows"}
    );
    const auto fraction = [](double value) {
        return fmt::format("{:.3f}", value);
    };
    for (const auto* shown : queries) {
        const auto& row = *shown;
        table.row(
            {std::string(row.text()),
             row.is_other() ? std::string() : router::fingerprint_text(row.fingerprint->id),
             row.database,
             row.user,
             std::to_string(row[QueryCounter::calls]),
             std::to_string(row[QueryCounter::failed_calls]),
             fraction(row.total_ms()),
             fraction(row.mean_ms()),
             fraction(row.quantile_ms(0.95)),
             fraction(static_cast<double>(row.max_time) / 1e6),
             std::to_string(row[QueryCounter::rows])}
        );
    }
    return table.end();
}

std::string events_table(const StatusHistory& history) {
    TableWriter table("Events", {"time", "kind", "what"});
    for (auto event = history.events().rbegin(); event != history.events().rend(); ++event)
        table.row({time_of_day(event->time), event->kind, event->text});
    return table.end();
}

constexpr std::string_view tables_css =
    "body{font:15px/1.4 system-ui,sans-serif;margin:1rem}table{border-collapse:collapse}"
    "td,th{border:1px solid #888;padding:.15rem .5rem;text-align:left}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#eee}a{color:#8cf}}";

}  // namespace

HttpResponse status_page(const HttpRequest& request) {
    const auto& built = built_page();
    HttpResponse response;
    response.type = "text/html; charset=utf-8";
    response.etag = built.etag;
    response.content_security_policy = built.policy;
    if (request.if_none_match == built.etag) {
        response.status = 304;
    } else if (accepts_gzip(request)) {
        response.encoding = "gzip";
        response.shared_body = built.compressed;
    } else {
        response.shared_body = built.plain;
    }
    return response;
}

HttpResponse status_tables(
    const StatusSnapshot& snapshot,
    const StatusHistory& history,
    const std::vector<const QueryRow*>& queries
) {
    HttpResponse response;
    response.type = "text/html; charset=utf-8";
    response.content_security_policy =
        "default-src 'none'; style-src " + policy_hash(tables_css) + "; frame-ancestors 'none'";
    const bool well = history.problems().empty();
    response.body = fmt::format(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width\">"
        "<title>pgweir: tables</title><style>{}</style></head><body><main>\n"
        "<h1>pgweir: {}, since {}</h1>\n<p>{} of {} clients. {}. <a href=\"/tables\">Again</a>, "
        "<a href=\"/\">with graphs</a>.</p>\n",
        tables_css,
        well ? "all is well" : to_string(history.problems().front().problem.severity),
        time_of_day(history.health_since()),
        snapshot.clients,
        snapshot.max_clients,
        time_of_day(epoch_time(snapshot.time))
    );
    response.body += problems_table(history) + pools_table(snapshot, history) +
                     hosts_table(snapshot, history) + queries_table(queries) +
                     events_table(history) + "</main></body></html>\n";
    return response;
}

}  // namespace weir::proxy
