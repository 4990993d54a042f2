// The state file: what is remembered of each cluster over a restart of this process.
//
// Lines of text, so that an operator can read it: "timeline system_identifier primary cluster".
// Blocking; a few hundred bytes, written only when a role moves.
#pragma once

#include "pool/cluster_settings.h"

#include <map>
#include <string>
#include <string_view>

namespace weir::pool {

using ClusterMemories = std::map<std::string, ClusterMemory, std::less<>>;  // by cluster

struct ReadMemories {
    ClusterMemories clusters;
    // Not empty: the file is there and is not what was written; an error message. What a cluster
    // had is then not known: start it with ClusterMemory::lost.
    std::string wrong;
};

// A file that is not there has nothing, and is no error.
ReadMemories read_timeline_file(const std::string& path);

// Replaces the file as a whole: at any time, also after a crash, it is the old or the new one.
// Empty, or what failed.
std::string write_timeline_file(const std::string& path, const ClusterMemories& clusters);

// The file's contents, for both.
std::string timeline_file_text(const ClusterMemories& clusters);
ReadMemories parse_timeline_file(std::string_view text);

}  // namespace weir::pool
