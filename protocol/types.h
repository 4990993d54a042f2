// Small value types that every room shares: the words of the frontend/backend protocol.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace weir {

using Bytes = std::span<const std::byte>;

// The bytes of a text, without a copy. The view lives as long as `text`'s characters.
inline Bytes as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// The characters of bytes, without a copy. The view lives as long as the bytes.
inline std::string_view as_text(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace weir

namespace weir::protocol {

using Oid = std::uint32_t;

// The status byte of ReadyForQuery (manual 55.7).
enum class TransactionStatus : char {
    idle = 'I',            // not in a transaction block
    in_transaction = 'T',  // in a transaction block
    failed = 'E',          // in a failed transaction block
};

struct ProtocolVersion {
    std::uint16_t major = 3;
    std::uint16_t minor = 0;
    auto operator<=>(const ProtocolVersion&) const = default;
};

// What BackendKeyData carries and CancelRequest repeats. The key is 4 bytes in protocol 3.0 and
// up to 256 bytes from 3.2 on.
struct CancelKey {
    std::int32_t process_id = 0;
    std::string secret;
    bool operator==(const CancelKey&) const = default;
};

}  // namespace weir::protocol
