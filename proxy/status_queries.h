// /api/v1/queries and /api/v1/errors: statements that have finished, and what clients were told, as
// JSON. Of statements there are fingerprints and their text without values, nothing else.
#pragma once

#include "proxy/query_stats.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::proxy {

// "1m", "5m", "15m", "all"; nothing for other texts.
std::optional<QueryWindow> query_window(std::string_view text);

// 16 hexadecimal digits; nothing for other texts.
std::optional<std::uint64_t> parse_fingerprint(std::string_view text);

// The `most` rows with the most total time, the longest first; they are those of `rows`.
std::vector<const QueryRow*> top_queries(const std::vector<QueryRow>& rows, std::size_t most);

// At most most_queries rows, those with the most total time. `enabled`: query_stats.
inline constexpr std::size_t most_queries = 200;
std::string queries_json(
    const std::vector<QueryRow>& rows, std::chrono::duration<double> length, bool enabled
);

// All that is known of one fingerprint, since the start. REQUIRES: at least one row, all of the
// same one. At most most_queries users; the sums are of all.
std::string query_json(const std::vector<QueryRow>& rows);

// At most most_errors rows, those that came most often.
inline constexpr std::size_t most_errors = 200;
std::string errors_json(std::vector<ErrorRow> rows);

}  // namespace weir::proxy
