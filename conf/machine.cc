#include "conf/machine.h"

#include "conf/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>
#include <pwd.h>
#include <sched.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace weir::conf {

namespace {

std::optional<double> positive_number(std::string_view text) {
    text = trim(text);
    double number = 0;
    auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
    if (!std::isfinite(number) || number <= 0) return std::nullopt;
    return number;
}

std::string file_text(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::optional<double> smaller(std::optional<double> a, std::optional<double> b) {
    if (!a || !b) return a ? a : b;
    return std::min(*a, *b);
}

// The limit of `group` and all above it below `mount`. In a container's own namespace the path may
// not exist below the mount: then the mount is the group itself.
template <class ReadQuota>
std::optional<double> smallest_upwards(
    const std::string& mount, std::string group, const ReadQuota& read
) {
    std::optional<double> smallest = read(mount);
    while (group.size() > 1) {
        smallest = smaller(smallest, read(mount + group));
        group.resize(std::min(group.rfind('/'), group.size() - 1));
    }
    return smallest;
}

std::optional<double> read_v2(const std::string& directory) {
    return quota_of_cpu_max(file_text(directory + "/cpu.max"));
}

std::optional<double> read_v1(const std::string& directory) {
    return quota_of_cfs(
        file_text(directory + "/cpu.cfs_quota_us"), file_text(directory + "/cpu.cfs_period_us")
    );
}

}  // namespace

std::optional<double> quota_of_cpu_max(std::string_view text) {
    text = trim(text);
    std::size_t blank = text.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    return quota_of_cfs(text.substr(0, blank), text.substr(blank + 1));
}

std::optional<double> quota_of_cfs(std::string_view quota_us, std::string_view period_us) {
    std::optional<double> quota = positive_number(quota_us);
    std::optional<double> period = positive_number(period_us);
    if (!quota || !period) return std::nullopt;
    return *quota / *period;
}

int workers_for(int cpus_allowed, std::optional<double> quota) {
    int workers = std::max(cpus_allowed, 1);
    if (quota && *quota < static_cast<double>(workers)) {
        workers = static_cast<int>(std::ceil(*quota));
    }
    return std::max(workers, 1);
}

std::optional<double> cgroup_cpu_quota(const std::string& proc, const std::string& sys) {
    // Lines of "id:controllers:path" (cgroups(7)): v2 has id 0 and no controllers.
    std::string text = file_text(proc + "/self/cgroup");
    std::string_view rest = text;
    std::optional<double> quota;
    while (!rest.empty()) {
        std::size_t end = rest.find('\n');
        std::string_view line = rest.substr(0, end);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        std::size_t first = line.find(':');
        std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
        if (second == std::string_view::npos) continue;
        std::string_view controllers = line.substr(first + 1, second - first - 1);
        std::string group(line.substr(second + 1));
        if (controllers.empty()) {
            quota = smaller(quota, smallest_upwards(sys + "/fs/cgroup", group, read_v2));
            // With v1 and v2 side by side, v2 is mounted here.
            quota = smaller(quota, smallest_upwards(sys + "/fs/cgroup/unified", group, read_v2));
        }
        for (const std::string& controller : split_list(controllers)) {
            if (controller != "cpu") continue;
            quota = smaller(quota, smallest_upwards(sys + "/fs/cgroup/cpu", group, read_v1));
            quota =
                smaller(quota, smallest_upwards(sys + "/fs/cgroup/cpu,cpuacct", group, read_v1));
        }
    }
    return quota;
}

int cpus_allowed() {
    // The kernel's mask may be wider than cpu_set_t (1024 CPUs): ask with growing sizes.
    for (std::size_t cpus = 1024; cpus <= 1024 * 1024; cpus *= 4) {
        std::vector<cpu_set_t> mask(CPU_ALLOC_SIZE(cpus) / sizeof(cpu_set_t));
        std::size_t bytes = mask.size() * sizeof(cpu_set_t);
        if (sched_getaffinity(0, bytes, mask.data()) == 0) {
            return std::max(CPU_COUNT_S(bytes, mask.data()), 1);
        }
    }
    return static_cast<int>(std::max(std::thread::hardware_concurrency(), 1U));
}

int workers_for_this_machine() {
    return workers_for(cpus_allowed(), cgroup_cpu_quota("/proc", "/sys"));
}

std::string process_owner() {
    passwd entry{};
    passwd* found = nullptr;
    std::vector<char> buffer(16384);
    const int failed = getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found);
    return failed == 0 && found != nullptr ? found->pw_name : "";
}

}  // namespace weir::conf
