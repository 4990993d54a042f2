// What Linux says of this process.
#include "proxy/status_snapshot.h"

#include <dirent.h>
#include <fstream>
#include <sstream>
#include <sys/resource.h>
#include <unistd.h>

namespace weir::proxy {

namespace {

// The fields of /proc/self/stat behind the command's name, which may have blanks in it.
std::istringstream stat_fields() {
    std::ifstream file("/proc/self/stat");
    std::string line;
    std::getline(file, line);
    const auto end = line.rfind(')');
    return std::istringstream(end == std::string::npos ? std::string() : line.substr(end + 1));
}

double boot_time() {
    std::ifstream file("/proc/stat");
    std::string word;
    while (file >> word) {
        double seconds = 0;
        if (word == "btime" && file >> seconds) return seconds;
    }
    return 0;
}

std::uint64_t count_descriptors() {
    DIR* const directory = ::opendir("/proc/self/fd");
    if (directory == nullptr) return 0;
    std::uint64_t count = 0;
    while (const auto* const entry = ::readdir(directory))
        count += entry->d_name[0] != '.';
    ::closedir(directory);
    return count - 1;  // the directory's own
}

}  // namespace

ProcessStatus read_process() {
    ProcessStatus status;
    auto fields = stat_fields();
    // Counted from 1 in proc(5); the first here is the third.
    constexpr int utime = 14, stime = 15, starttime = 22, vsize = 23, rss = 24;
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    std::string word;
    for (int field = 3; field <= rss && fields >> word; ++field) {
        if (field == utime || field == stime) status.cpu_seconds += std::stod(word) / ticks;
        if (field == starttime) {
            static const double booted = boot_time();
            status.start_time = booted + std::stod(word) / ticks;
        }
        if (field == vsize) status.virtual_bytes = std::stoull(word);
        if (field == rss) {
            status.resident_bytes =
                std::stoull(word) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
        }
    }
    status.open_descriptors = count_descriptors();
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) status.most_descriptors = limit.rlim_cur;
    return status;
}

}  // namespace weir::proxy
