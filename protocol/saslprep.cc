#include "protocol/saslprep.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

namespace weir::protocol {

namespace {

// PostgreSQL's own table of decompositions, from its server headers.
namespace tables {
using uint8 = std::uint8_t;
using uint16 = std::uint16_t;
using uint32 = std::uint32_t;
#include <common/unicode_norm_table.h>
}  // namespace tables

using CodePoints = std::u32string;

struct Range {
    char32_t first;
    char32_t last;
};

// RFC 3454, C.1.2: mapped to a space.
constexpr Range non_ascii_spaces[] = {
    {0x00A0, 0x00A0},
    {0x1680, 0x1680},
    {0x2000, 0x200B},
    {0x202F, 0x202F},
    {0x205F, 0x205F},
    {0x3000, 0x3000}};

// RFC 3454, B.1: mapped to nothing.
constexpr Range mapped_to_nothing[] = {
    {0x00AD, 0x00AD},
    {0x034F, 0x034F},
    {0x1806, 0x1806},
    {0x180B, 0x180D},
    {0x200C, 0x200D},
    {0x2060, 0x2060},
    {0xFE00, 0xFE0F},
    {0xFEFF, 0xFEFF}};

// RFC 4013, 2.3: C.1.2, C.2 to C.9.
constexpr Range prohibited[] = {
    {0x0000, 0x001F},   {0x007F, 0x00A0},   {0x0340, 0x0341},   {0x06DD, 0x06DD},
    {0x070F, 0x070F},   {0x1680, 0x1680},   {0x180E, 0x180E},   {0x2000, 0x200F},
    {0x2028, 0x202F},   {0x205F, 0x2063},   {0x206A, 0x206F},   {0x2FF0, 0x2FFB},
    {0x3000, 0x3000},   {0xD800, 0xF8FF},   {0xFDD0, 0xFDEF},   {0xFEFF, 0xFEFF},
    {0xFFF9, 0xFFFF},   {0x1D173, 0x1D17A}, {0x1FFFE, 0x1FFFF}, {0x2FFFE, 0x2FFFF},
    {0x3FFFE, 0x3FFFF}, {0x4FFFE, 0x4FFFF}, {0x5FFFE, 0x5FFFF}, {0x6FFFE, 0x6FFFF},
    {0x7FFFE, 0x7FFFF}, {0x8FFFE, 0x8FFFF}, {0x9FFFE, 0x9FFFF}, {0xAFFFE, 0xAFFFF},
    {0xBFFFE, 0xBFFFF}, {0xCFFFE, 0xCFFFF}, {0xDFFFE, 0xDFFFF}, {0xE0001, 0xE0001},
    {0xE0020, 0xE007F}, {0xEFFFE, 0xEFFFF}, {0xF0000, 0x10FFFF}};

// Hangul syllables are composed by arithmetic (Unicode 3.12).
constexpr char32_t hangul_s = 0xAC00, hangul_l = 0x1100, hangul_v = 0x1161, hangul_t = 0x11A7;
constexpr char32_t l_count = 19, v_count = 21, t_count = 28, s_count = l_count * v_count * t_count;

template <std::size_t N>
bool is_in(const Range (&ranges)[N], char32_t point) {
    return std::any_of(std::begin(ranges), std::end(ranges), [&](const Range& range) {
        return point >= range.first && point <= range.last;
    });
}

// Nothing for what is not UTF-8: over-long forms, surrogates and values above 10FFFF included.
std::optional<CodePoints> from_utf8(std::string_view text) {
    CodePoints points;
    for (std::size_t i = 0; i < text.size();) {
        const auto first = static_cast<unsigned char>(text[i++]);
        const int more = first < 0x80             ? 0
                         : (first & 0xE0) == 0xC0 ? 1
                         : (first & 0xF0) == 0xE0 ? 2
                         : (first & 0xF8) == 0xF0 ? 3
                                                  : -1;
        if (more < 0 || text.size() - i < static_cast<std::size_t>(more)) return {};
        char32_t point = more == 0 ? first : first & (0x3FU >> more);
        for (int k = 0; k < more; ++k) {
            const auto next = static_cast<unsigned char>(text[i++]);
            if ((next & 0xC0) != 0x80) return {};
            point = point << 6 | (next & 0x3FU);
        }
        constexpr std::array<char32_t, 4> smallest{0, 0x80, 0x800, 0x10000};
        if (point < smallest[static_cast<std::size_t>(more)] || point > 0x10FFFF) return {};
        if (point >= 0xD800 && point <= 0xDFFF) return {};
        points.push_back(point);
    }
    return points;
}

std::string to_utf8(const CodePoints& points) {
    std::string text;
    const auto put = [&](char32_t byte) {
        text.push_back(static_cast<char>(byte));
    };
    for (const char32_t point : points) {
        if (point < 0x80) {
            put(point);
        } else if (point < 0x800) {
            put(0xC0 | point >> 6);
            put(0x80 | (point & 0x3F));
        } else {
            if (point < 0x10000) {
                put(0xE0 | point >> 12);
            } else {
                put(0xF0 | point >> 18);
                put(0x80 | (point >> 12 & 0x3F));
            }
            put(0x80 | (point >> 6 & 0x3F));
            put(0x80 | (point & 0x3F));
        }
    }
    return text;
}

const tables::pg_unicode_decomposition* find_entry(char32_t point) {
    const auto* const end = std::end(tables::UnicodeDecompMain);
    const auto* const entry = std::lower_bound(
        std::begin(tables::UnicodeDecompMain),
        end,
        point,
        [](const auto& left, char32_t right) { return left.codepoint < right; }
    );
    return entry != end && entry->codepoint == point ? entry : nullptr;
}

unsigned combining_class(char32_t point) {
    const auto* const entry = find_entry(point);
    return entry == nullptr ? 0 : entry->comb_class;
}

// The table's decompositions are a few levels deep at most; that bounds the recursion.
void decompose(char32_t point, CodePoints& out) {
    if (point >= hangul_s && point < hangul_s + s_count) {
        const auto index = point - hangul_s;
        out.push_back(hangul_l + index / (v_count * t_count));
        out.push_back(hangul_v + index % (v_count * t_count) / t_count);
        if (index % t_count != 0) out.push_back(hangul_t + index % t_count);
        return;
    }
    const auto* const entry = find_entry(point);
    const std::size_t size = entry == nullptr ? 0 : DECOMPOSITION_SIZE(entry);
    if (size == 0) {
        out.push_back(point);
    } else if (DECOMPOSITION_IS_INLINE(entry)) {
        decompose(entry->dec_index, out);
    } else {
        for (std::size_t i = 0; i < size; ++i) {
            decompose(tables::UnicodeDecomp_codepoints[entry->dec_index + i], out);
        }
    }
}

using Compositions = std::map<std::pair<char32_t, char32_t>, char32_t>;

// The canonical pairs of the table, turned around.
const Compositions& compositions() {
    static const Compositions all = [] {
        Compositions pairs;
        for (const auto& entry : tables::UnicodeDecompMain) {
            if (DECOMPOSITION_SIZE(&entry) != 2 || DECOMPOSITION_NO_COMPOSE(&entry)) continue;
            const auto* const parts = &tables::UnicodeDecomp_codepoints[entry.dec_index];
            pairs.emplace(std::pair<char32_t, char32_t>{parts[0], parts[1]}, entry.codepoint);
        }
        return pairs;
    }();
    return all;
}

std::optional<char32_t> compose(char32_t first, char32_t second) {
    if (first >= hangul_l && first < hangul_l + l_count && second >= hangul_v &&
        second < hangul_v + v_count) {
        return hangul_s + ((first - hangul_l) * v_count + second - hangul_v) * t_count;
    }
    if (first >= hangul_s && first < hangul_s + s_count && (first - hangul_s) % t_count == 0 &&
        second > hangul_t && second < hangul_t + t_count) {
        return first + second - hangul_t;
    }
    const auto found = compositions().find({first, second});
    if (found == compositions().end()) return {};
    return found->second;
}

void order_marks(CodePoints& points) {
    for (auto at = points.begin(); at != points.end();) {
        if (combining_class(*at) == 0) {
            ++at;
            continue;
        }
        const auto end = std::find_if(at, points.end(), [](char32_t point) {
            return combining_class(point) == 0;
        });
        std::stable_sort(at, end, [](char32_t left, char32_t right) {
            return combining_class(left) < combining_class(right);
        });
        at = end;
    }
}

// Normalisation form KC (Unicode 3.11): decompose, order the marks, compose what is not blocked.
CodePoints nfkc(const CodePoints& points) {
    CodePoints decomposed;
    for (const char32_t point : points)
        decompose(point, decomposed);
    order_marks(decomposed);
    CodePoints composed;
    std::size_t starter = CodePoints::npos;
    unsigned last_class = 0;
    for (const char32_t point : decomposed) {
        const auto own_class = combining_class(point);
        if (starter != CodePoints::npos &&
            (starter + 1 == composed.size() || last_class < own_class)) {
            if (const auto whole = compose(composed[starter], point)) {
                composed[starter] = *whole;
                continue;
            }
        }
        if (own_class == 0) starter = composed.size();
        last_class = own_class;
        composed.push_back(point);
    }
    return composed;
}

}  // namespace

std::string saslprep(std::string_view password) {
    const auto is_ascii = [](char c) {
        return static_cast<unsigned char>(c) < 0x80;
    };
    if (std::all_of(password.begin(), password.end(), is_ascii)) return std::string(password);
    const auto points = from_utf8(password);
    if (!points) return std::string(password);
    CodePoints mapped;
    for (const char32_t point : *points) {
        if (is_in(non_ascii_spaces, point)) {
            mapped.push_back(U' ');
        } else if (!is_in(mapped_to_nothing, point)) {
            mapped.push_back(point);
        }
    }
    const auto normalised = nfkc(mapped);
    const auto is_prohibited = [](char32_t point) {
        return is_in(prohibited, point);
    };
    if (normalised.empty() || std::any_of(normalised.begin(), normalised.end(), is_prohibited)) {
        return std::string(password);
    }
    return to_utf8(normalised);
}

}  // namespace weir::protocol
