#include "tests/support/child_process.h"

#include "tests/support/janitor.h"
#include "tests/support/temp_dir.h"

#include <arpa/inet.h>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <random>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace weir::test {
namespace {

void become(const std::string& user) {
    const passwd* entry = ::getpwnam(user.c_str());
    if (entry == nullptr || ::initgroups(user.c_str(), entry->pw_gid) != 0 ||
        ::setgid(entry->pw_gid) != 0 || ::setuid(entry->pw_uid) != 0) {
        ::_exit(126);
    }
    ::setenv("HOME", entry->pw_dir, 1);
}

[[noreturn]] void run_child(const CommandLine& command, const std::filesystem::path& log) {
    const int in = ::open("/dev/null", O_RDONLY);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (in < 0 || out < 0) ::_exit(125);
    ::dup2(in, 0);
    ::dup2(out, 1);
    ::dup2(out, 2);
    // Out of reach of the terminal's Ctrl-C: the test program stops its children in order.
    ::setpgid(0, 0);
    if (!command.user.empty()) become(command.user);
    // After become(): a change of user clears it.
    ::prctl(PR_SET_PDEATHSIG, command.signal_at_our_death);
    for (const auto& [name, value] : command.environment) {
        ::setenv(name.c_str(), value.c_str(), 1);
    }
    std::vector<char*> arguments;
    for (const auto& argument : command.arguments) {
        arguments.push_back(const_cast<char*>(argument.c_str()));
    }
    arguments.push_back(nullptr);
    ::execvp(arguments[0], arguments.data());
    ::dprintf(2, "cannot run %s: %s\n", arguments[0], std::strerror(errno));
    ::_exit(127);
}

ExitStatus decode(int status) {
    if (WIFEXITED(status)) return ExitStatus{WEXITSTATUS(status), 0};
    return ExitStatus{-1, WTERMSIG(status)};
}

}  // namespace

std::string ExitStatus::text() const {
    return signal != 0 ? "signal " + std::to_string(signal) : "exit code " + std::to_string(code);
}

ChildProcess::ChildProcess(CommandLine command, std::filesystem::path log)
    : name_(std::filesystem::path(command.arguments.at(0)).filename()), log_(std::move(log)) {
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("fork failed");
    if (pid_ == 0) run_child(command, log_);
    janitor::watch(pid_);
}

ChildProcess::~ChildProcess() {
    if (!ended()) {
        signal(SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    janitor::forget(pid_);
}

bool ChildProcess::ended() {
    if (status_) return true;
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) status_ = decode(status);
    return status_.has_value();
}

void ChildProcess::signal(int number) const {
    // An ended process's id may be somebody else's by now.
    if (!status_) ::kill(pid_, number);
}

ExitStatus ChildProcess::wait(std::chrono::milliseconds wait) {
    wait_until(
        name_ + " ends", [this] { return ended(); }, wait
    );
    return *status_;
}

std::string ChildProcess::output() const {
    return read_text(log_);
}

CommandResult run_command(const CommandLine& command, std::chrono::milliseconds wait) {
    const TempDir directory{"command"};
    CommandResult result;
    ChildProcess process{command, directory / "output"};
    try {
        result.status = process.wait(wait);
    } catch (const std::exception& e) {
        throw std::runtime_error(std::string(e.what()) + "; so far it said:\n" + process.output());
    }
    result.output = process.output();
    return result;
}

std::string run_or_throw(const CommandLine& command, std::chrono::milliseconds wait) {
    CommandResult result = run_command(command, wait);
    if (!result.status.good()) {
        std::string line;
        for (const auto& argument : command.arguments)
            line += argument + " ";
        throw std::runtime_error(
            line + "ended with " + result.status.text() + ":\n" + result.output
        );
    }
    return result.output;
}

int free_port() {
    // Below the kernel's ephemeral ports: until a server listens there, nobody's client gets it.
    std::random_device random;
    std::uniform_int_distribution<int> ports(10'000, 20'000);
    for (int tries = 0; tries < 100; ++tries) {
        const int port = ports(random);
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        const bool ok = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
        ::close(fd);
        if (ok) return port;
    }
    throw std::runtime_error("no free port");
}

long resident_kib(pid_t pid) {
    std::ifstream status{"/proc/" + std::to_string(pid) + "/status"};
    std::string line;
    while (std::getline(status, line)) {
        if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
    }
    throw std::runtime_error("no memory figure of process " + std::to_string(pid));
}

int open_descriptors(pid_t pid) {
    int count = 0;
    const std::string directory = "/proc/" + std::to_string(pid) + "/fd";
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) {
        ++count;
    }
    return count;
}

}  // namespace weir::test
