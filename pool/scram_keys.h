// ScramKeys: what the logins of SCRAM users have taught, for logins to servers in their name.
//
// Of a user whose password nobody here knows, only his own login shows the ClientKey; with it
// pgweir can prove to a server that has the same secret that it acts for him.
#pragma once

#include "protocol/scram.h"

#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace weir::pool {

// Any thread. One entry per user who has logged in; users come from the list of users, which
// bounds it.
class ScramKeys {
public:
    // True if that is new: whoever waits for the first login of `user` can go on.
    bool learn(const std::string& user, const protocol::ScramKeyPair& keys) {
        const std::lock_guard lock(mutex_);
        const auto [at, added] = keys_.try_emplace(user, keys);
        const bool changed = !added && at->second != keys;
        if (changed) at->second = keys;
        return added || changed;
    }

    std::optional<protocol::ScramKeyPair> find(const std::string& user) const {
        const std::lock_guard lock(mutex_);
        const auto found = keys_.find(user);
        if (found == keys_.end()) return {};
        return found->second;
    }

    // After a reload: a user who is gone, or has another secret, is to be forgotten.
    void forget(const std::string& user) {
        const std::lock_guard lock(mutex_);
        keys_.erase(user);
    }

private:
    mutable std::mutex mutex_;
    std::map<std::string, protocol::ScramKeyPair> keys_;  // guarded by mutex_
};

}  // namespace weir::pool
