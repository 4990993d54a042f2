// ScramKeyCache: the keys of passwords seen before, so that PBKDF2 runs once per password and salt.
#pragma once

#include "protocol/scram.h"

#include <deque>
#include <map>
#include <mutex>

namespace weir::protocol {

// Holds at most `limit` entries; the oldest go first. No password is kept: an entry is found by a
// keyed hash of password, salt and iterations, and holds the keys. Any thread.
class ScramKeyCache {
public:
    explicit ScramKeyCache(std::size_t limit = 4096);

    std::optional<ScramKeyPair> find(
        std::string_view password, std::string_view salt, unsigned iterations
    ) const;
    void remember(std::string_view password, const ScramKeyPair& keys);
    std::size_t size() const;

private:
    ScramDigest name_of(std::string_view password, std::string_view salt, unsigned iterations)
        const;

    const std::size_t limit_;
    const std::string hash_key_;

    // Guarded by mutex_.
    mutable std::mutex mutex_;
    std::map<ScramDigest, ScramKeyPair> entries_;
    std::deque<ScramDigest> by_age_;
};

}  // namespace weir::protocol
