#include "proxy/otlp_json.h"

#include "proxy/slow_log_format.h"
#include "proxy/version.h"

#include <fmt/format.h>

#include <algorithm>

namespace weir::proxy {

namespace {

// opentelemetry.proto.trace.v1
enum SpanKind : int { internal = 1, server = 2, client = 3 };

constexpr int status_error = 2;
// Span.flags: bit 0 sampled, bit 8 "it is known whether the parent is remote", bit 9 "it is".
constexpr unsigned sampled = 0x001;
constexpr unsigned parent_is_local = 0x100;
constexpr unsigned parent_is_remote = 0x300;

// Of db.query.text: a batch stays small enough for any collector.
constexpr std::size_t longest_text = 4096;

// {"key":...,"value":...} with commas between them.
class Attributes {
public:
    Attributes& text(std::string_view key, std::string_view value) {
        return add(key, fmt::format(R"({{"stringValue":{}}})", json_quote(value)));
    }

    // Nothing if there is nothing.
    Attributes& text_if(std::string_view key, std::string_view value) {
        return value.empty() ? *this : text(key, value);
    }

    // 64-bit integers are strings in the JSON of protobuf.
    Attributes& number(std::string_view key, std::uint64_t value) {
        return add(key, fmt::format(R"({{"intValue":"{}"}})", value));
    }

    std::string list() const { return "[" + out_ + "]"; }

private:
    Attributes& add(std::string_view key, std::string_view value) {
        if (!out_.empty()) out_ += ',';
        out_ += fmt::format(R"({{"key":"{}","value":{}}})", key, value);
        return *this;
    }

    std::string out_;
};

// Of one statement, in nanoseconds since the epoch.
struct Times {
    std::uint64_t start = 0, sent = 0, end = 0;
};

Times times_of(const SlowStatement& s) {
    using std::chrono::nanoseconds;
    const auto ended = std::chrono::duration_cast<nanoseconds>(s.ended.time_since_epoch()).count();
    Times times;
    times.end = static_cast<std::uint64_t>(std::max<std::int64_t>(ended, 0));
    times.start = times.end - std::min(times.end, s.duration * 1000);
    times.sent = std::min(times.end, times.start + s.sent * 1000);
    return times;
}

// What both the SERVER and the CLIENT span have.
void describe_statement(Attributes& out, const SlowStatement& s, std::string_view command) {
    out.text("db.system.name", "postgresql")
        .text("db.namespace", s.database)
        .text("db.query.summary", command);
    if (s.fingerprint != nullptr) {
        out.text("db.query.text", std::string_view(s.fingerprint->text).substr(0, longest_text))
            .text("pgweir.fingerprint", router::fingerprint_text(s.fingerprint->id));
    }
    out.text_if("db.response.status_code", s.sqlstate).text_if("error.type", s.sqlstate);
}

void describe_request(Attributes& out, const SlowStatement& s) {
    out.text("pgweir.user", s.user)
        .text_if("pgweir.application", s.application)
        .number("pgweir.client.id", s.client_id)
        .number("pgweir.rows", s.rows)
        .number("pgweir.received_bytes", s.bytes_in)
        .number("pgweir.sent_bytes", s.bytes_out)
        .number("pgweir.retries", s.retries)
        .text_if("pgweir.route.reason", s.route_reason);
    if (!s.server_address.empty()) {
        out.text("pgweir.route.role", s.on_replica ? "replica" : "primary");
    }
    if (!s.address.empty()) {
        out.text("client.address", s.address)
            .number("client.port", static_cast<std::uint64_t>(s.port));
    }
}

void describe_server(Attributes& out, const SlowStatement& s) {
    // A Unix socket has no port that anybody could reach.
    out.text("server.address", s.server_address).text("network.peer.address", s.server_address);
    if (!s.server_address.starts_with('/') && s.server_port > 0) {
        const auto port = static_cast<std::uint64_t>(s.server_port);
        out.number("server.port", port).number("network.peer.port", port);
    }
    out.number("pgweir.server.process_id", s.server_process);
}

class StatementSpans {
public:
    StatementSpans(const SlowStatement& statement, TraceIds& ids, OtlpRequest& out)
        : s_(statement),
          ids_(ids),
          out_(out),
          times_(times_of(statement)),
          command_(
              statement.fingerprint == nullptr ? "SQL" : command_of(statement.fingerprint->text)
          ),
          traced_(!statement.traceparent.empty()),
          trace_id_(traced_ ? statement.traceparent.substr(3, 32) : ids.trace_id()),
          span_id_(ids.span_id()) {}

