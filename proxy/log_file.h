// Where the log goes: stderr, a file, or both.
#pragma once

#include "conf/log_levels.h"

namespace weir::proxy {

// Makes the process's logger. One thread writes, in batches, so that a line costs its formatting
// and neither a system call nor a wake-up of its own; when a disk is slow, lines are dropped and
// counted, and no worker waits. Throws spdlog::spdlog_ex if the file cannot be opened. Call once,
// before other threads log; spdlog::shutdown() writes what is left.
void open_log(const conf::Settings& settings, bool to_stderr);

// Which lines of each component are written. Any thread.
void set_log_levels(const conf::LogLevels& levels);

// Closes the log file and opens the one that has its name now (after a rotation). Any thread.
void reopen_log();

}  // namespace weir::proxy
