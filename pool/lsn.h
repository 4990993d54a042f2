// Lsn: a position in the write-ahead log, in PostgreSQL's own text form "0/16B3748".
#pragma once

#include <charconv>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::pool {

// 0 is invalid, as in PostgreSQL: "not known" wherever an Lsn may be missing.
struct Lsn {
    std::uint64_t value = 0;

    constexpr bool known() const { return value != 0; }

    constexpr auto operator<=>(const Lsn&) const = default;
};

// PostgreSQL's pg_lsn: one to eight hexadecimal digits on either side of one slash, nothing else.
inline std::optional<Lsn> parse_lsn(std::string_view text) {
    const auto half = [](std::string_view digits) -> std::optional<std::uint64_t> {
        if (digits.empty() || digits.size() > 8) return std::nullopt;
        std::uint32_t number = 0;
        const char* const end = digits.data() + digits.size();
        const auto [stop, code] = std::from_chars(digits.data(), end, number, 16);
        if (code != std::errc() || stop != end) return std::nullopt;
        return number;
    };
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const auto high = half(text.substr(0, slash));
    const auto low = half(text.substr(slash + 1));
    if (!high || !low) return std::nullopt;
    return Lsn{*high << 32 | *low};
}

// "0/16B3748", as PostgreSQL writes it.
inline std::string to_text(Lsn lsn) {
    char buffer[2 * 8 + 1];
    auto* end = std::to_chars(buffer, buffer + 8, lsn.value >> 32, 16).ptr;
    *end++ = '/';
    end = std::to_chars(end, end + 8, lsn.value & 0xffffffffU, 16).ptr;
    std::string text(buffer, end);
    for (char& digit : text) {
        if (digit >= 'a') digit = static_cast<char>(digit - 'a' + 'A');
    }
    return text;
}

// What PostgreSQL builds with if nobody says otherwise.
inline constexpr std::uint32_t default_wal_segment_size = 16 * 1024 * 1024;

// The part of an insert LSN that replay can reach. An insert position right behind the header of a
// page (24 bytes) or of a segment (40 bytes) has nothing in front of it that could be replayed
// since the boundary: after pg_switch_wal() an idle primary says 0/4000028 and its replicas stay at
// 0/4000000. `segment_size` is wal_segment_size in bytes, a power of two.
constexpr Lsn reachable(Lsn insert, std::uint32_t segment_size = default_wal_segment_size) {
    constexpr std::uint64_t page_size = 8192;     // XLOG_BLCKSZ
    constexpr std::uint64_t page_header = 24;     // SizeOfXLogShortPHD
    constexpr std::uint64_t segment_header = 40;  // SizeOfXLogLongPHD
    const std::uint64_t in_segment = insert.value & (segment_size - 1);
    if (in_segment == segment_header) return Lsn{insert.value - segment_header};
    const std::uint64_t in_page = insert.value & (page_size - 1);
    // The first page of a segment has the long header.
    if (in_page == page_header && in_segment != page_header) {
        return Lsn{insert.value - page_header};
    }
    return insert;
}

// How far `behind` is behind `ahead` in bytes; never below 0.
constexpr std::uint64_t bytes_between(Lsn behind, Lsn ahead) {
    return ahead > behind ? ahead.value - behind.value : 0;
}

}  // namespace weir::pool
