// Fingerprint: what statements that differ in their values only have in common.
//
// libpg_query's 64-bit fingerprint, taken of the text without its values (protocol/masked_text.h),
// so that no value can be guessed from it and none is in the text that is shown with it.
#pragma once

#include "protocol/sql_lexer.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir::router {

struct Fingerprint {
    std::uint64_t id = 0;  // never 0; the same in every process of this version
    // The statement with $1 ... for its values, without comments; cut behind text_limit bytes.
    std::string text;
    // By the words of the text: PostgreSQL 15's parser cannot read it, or it is too long for it.
    bool lexical = false;

    static constexpr std::size_t text_limit = 4096;
};

// Immutable and shared, also between threads. Never null where one is promised.
using FingerprintRef = std::shared_ptr<const Fingerprint>;

// Makes fingerprints, and remembers those it has made by the text without its values: literals,
// comments and lists of another length cost no parse. Not thread-safe: one per worker.
class FingerprintBook {
public:
    FingerprintBook();
    ~FingerprintBook();
    FingerprintBook(const FingerprintBook&) = delete;
    FingerprintBook& operator=(const FingerprintBook&) = delete;

    // The statements of `text` in order, each with its own; one for all of them if they cannot be
    // told apart (unparsable, too long). `count`: how many the parser has found, 0 if it could not
    // read the text. At least one element.
    std::vector<FingerprintRef> fingerprints_of(
        std::string_view text, std::size_t count, protocol::TextRules rules
    );

    // Of the statement within PREPARE name AS ...; nullptr if `text` is none.
    FingerprintRef fingerprint_of_prepared(std::string_view text);

private:
    FingerprintRef find_or_make(std::string_view statement, bool parsed);

    struct Memory;
    std::unique_ptr<Memory> memory_;
};

// As people see ids: 16 hexadecimal digits.
std::string fingerprint_text(std::uint64_t id);

}  // namespace weir::router
