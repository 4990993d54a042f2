// The keys of sql_lexer.h.
#include "protocol/sql_lexer.h"
#include "protocol/sql_scan.h"

#include <bit>
#include <cstring>
#include <random>

namespace weir::protocol {

namespace {

using namespace sql_scan;

std::uint64_t load_word(const char* bytes) {
    std::uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    return word;
}

// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein's reference, little endian words).
class SipHash128 {
public:
    explicit SipHash128(const TextKeySeed& seed)
        : v0_{0x736f6d6570736575U ^ seed.first},
          v1_{0x646f72616e646f6dU ^ seed.second ^ 0xeeU},
          v2_{0x6c7967656e657261U ^ seed.first},
          v3_{0x7465646279746573U ^ seed.second} {}

    void add(const char* bytes, std::size_t count) {
        total_ += count;
        if (pending_ + count < sizeof buffer_) {
            std::memcpy(buffer_ + pending_, bytes, count);
            pending_ += count;
            return;
        }
        if (pending_ > 0) {
            const std::size_t fill = sizeof buffer_ - pending_;
            std::memcpy(buffer_ + pending_, bytes, fill);
            bytes += fill;
            count -= fill;
            absorb_buffer(sizeof buffer_);
        }
        for (; count >= 8; bytes += 8, count -= 8)
            absorb(load_word(bytes));
        std::memcpy(buffer_, bytes, count);
        pending_ = count;
    }

    TextKey finish() {
        const std::size_t whole = pending_ & ~std::size_t{7};
        const std::size_t rest = pending_ - whole;
        char tail[8] = {};
        std::memcpy(tail, buffer_ + whole, rest);
        absorb_buffer(whole);
        absorb(load_word(tail) | (static_cast<std::uint64_t>(total_) << 56));
        v2_ ^= 0xee;
        const std::uint64_t high = squeeze();
        v1_ ^= 0xdd;
        return {high, squeeze()};
    }

private:
    void absorb_buffer(std::size_t count) {
        for (std::size_t at = 0; at < count; at += 8)
            absorb(load_word(buffer_ + at));
        pending_ = 0;
    }

    void absorb(std::uint64_t word) {
        v3_ ^= word;
        round();
        round();
        v0_ ^= word;
    }

    std::uint64_t squeeze() {
        for (int i = 0; i < 4; ++i)
            round();
        return v0_ ^ v1_ ^ v2_ ^ v3_;
    }

    void round() {
        v0_ += v1_;
        v2_ += v3_;
        v1_ = std::rotl(v1_, 13) ^ v0_;
        v3_ = std::rotl(v3_, 16) ^ v2_;
        v0_ = std::rotl(v0_, 32);
        v2_ += v1_;
        v0_ += v3_;
        v1_ = std::rotl(v1_, 17) ^ v2_;
        v3_ = std::rotl(v3_, 21) ^ v0_;
        v2_ = std::rotl(v2_, 32);
    }

    std::uint64_t v0_, v1_, v2_, v3_;
    std::size_t total_ = 0;
    std::size_t pending_ = 0;
    char buffer_[128];
};

// The text between literals, and a mark for each literal that no text can contain: a NUL and the
// literal's class.
class BlindText {
public:
    BlindText(std::string_view text, const TextKeySeed& seed) : text_{text}, hash_{seed} {}

    void literal(std::size_t begin, std::size_t end, char literal_class) {
        hash_.add(text_.data() + kept_, begin - kept_);
        const char mark[2] = {'\0', literal_class};
        hash_.add(mark, sizeof mark);
        kept_ = end;
        any_ = true;
    }

    LiteralBlindKey finish() {
        hash_.add(text_.data() + kept_, text_.size() - kept_);
        return {hash_.finish(), any_, true};
    }

private:
    std::string_view text_;
    SipHash128 hash_;
    std::size_t kept_ = 0;
    bool any_ = false;
};

}  // namespace

TextKeySeed TextKeySeed::random() {
    std::random_device device;
    const auto word = [&] {
        return (std::uint64_t{device()} << 32) | device();
    };
    const std::uint64_t first = word();
    return {first, word()};
}

LiteralBlindKey literal_blind_key(std::string_view text, const TextKeySeed& seed) {
    BlindText blind{text, seed};
    std::size_t at = 0;
    while (at < text.size()) {
        const char c = text[at];
        if (is(c, plain)) {
            ++at;
            continue;
        }
        if (is(c, ident_start)) {
            // Nearly every byte of nearly every text is handled here.
            const char next = at + 1 < text.size() ? text[at + 1] : '\0';
            if ((next != '\'' && next != '&') || prefixed_token(text, at).quote == 0) {
                at = skip_identifier(text, at + 1);
                continue;
            }
        }
        if (c == '\0') return {};
        const std::size_t start = skip_blank(text, at);
        if (start != at) {
            if (start == npos) return {};
            at = start;
            continue;
        }
        const Scanned scanned = scan_token(text, at);
        if (scanned.end == npos || scanned.end > text.size()) return {};
        if (scanned.kind == TokenKind::quoted_identifier && scanned.unicode) return {};
        if (scanned.kind == TokenKind::string) {
            const bool bits = is(c, ident_start) && ((c | 0x20) == 'b' || (c | 0x20) == 'x');
            blind.literal(at, scanned.end, bits ? c : 's');
        } else if (scanned.kind == TokenKind::number) {
            blind.literal(at, scanned.end, 'n');
        }
        at = scanned.end;
    }
    return blind.finish();
}

std::uint64_t text_hash(std::string_view text, const TextKeySeed& seed) {
    const auto mix = [](std::uint64_t a, std::uint64_t b) {
        __extension__ using Wide = unsigned __int128;
        const Wide product = Wide{a} * b;
        return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
    };
    constexpr std::uint64_t odd = 0x9e3779b97f4a7c15U;
    std::uint64_t hash = seed.first ^ mix(text.size() ^ odd, seed.second);
    const char* bytes = text.data();
    std::size_t left = text.size();
    for (; left >= 16; bytes += 16, left -= 16)
        hash = mix(load_word(bytes) ^ seed.second ^ hash, load_word(bytes + 8) ^ odd ^ seed.first);
    char tail[16] = {};
    if (left > 0) std::memcpy(tail, bytes, left);
    hash = mix(load_word(tail) ^ seed.second ^ hash, load_word(tail + 8) ^ odd);
    return mix(hash ^ seed.first, odd);
}

}  // namespace weir::protocol
