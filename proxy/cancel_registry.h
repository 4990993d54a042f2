// CancelRegistry: which session a CancelRequest means. Control thread.
#pragma once

#include "protocol/types.h"

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

namespace weir::proxy {

class CancelRegistry {
public:
    struct Target {
        std::uint64_t session = 0;
        unsigned worker = 0;
    };

    // A fresh random key. Process ids are above 2^22, so never those of a backend on Linux; the
    // secret has `secret_size` bytes (4 for protocol 3.0).
    protocol::CancelKey add(const Target& target, std::size_t secret_size);
    // The session with this key. Takes the same time for every wrong secret.
    std::optional<Target> find(const protocol::CancelKey& key) const;
    // The session with this key's process id is gone. Says whether it was there.
    bool remove(std::int32_t process_id);

    std::size_t size() const { return entries_.size(); }

private:
    struct Entry {
        std::string secret;
        Target target;
    };

    std::unordered_map<std::int32_t, Entry> entries_;
};

}  // namespace weir::proxy
