// What the machine gives this process.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir::conf {

// CPUs' worth of time per period that a cgroup allows; nullopt = no limit, or not readable as one.
// v2: the text of cpu.max, "max 100000" or "150000 100000".
std::optional<double> quota_of_cpu_max(std::string_view text);
// v1: the texts of cpu.cfs_quota_us ("-1" = none) and cpu.cfs_period_us.
std::optional<double> quota_of_cfs(std::string_view quota_us, std::string_view period_us);

// Workers for so many CPUs and this quota: a quota of 1.5 gives 2 workers, so that the time allowed
// can be used; never fewer than 1.
int workers_for(int cpus_allowed, std::optional<double> quota);

// The smallest quota on the way from this process' cgroup up to the root. `proc` and `sys` are
// "/proc" and "/sys" except in tests.
std::optional<double> cgroup_cpu_quota(const std::string& proc, const std::string& sys);

// CPUs that sched_getaffinity allows this thread.
int cpus_allowed();

// For workers = 0: as many as affinity and cgroup leave room for.
int workers_for_this_machine();

// The name of the user this process runs as; empty if there is none.
std::string process_owner();

}  // namespace weir::conf
