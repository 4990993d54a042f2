// Spans of traced statements as OTLP/HTTP wants them: ExportTraceServiceRequest as JSON.
//
// A statement is a span of kind SERVER, the child of what its traceparent names, with up to three
// children: the wait for a server (INTERNAL), the server's own time (CLIENT), and the time in which
// the client did not take its answer (INTERNAL). Attributes: OpenTelemetry's for databases and
// networks where there is one, else pgweir.*. No value of a statement is in them.
#pragma once

#include "proxy/slow_log.h"

#include <cstdint>
#include <random>
#include <span>
#include <string>

namespace weir::proxy {

// Who sends: the resource.
struct OtlpResource {
    std::string service_name;
    std::string instance;  // service.instance.id
    std::string host_name;
    long process_id = 0;
};

// Ids by chance, never 0. Not for secrets.
class TraceIds {
public:
    TraceIds() : random_(seed()) {}

    // Always the same ones, for tests.
    explicit TraceIds(std::uint64_t seed) : random_(seed) {}

    // 16 hexadecimal digits.
    std::string span_id();

    // 32 of them.
    std::string trace_id() { return span_id() + span_id(); }

private:
    static std::uint64_t seed();

    std::mt19937_64 random_;
};

// `spans`: how many there are in it.
struct OtlpRequest {
    std::string json;
    std::size_t spans = 0;
};

OtlpRequest otlp_request(
    std::span<const SlowStatement> statements, const OtlpResource& resource, TraceIds& ids
);

// The command that a statement's normalised text begins with ("SELECT"), behind comments; "SQL" if
// it begins with no word.
std::string command_of(std::string_view text);

}  // namespace weir::proxy
