// The two text forms of /metrics. Prometheus' own is prometheus-cpp's; OpenMetrics differs in what
// counters are called, and in how it ends.
#include "proxy/metrics.h"

#include <fmt/format.h>
#include <prometheus/text_serializer.h>

#include <cmath>

namespace weir::proxy {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\') out += "\\\\";
        if (c == '"') out += "\\\"";
        if (c == '\n') out += "\\n";
        if (c != '\\' && c != '"' && c != '\n') out += c;
    }
    return out;
}

std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    return fmt::format("{}", value);
}

void add_line(
    std::string& out,
    std::string_view name,
    const ClientMetric& metric,
    std::string_view more,
    std::string_view value
) {
    out += name;
    std::string labels;
    for (const auto& label : metric.label) {
        if (!labels.empty()) labels += ',';
        labels += fmt::format("{}=\"{}\"", label.name, escaped(label.value));
    }
    if (!more.empty()) labels.append(labels.empty() ? "" : ",").append(more);
    if (!labels.empty()) out.append("{").append(labels).append("}");
    out.append(" ").append(value).append("\n");
}

void add_histogram(std::string& out, const std::string& name, const ClientMetric& metric) {
    for (const auto& bucket : metric.histogram.bucket) {
        const auto bound = fmt::format("le=\"{}\"", number(bucket.upper_bound));
        add_line(
            out,
            name + "_bucket",
            metric,
            bound,
            number(static_cast<double>(bucket.cumulative_count))
        );
    }
    add_line(out, name + "_sum", metric, {}, number(metric.histogram.sample_sum));
    add_line(
        out, name + "_count", metric, {}, number(static_cast<double>(metric.histogram.sample_count))
    );
}

void add_family(std::string& out, const MetricFamily& family) {
    constexpr std::string_view total = "_total";
    const bool counter = family.type == MetricType::Counter;
    const bool histogram = family.type == MetricType::Histogram;
    std::string_view name = family.name;
    if (counter && name.ends_with(total)) name.remove_suffix(total.size());
    out += fmt::format(
        "# TYPE {} {}\n# HELP {} {}\n",
        name,
        counter     ? "counter"
        : histogram ? "histogram"
                    : "gauge",
        name,
        escaped(family.help)
    );
    for (const auto& metric : family.metric) {
        if (histogram) {
            add_histogram(out, family.name, metric);
        } else if (counter) {
            add_line(
                out,
                std::string(name) + std::string(total),
                metric,
                {},
                number(metric.counter.value)
            );
        } else {
            add_line(out, name, metric, {}, number(metric.gauge.value));
        }
    }
}

}  // namespace

MetricFormat metric_format(std::string_view accept) {
    return accept.find("application/openmetrics-text") != std::string_view::npos
               ? MetricFormat::openmetrics
               : MetricFormat::prometheus_text;
}

std::string_view content_type(MetricFormat format) {
    return format == MetricFormat::openmetrics
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

std::string metrics_text(
    const std::vector<prometheus::MetricFamily>& families, MetricFormat format
) {
    if (format == MetricFormat::prometheus_text) {
        return prometheus::TextSerializer().Serialize(families);
    }
    std::string out;
    for (const auto& family : families)
        add_family(out, family);
    return out + "# EOF\n";
}

}  // namespace weir::proxy
