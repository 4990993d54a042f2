#include "protocol/scram_key_cache.h"

namespace weir::protocol {

ScramKeyCache::ScramKeyCache(std::size_t limit) : limit_(limit), hash_key_(random_bytes(32)) {}

ScramDigest ScramKeyCache::name_of(
    std::string_view password, std::string_view salt, unsigned iterations
) const {
    // Lengths in front, so that no two triples give the same text.
    std::string text = std::to_string(iterations) + ":" + std::to_string(salt.size()) + ":";
    text.append(salt).append(password);
    return hmac_sha256(as_bytes(hash_key_), as_bytes(text));
}

std::optional<ScramKeyPair> ScramKeyCache::find(
    std::string_view password, std::string_view salt, unsigned iterations
) const {
    const auto name = name_of(password, salt, iterations);
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(name);
    if (found == entries_.end()) return {};
    return found->second;
}

void ScramKeyCache::remember(std::string_view password, const ScramKeyPair& keys) {
    const auto name = name_of(password, keys.salt, keys.iterations);
    const std::lock_guard lock(mutex_);
    if (!entries_.emplace(name, keys).second) return;
    by_age_.push_back(name);
    while (entries_.size() > limit_) {
        entries_.erase(by_age_.front());
        by_age_.pop_front();
    }
}

std::size_t ScramKeyCache::size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
}

}  // namespace weir::protocol
