// The metrics: one table says which there are, one function fills them from a StatusSnapshot.
//
// metrics.cc         the table, and the text forms
// metrics_collect.cc filling it
// metrics_pgbouncer.cc the names of PgBouncer's exporter (metrics_pgbouncer = true)
//
// The dashboard and the alert rules in conf/monitoring and the reference are checked against the
// table (pgweir --list-metrics). Labels are bounded: names of databases and users up to
// metrics_max_pools pools, the rest is added up under "_other"; hosts and reasons are few.
#pragma once

#include "conf/settings.h"
#include "proxy/status_snapshot.h"

#include <prometheus/metric_family.h>

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir::proxy {

enum class MetricKind : std::uint8_t { counter, gauge, histogram, info };

struct MetricDescriptor {
    std::string_view name;  // as Prometheus has it: a counter ends in _total
    MetricKind kind;
    std::string_view labels;  // between commas, in order
    std::string_view help;
};

std::string_view to_string(MetricKind kind);

// All of them, those of metrics_pgbouncer last.
std::span<const MetricDescriptor> metric_table();
std::span<const MetricDescriptor> pgbouncer_metric_table();

// Adds samples to families that the table knows. REQUIRES of each function: `name` stands in the
// table given, with as many labels as there are values.
class MetricCollector {
public:
    explicit MetricCollector(std::span<const MetricDescriptor> table);

    using Labels = std::initializer_list<std::string_view>;

    void add(std::string_view name, Labels values, double value);
    // `bounds` in ascending order, `counts` not cumulative and one more than bounds.
    void add_histogram(
        std::string_view name,
        Labels values,
        std::span<const double> bounds,
        std::span<const std::uint64_t> counts,
        double sum
    );

    // Those with samples, in the table's order.
    std::vector<prometheus::MetricFamily> take();

private:
    prometheus::ClientMetric& sample(std::string_view name, Labels values);

    std::span<const MetricDescriptor> table_;
    std::map<std::string_view, std::size_t> places_;  // in the table
    std::vector<prometheus::MetricFamily> families_;
};

std::vector<prometheus::MetricFamily> collect_metrics(
    const StatusSnapshot& snapshot, const conf::Settings& settings
);

// The families under the names of PgBouncer's exporter.
std::vector<prometheus::MetricFamily> collect_pgbouncer_metrics(
    const StatusSnapshot& snapshot, const conf::Settings& settings
);

enum class MetricFormat { prometheus_text, openmetrics };

// By the Accept field of a request: OpenMetrics where it is asked for.
MetricFormat metric_format(std::string_view accept);
std::string_view content_type(MetricFormat format);
std::string metrics_text(
    const std::vector<prometheus::MetricFamily>& families, MetricFormat format
);

// Pools with series of their own: the first `most`, and one made of the rest.
std::vector<PoolStatus> bounded_pools(std::vector<PoolStatus> pools, std::size_t most);

}  // namespace weir::proxy
