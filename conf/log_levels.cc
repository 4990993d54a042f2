#include "conf/log_levels.h"

#include <algorithm>
#include <optional>

namespace weir::conf {

namespace {

template <std::size_t count>
std::optional<std::size_t> place_in(
    const std::array<std::string_view, count>& names, std::string_view name
) {
    const auto found = std::find(names.begin(), names.end(), to_lower(trim(name)));
    if (found == names.end()) return std::nullopt;
    return static_cast<std::size_t>(found - names.begin());
}

template <std::size_t count>
std::string names_in(const std::array<std::string_view, count>& names) {
    std::string list;
    for (const auto name : names)
        list.append(list.empty() ? "" : ", ").append(name);
    return list;
}

}  // namespace

Read<LogLevels> read_log_levels(const std::vector<std::string>& items, int verbose) {
    auto general = verbose <= 0 ? LogLevel::info : verbose == 1 ? LogLevel::debug : LogLevel::trace;
    std::array<std::optional<LogLevel>, log_components.size()> own;
    for (const std::string_view item : items) {
        const auto equals = item.find('=');
        const auto level = place_in(
            log_level_names, equals == std::string_view::npos ? item : item.substr(equals + 1)
        );
        if (!level) {
            return {
                .value = {},
                .wrong = "has \"" + std::string(item) +
                         "\", which names no level; allowed: " + names_in(log_level_names)};
        }
        if (equals == std::string_view::npos) {
            general = static_cast<LogLevel>(*level);
            continue;
        }
        const auto component = place_in(log_components, item.substr(0, equals));
        if (!component) {
            return {
                .value = {},
                .wrong = "has \"" + std::string(item) +
                         "\", which names no component; allowed: " + names_in(log_components)};
        }
        own[*component] = static_cast<LogLevel>(*level);
    }
    LogLevels levels{};
    for (std::size_t i = 0; i < levels.size(); ++i)
        levels[i] = own[i].value_or(general);
    return {.value = levels, .wrong = {}};
}

}  // namespace weir::conf
