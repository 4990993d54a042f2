#include "conf/machine.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <stdlib.h>

namespace weir::conf {

TEST_CASE("quota_of_cpu_max and quota_of_cfs") {
    CHECK(quota_of_cpu_max("150000 100000\n") == 1.5);
    CHECK(quota_of_cpu_max("50000 100000") == 0.5);
    for (const char* none : {"max 100000\n", "", "100000", "x y", "-1 100000", "100000 0", "1 x"}) {
        CAPTURE(none);
        CHECK_FALSE(quota_of_cpu_max(none).has_value());
    }
    CHECK(quota_of_cfs("200000\n", "100000\n") == 2.0);
    CHECK_FALSE(quota_of_cfs("-1\n", "100000\n").has_value());
}

TEST_CASE("workers_for: affinity and quota, rounded up, at least one") {
    struct Row {
        int cpus;
        std::optional<double> quota;
        int expected;
    };

    for (const Row& row : {
             Row{8, std::nullopt, 8},
             {8, 2.0, 2},
             {8, 1.5, 2},
             {8, 0.1, 1},
             {2, 16.0, 2},
             {0, std::nullopt, 1},
         }) {
        CHECK(workers_for(row.cpus, row.quota) == row.expected);
    }
}

TEST_CASE("cgroup_cpu_quota: the smallest limit on the way up counts") {
    namespace fs = std::filesystem;
    std::string name = (fs::temp_directory_path() / "weir_cgroup_XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    fs::path root(name);
    auto write = [&](const char* path, const char* text) {
        fs::create_directories((root / path).parent_path());
        std::ofstream(root / path) << text;
    };
    auto quota = [&] {
        return cgroup_cpu_quota(name + "/proc", name + "/sys");
    };
    CHECK_FALSE(quota().has_value());

    write("proc/self/cgroup", "0::/system.slice/weir.service\n");
    write("sys/fs/cgroup/system.slice/weir.service/cpu.max", "max 100000\n");
    CHECK_FALSE(quota().has_value());
    write("sys/fs/cgroup/system.slice/cpu.max", "300000 100000\n");
    CHECK(quota() == 3.0);
    write("sys/fs/cgroup/system.slice/weir.service/cpu.max", "200000 100000\n");
    CHECK(quota() == 2.0);

    // A container's own namespace: the path is "/", and the mount is its group.
    write("proc/self/cgroup", "0::/\n");
    write("sys/fs/cgroup/cpu.max", "50000 100000\n");
    CHECK(quota() == 0.5);

    write("proc/self/cgroup", "7:cpu,cpuacct:/docker/x\n1:name=systemd:/y\nnonsense\n");
    write("sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us", "400000\n");
    write("sys/fs/cgroup/cpu/docker/x/cpu.cfs_period_us", "100000\n");
    CHECK(quota() == 4.0);
    fs::remove_all(root);
}

TEST_CASE("workers_for_this_machine: as many as the machine allows") {
    CHECK(cpus_allowed() >= 1);
    CHECK(workers_for_this_machine() >= 1);
    CHECK(workers_for_this_machine() <= cpus_allowed());
}

}  // namespace weir::conf
