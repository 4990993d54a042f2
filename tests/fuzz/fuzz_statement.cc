// What the router knows of a text. Slow: -max_len=400 is enough for most of the grammar.
#include "router/pg_query_parser.h"
#include "tests/fuzz/fuzz.h"

using namespace weir;
using namespace weir::router;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);
    const auto statement = analyse(text);
    FUZZ_CHECK(statement != nullptr);
    // Nothing is harmless by not being understood.
    if (!statement->parsed) {
        FUZZ_CHECK(!statement->is_read_only);
    }
    if (statement->is_read_only) FUZZ_CHECK(!statement->may_write);
    for (const auto& change : statement->settings) {
        FUZZ_CHECK(change.statement < statement->kinds.size());
    }
    FUZZ_CHECK((statement->pin != PinReason::none) == statement->pins.any());
    // Without a backslash the old rules for strings say the same.
    const auto old_rules = analyse(text, {.standard_conforming_strings = false});
    const bool trap = text.find('\\') != std::string_view::npos;
    FUZZ_CHECK(old_rules->pin == (trap ? PinReason::unknown_encoding : statement->pin));
    return 0;
}
