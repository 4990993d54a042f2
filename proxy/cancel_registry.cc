#include "proxy/cancel_registry.h"

#include "protocol/scram.h"

#include <openssl/crypto.h>

namespace weir::proxy {

namespace {

constexpr std::int32_t above_backend_pids = 1 << 22;

std::int32_t random_process_id() {
    std::uint32_t number = 0;
    const auto bytes = protocol::random_bytes(4);
    for (const char c : bytes)
        number = number << 8 | static_cast<unsigned char>(c);
    // 2^22 .. 2^31 - 1: positive, since some clients read it as a signed number.
    constexpr std::uint32_t range = 0x7fffffffU - static_cast<std::uint32_t>(above_backend_pids);
    return above_backend_pids + static_cast<std::int32_t>(number % range);
}

}  // namespace

protocol::CancelKey CancelRegistry::add(const Target& target, std::size_t secret_size) {
    protocol::CancelKey key;
    do {
        key.process_id = random_process_id();
    } while (entries_.contains(key.process_id));
    key.secret = protocol::random_bytes(secret_size);
    entries_.emplace(key.process_id, Entry{key.secret, target});
    return key;
}

std::optional<CancelRegistry::Target> CancelRegistry::find(const protocol::CancelKey& key) const {
    const auto found = entries_.find(key.process_id);
    if (found == entries_.end()) return std::nullopt;
    const auto& secret = found->second.secret;
    if (secret.size() != key.secret.size() ||
        CRYPTO_memcmp(secret.data(), key.secret.data(), secret.size()) != 0) {
        return std::nullopt;
    }
    return found->second.target;
}

bool CancelRegistry::remove(std::int32_t process_id) {
    return entries_.erase(process_id) != 0;
}

}  // namespace weir::proxy
