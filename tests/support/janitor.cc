#include "tests/support/janitor.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <set>
#include <stdexcept>
#include <string>
#include <sys/prctl.h>
#include <unistd.h>

namespace weir::test::janitor {
namespace {

struct Watched {
    std::set<pid_t> pids;
    std::set<std::string> directories;
};

// One line each: 'P' pid, 'p' forget pid, 'D' directory, 'd' forget directory.
void take(Watched& watched, const std::string& line) {
    if (line.size() < 2) return;
    const std::string rest = line.substr(1);
    switch (line[0]) {
        case 'P':
            watched.pids.insert(std::atoi(rest.c_str()));
            break;
        case 'p':
            watched.pids.erase(std::atoi(rest.c_str()));
            break;
        case 'D':
            watched.directories.insert(rest);
            break;
        case 'd':
            watched.directories.erase(rest);
            break;
        default:
            break;
    }
}

void clean(const Watched& watched) {
    // SIGQUIT is PostgreSQL's immediate shutdown, which takes its backends along.
    for (const pid_t pid : watched.pids)
        ::kill(pid, SIGQUIT);
    if (!watched.pids.empty()) ::sleep(1);
    for (const pid_t pid : watched.pids)
        ::kill(pid, SIGKILL);
    for (const auto& directory : watched.directories) {
        std::error_code ignored;
        std::filesystem::remove_all(directory, ignored);
    }
}

[[noreturn]] void serve(int read_end) {
    // A Ctrl-C in the terminal is for the test program; its end is what counts here.
    ::setsid();
    ::prctl(PR_SET_NAME, "weir-janitor");
    // ctest waits for the end of a test's output: the janitor must not hold it open.
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; ++fd)
        ::dup2(null, fd);
    Watched watched;
    std::string line;
    char c = 0;
    while (::read(read_end, &c, 1) == 1) {
        if (c != '\n') {
            line.push_back(c);
            continue;
        }
        take(watched, line);
        line.clear();
    }
    clean(watched);
    ::_exit(0);
}

int start() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
    const pid_t pid = ::fork();
    if (pid < 0) throw std::runtime_error("fork failed");
    if (pid == 0) {
        ::close(ends[1]);
        serve(ends[0]);
    }
    ::close(ends[0]);
    return ends[1];
}

void tell(const std::string& line) {
    static const int pipe = start();
    if (::write(pipe, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
        throw std::runtime_error("the janitor is gone");
    }
}

}  // namespace

void watch(pid_t pid) {
    tell("P" + std::to_string(pid) + "\n");
}

void forget(pid_t pid) {
    tell("p" + std::to_string(pid) + "\n");
}

void watch(const std::filesystem::path& directory) {
    tell("D" + directory.string() + "\n");
}

void forget(const std::filesystem::path& directory) {
    tell("d" + directory.string() + "\n");
}

}  // namespace weir::test::janitor
