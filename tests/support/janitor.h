// Cleans up behind a test program that dies: a small process of its own that, when the test
// program is gone, kills the processes and removes the directories told to it.
#pragma once

#include <filesystem>
#include <sys/types.h>

namespace weir::test::janitor {

// Each pair brackets the life of one process or directory. The first call starts the janitor;
// it must be made while the program has one thread.
void watch(pid_t pid);
void forget(pid_t pid);
void watch(const std::filesystem::path& directory);
void forget(const std::filesystem::path& directory);

}  // namespace weir::test::janitor
