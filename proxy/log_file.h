// Where the log goes: stderr, a file, or both.
#pragma once

#include "conf/settings.h"

namespace weir::proxy {

// Makes the process's logger: one thread writes; when a disk is slow, old lines are dropped and no
// worker waits. Throws spdlog::spdlog_ex if the file cannot be opened. Call once, before other
// threads log.
void open_log(const conf::Settings& settings, bool to_stderr);

// Closes the log file and opens the one that has its name now (after a rotation). Any thread.
void reopen_log();

}  // namespace weir::proxy
