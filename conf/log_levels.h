// How much of each part of pgweir is logged: the setting log_level, on top of verbose.
#pragma once

#include "conf/settings.h"
#include "conf/value.h"

#include <array>
#include <cstddef>

namespace weir::conf {

enum class LogComponent : std::uint8_t {
    process,        // start, stop, configuration, signals, statistics
    clients,        // who comes and goes, and what they are told
    pool,           // server connections
    routing,        // clusters and their hosts
    catalog,        // what is read of a database's catalog
    pins,           // clients that keep their servers
    notifications,  // LISTEN
    console,
    http,
};

inline constexpr std::array<std::string_view, 9> log_components{
    "process", "clients", "pool", "routing", "catalog", "pins", "notifications", "console", "http"};

// The same order as spdlog's.
enum class LogLevel : std::uint8_t { trace, debug, info, warning, error, off };

inline constexpr std::array<std::string_view, 6> log_level_names{
    "trace", "debug", "info", "warning", "error", "off"};

using LogLevels = std::array<LogLevel, log_components.size()>;

// Items of log_level: "debug" for all components, "pool=debug" for one. What none names has the
// level that `verbose` says; of several for the same the last one counts, and one component's goes
// before that of all. In any case.
Read<LogLevels> read_log_levels(const std::vector<std::string>& items, int verbose);

}  // namespace weir::conf
