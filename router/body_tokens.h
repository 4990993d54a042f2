// The tokens of a function's body, all at once, so that what stands before and behind can be seen.
#pragma once

#include "protocol/sql_lexer.h"

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::router {

// ASCII letters in lower case.
std::string folded(std::string_view text);

bool is_name(const protocol::Token& token);

// The name as PostgreSQL stores it: folded or unquoted, cut to 63 bytes. None if the token is no
// name, or a U& one, whose meaning hangs on a UESCAPE.
std::optional<std::string> name_of(const protocol::Token& token);

// What a string literal says; none if it is no literal, or one with escapes or of several pieces.
std::optional<std::string> literal_text(const protocol::Token& token);

class BodyTokens {
public:
    // REQUIRES: `text` outlives this.
    explicit BodyTokens(std::string_view text);

    // False if the text has something that is no token: what comes behind it is not here.
    bool complete() const { return complete_; }

    std::size_t size() const { return tokens_.size(); }

    // TokenKind::end behind the last one.
    const protocol::Token& operator[](std::size_t at) const {
        static const protocol::Token end;
        return at < tokens_.size() ? tokens_[at] : end;
    }

    // Whether that token is an unquoted word.
    bool is(std::size_t at, std::string_view word) const;
    bool is_any(std::size_t at, std::initializer_list<std::string_view> words) const;

private:
    std::vector<protocol::Token> tokens_;
    bool complete_ = true;
};

}  // namespace weir::router
