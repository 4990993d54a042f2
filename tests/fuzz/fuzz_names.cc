// Names and values that become SQL or come back in messages: nothing in them may run.
#include "protocol/set_statements.h"
#include "protocol/sql_lexer.h"
#include "protocol/statement_catalog.h"
#include "tests/fuzz/fuzz.h"

using namespace weir;
using namespace weir::protocol;

namespace {

// SET "a"."b" TO 'x', 'y', or a call of set_config with constants, and nothing else.
bool is_harmless_set(std::string_view sql) {
    constexpr std::string_view function = "SELECT pg_catalog.set_config(";
    if (sql.starts_with(function)) {
        SqlLexer arguments(sql.substr(function.size()));
        for (int i = 0; i < 2; ++i) {
            if (arguments.next().kind != TokenKind::string || arguments.next().text != ",") {
                return false;
            }
        }
        return is_word(arguments.next().text, "false") && arguments.next().text == ")" &&
               arguments.next().kind == TokenKind::end;
    }
    SqlLexer lexer(sql);
    if (!is_word(lexer.next().text, "set")) return false;
    for (;;) {
        if (lexer.next().kind != TokenKind::quoted_identifier) return false;
        const auto token = lexer.next();
        if (token.text == ".") continue;
        if (!is_word(token.text, "to")) return false;
        break;
    }
    for (;;) {
        if (lexer.next().kind != TokenKind::string) return false;
        const auto token = lexer.next();
        if (token.kind == TokenKind::end) return true;
        if (token.text != ",") return false;
    }
}

void check_lists(std::string_view text) {
    bool valid = false;
    const auto names = split_identifiers(text, valid);
    if (!valid) return;
    std::string list;
    for (const auto& name : names)
        list += (list.empty() ? "" : ", ") + quote_identifier(name);
    FUZZ_CHECK(split_identifiers(list, valid) == names && valid);
}

void check_restore(std::string_view text) {
    StatementCatalog catalog;
    ClientStatements names;
    // Nobody's names: only the mark of unknown names goes.
    if (text.find("weir_unknown:") == std::string_view::npos) {
        FUZZ_CHECK(restore_names(text, names) == text);
    }
    names.add(text, catalog.find_or_add("select 1", text));
    const auto restored = restore_names(text, names);
    FUZZ_CHECK(restored.size() <= text.size() * (text.size() + 1));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto text = fuzz::text_of(data, size);
    check_lists(text);
    check_restore(text);
    const auto name = fuzz::next_part(text, '\n');
    // Neither can come with a NUL: both are texts of the protocol.
    if (fuzz::text_of(data, size).find('\0') != std::string_view::npos) return 0;
    FUZZ_CHECK(is_harmless_set(set_statement(name, text)));
    FUZZ_CHECK(is_harmless_set(set_statement("search_path", text)));
    std::vector<std::string> changed;
    const auto client = ParameterSet::make({{std::string(name), std::string(text), false}});
    const auto set = statements_between(*ParameterSet::none(), *client, {}, changed);
    FUZZ_CHECK(set.size() == 1 && changed.size() == 1 && is_harmless_set(set[0]));
    FUZZ_CHECK(statements_between(*client, *client, {}, changed).empty());
    const auto reset = statements_between(*client, *ParameterSet::none(), {}, changed);
    FUZZ_CHECK(reset.size() == 1 && is_harmless_set("SET" + reset[0].substr(5) + " TO ''"));
    return 0;
}
