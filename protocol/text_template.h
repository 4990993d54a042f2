// TextTemplate: a text with gaps where its literals are. Tells of another text whether it differs
// in literals only, by comparing bytes, without a key: for texts that come again and again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::protocol {

class TextTemplate {
public:
    // Matches nothing.
    TextTemplate() = default;

    // Takes the text's form, in the memory it has. False, and it matches nothing, if the text
    // cannot be one: no literal, literals other than 123 and 'abc' (with a prefix, in dollars,
    // beginning with a dot), longer than `longest`, or not ending properly. REQUIRES: TextRules{}
    // hold for the text.
    bool assign(std::string_view text);

    // True only if literal_blind_key() gives both texts the same key, whatever the seed.
    // REQUIRES: TextRules{} hold for the text, and there is no NUL in it.
    [[gnu::hot]] bool matches(std::string_view text) const;

    static constexpr std::size_t longest = 1024;

    // What all texts of one template begin with: what is before the first byte that may begin a
    // literal, at most 256 bytes.
    [[gnu::hot]] static std::string_view common_prefix(std::string_view text);

private:
    struct Gap {
        std::uint32_t begin;
        std::uint32_t end;
        bool number;
    };

    std::string text_;
    std::vector<Gap> gaps_;
};

}  // namespace weir::protocol
