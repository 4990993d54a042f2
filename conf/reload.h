// Reload: what a new configuration changes for a running process.
#pragma once

#include "conf/settings.h"

#include <string>
#include <vector>

namespace weir::conf {

struct ReloadDiff {
    // Global keys with another value: those that act at once, and those that wait for a restart.
    std::vector<std::string> changed;
    std::vector<std::string> needs_restart;

    std::vector<std::string> databases_added;
    std::vector<std::string> databases_removed;  // their clients are disconnected
    // Where or as whom to connect changed: their servers are dirty, and closed when they come back.
    std::vector<std::string> databases_reconnect;
    // Limits, pool mode, which hosts there are and how they are used. (That a database has several
    // hosts, or has them no more, waits for a restart.)
    std::vector<std::string> databases_changed;

    std::vector<std::string> users_changed;  // added, removed or other values

    // The settings, not the files' contents: whoever loads certificates compares those.
    bool client_tls_changed = false;
    bool server_tls_changed = false;  // all servers over TCP are dirty

    bool empty() const;
    bool operator==(const ReloadDiff&) const = default;
};

ReloadDiff compare(const Settings& running, const Settings& loaded);

// What a running process goes on with: `loaded`, but with the running values of all keys that need
// a restart. Hosts that are gone stay in their places, as removed. The result may still break a
// cross-field rule: validate it, and refuse the reload.
Settings reloaded(const Settings& running, const Settings& loaded);

}  // namespace weir::conf