    void write() {
        Attributes whole;
        describe_statement(whole, s_, command_);
        describe_request(whole, s_);
        const auto parent = traced_ ? s_.traceparent.substr(36, 16) : std::string();
        span(command_, server, span_id_, parent, times_.start, times_.end, whole);
        if (s_.wait > 0) {
            const auto begun = times_.sent - std::min(times_.sent - times_.start, s_.wait * 1000);
            child("wait for a server", internal, begun, times_.sent, {});
        }
        if (s_.sent < s_.duration && !s_.server_address.empty()) {
            Attributes run;
            describe_statement(run, s_, command_);
            describe_server(run, s_);
            const auto end = std::min(times_.end, times_.sent + s_.server * 1000);
            child(command_, client, times_.sent, end, run);
        }
        if (s_.client > 0) {
            const auto begun = times_.end - std::min(times_.end - times_.start, s_.client * 1000);
            child("client takes the answer", internal, begun, times_.end, {});
        }
    }

private:
    void child(
        std::string_view name,
        SpanKind kind,
        std::uint64_t start,
        std::uint64_t end,
        const Attributes& attributes
    ) {
        span(name, kind, ids_.span_id(), span_id_, start, end, attributes);
    }

    void span(
        std::string_view name,
        SpanKind kind,
        std::string_view id,
        std::string_view parent,
        std::uint64_t start,
        std::uint64_t end,
        const Attributes& attributes
    ) {
        auto& json = out_.json;
        if (out_.spans++ > 0) json += ',';
        json += fmt::format(R"({{"traceId":"{}","spanId":"{}",)", trace_id_, id);
        if (!parent.empty()) json += fmt::format(R"("parentSpanId":"{}",)", parent);
        const auto where = kind == server && traced_ ? parent_is_remote : parent_is_local;
        json += fmt::format(
            R"("flags":{},"name":{},"kind":{},"startTimeUnixNano":"{}","endTimeUnixNano":"{}",)"
            R"("attributes":{})",
            sampled | where,
            json_quote(name),
            static_cast<int>(kind),
            start,
            end,
            attributes.list()
        );
        // Unset is what is not there.
        if (!s_.sqlstate.empty() && kind != internal) {
            json += fmt::format(
                R"(,"status":{{"code":{},"message":{}}})",
                status_error,
                json_quote("SQLSTATE " + s_.sqlstate)
            );
        }
        json += '}';
    }

    const SlowStatement& s_;
    TraceIds& ids_;
    OtlpRequest& out_;
    const Times times_;
    const std::string command_;
    const bool traced_;
    const std::string trace_id_, span_id_;
};

std::string resource_attributes(const OtlpResource& resource) {
    Attributes attributes;
    attributes.text("service.name", resource.service_name)
        .text("service.version", version())
        .text("service.instance.id", resource.instance)
        .text_if("host.name", resource.host_name)
        .number("process.pid", static_cast<std::uint64_t>(resource.process_id));
    return attributes.list();
}

}  // namespace

std::uint64_t TraceIds::seed() {
    std::random_device device;
    return (std::uint64_t{device()} << 32U) ^ device();
}

std::string TraceIds::span_id() {
    std::uint64_t id = 0;
    while (id == 0)
        id = random_();
    return fmt::format("{:016x}", id);
}

std::string command_of(std::string_view text) {
    for (;;) {
        const auto word = text.find_first_not_of(" \t\r\n\f\v(");
        text.remove_prefix(std::min(word, text.size()));
        const bool block = text.starts_with("/*");
        if (!block && !text.starts_with("--")) break;
        const auto end = text.find(block ? "*/" : "\n");
        if (end == std::string_view::npos) return "SQL";
        text.remove_prefix(end + (block ? 2 : 1));
    }
    constexpr std::size_t longest = 20;
    std::string command;
    for (const char c : text.substr(0, longest)) {
        const bool lower = c >= 'a' && c <= 'z';
        if (!lower && !(c >= 'A' && c <= 'Z')) break;
        command += lower ? static_cast<char>(c - 'a' + 'A') : c;
    }
    return command.empty() ? "SQL" : command;
}

OtlpRequest otlp_request(
    std::span<const SlowStatement> statements, const OtlpResource& resource, TraceIds& ids
) {
    OtlpRequest request;
    request.json = fmt::format(
        R"({{"resourceSpans":[{{"resource":{{"attributes":{}}},)"
        R"("scopeSpans":[{{"scope":{{"name":"pgweir","version":{}}},"spans":[)",
        resource_attributes(resource),
        json_quote(version())
    );
    for (const auto& statement : statements)
        StatementSpans(statement, ids, request).write();
    request.json += "]}]}]}";
    return request;
}

}  // namespace weir::proxy
