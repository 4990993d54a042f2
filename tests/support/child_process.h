// Child processes of a test: servers in the background and commands run to their end.
#pragma once

#include "tests/support/deadline.h"

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace weir::test {

struct CommandLine {
    std::vector<std::string> arguments;  // the first one is the program, searched in PATH
    std::map<std::string, std::string> environment;  // in addition to ours
    std::string user;                                // "" = ours
    // Sent by the kernel when the test program dies.
    int signal_at_our_death = 9;
};

// How a process ended, as waitpid says it.
struct ExitStatus {
    int code = -1;   // -1 if a signal ended it
    int signal = 0;  // 0 if it ended by itself

    bool good() const { return code == 0; }

    std::string text() const;
};

// A running process; killed and waited for by the destructor. Not copied, not moved.
class ChildProcess {
public:
    // Standard output and error both go to `log`; standard input is empty.
    ChildProcess(CommandLine command, std::filesystem::path log);
    ~ChildProcess();
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;

    pid_t pid() const { return pid_; }

    // Stays true after the end, once it was seen.
    bool ended();
    void signal(int number) const;
    // Throws if it does not end in time.
    ExitStatus wait(std::chrono::milliseconds wait = std::chrono::seconds(60));
    std::string output() const;

    const std::filesystem::path& log() const { return log_; }

    const std::string& name() const { return name_; }

private:
    std::string name_;
    std::filesystem::path log_;
    pid_t pid_ = -1;
    std::optional<ExitStatus> status_;
};

struct CommandResult {
    ExitStatus status;
    std::string output;  // standard output and error
};

// Runs to the end; throws only if it does not end in time.
CommandResult run_command(
    const CommandLine& command, std::chrono::milliseconds wait = std::chrono::seconds(60)
);

// As run_command, but throws with the output unless the exit code is 0.
std::string run_or_throw(
    const CommandLine& command, std::chrono::milliseconds wait = std::chrono::seconds(60)
);

// A TCP port of 127.0.0.1 that was free a moment ago.
int free_port();

// Figures of a process from /proc.
long resident_kib(pid_t pid);
int open_descriptors(pid_t pid);

}  // namespace weir::test
