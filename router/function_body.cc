#include "router/function_body.h"

#include "protocol/sql_lexer.h"
#include "router/body_tokens.h"
#include "router/builtins.h"
#include "router/replica_functions.h"

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

namespace weir::router {

namespace {

// A text in a text in a text ...: nobody writes more than this by hand.
constexpr int max_depth = 6;

enum class Language { sql, plpgsql };

bool names_pg_temp(std::string_view text) {
    return folded(text).find("pg_temp") != std::string::npos;
}

class BodyReader {
public:
    BodyReader(Language language, std::string_view text, BodyEffects& result, int depth = 0)
        : language_{language}, tokens_{text}, result_{result}, depth_{depth} {}

    void read() {
        if (!tokens_.complete()) pin(PinReason::unknown_function);
        for (std::size_t at = 0; at < tokens_.size(); ++at)
            if (is_name(tokens_[at])) read_name(at);
    }

private:
    void pin(PinReason reason) { result_.effects.pin(reason); }

    void read_name(std::size_t at) {
        const std::optional<std::string> name = name_of(tokens_[at]);
        if (!name) {
            pin(PinReason::unknown_function);
            return;
        }
        if (name->substr(0, 7) == "pg_temp") pin(PinReason::temp_object);
        if (*name == "pg_settings") read_pg_settings(at);
        if (tokens_[at + 1].text == "(") read_call(at, *name);
        const bool keyword = tokens_[at].kind == protocol::TokenKind::identifier &&
                             (at == 0 || tokens_[at - 1].text != ".");
        result_.words.push_back(*name);
        if (!keyword) return;
        read_word(at);
        if (starts_statement(at)) read_statement(at);
    }

    // Words that mean something wherever they stand.
    void read_word(std::size_t at) {
        if (tokens_.is_any(
                at,
                {"insert",
                 "update",
                 "delete",
                 "merge",
                 "copy",
                 "truncate",
                 "vacuum",
                 "analyze",
                 "cluster",
                 "reindex"}
            ))
            result_.writes = true;
        if (tokens_.is(at, "truncate")) result_.truncates = true;
        if (tokens_.is(at, "execute")) read_execute(at);
        if (tokens_.is(at, "show")) {
            const auto setting = name_of(tokens_[at + 1]);
            result_.reads_node_setting |= setting && is_node_setting(*setting);
        }
        if (tokens_.is_any(at, {"temp", "temporary"}) && is_temp_keyword(at))
            pin(PinReason::temp_object);
        // Not a common table expression that is called hold.
        if (tokens_.is(at, "hold") && is_after(at, {"with"}) && tokens_.is(at + 1, "for"))
            pin(PinReason::hold_cursor);
        // SELECT ... INTO: a table in SQL, a variable in PL/pgSQL.
        if (tokens_.is(at, "into") && language_ == Language::sql &&
            !is_after(at, {"insert", "merge"}))
            changes_catalog();
        if (tokens_.is(at, "language") && names_c(at + 1)) pin(PinReason::load);
        if (tokens_.is(at, "begin")) in_declarations_ = false;
    }

    bool is_after(std::size_t at, std::initializer_list<std::string_view> words) const {
        return at > 0 && tokens_.is_any(at - 1, words);
    }

    // CREATE [LOCAL] TEMP TABLE, INTO TEMP x; not a variable or column of that name.
    bool is_temp_keyword(std::size_t at) const {
        return is_after(at, {"create", "replace", "local", "global", "into"}) &&
               is_name(tokens_[at + 1]) && !tokens_.is(at + 1, "from");
    }

    bool names_c(std::size_t at) const {
        const auto literal = literal_text(tokens_[at]);
        return tokens_.is(at, "c") || (literal && folded(*literal) == "c");
    }

    void read_pg_settings(std::size_t at) {
        if (at > 1 && tokens_[at - 1].text == ".") at -= 2;
        if (is_after(at, {"only"})) --at;
        if (is_after(at, {"update"})) pin(PinReason::set_config);
    }

    void read_call(std::size_t at, const std::string& name) {
        result_.calls.push_back(name);
        if (name.substr(0, 6) == "dblink") pin(PinReason::dblink);
        // Of another schema it is a user's function: the catalog knows it by the same name.
        if (at > 1 && tokens_[at - 1].text == "." &&
            name_of(tokens_[at - 2]).value_or("") != "pg_catalog")
            return;
        if (name == "current_setting") read_current_setting(at + 2);
        const FunctionEffect* effect = find_function_effect(name);
        if (effect == nullptr) return;
        if (effect->pin == PinReason::set_config)
            read_set_config(at + 2);
        else
            pin(effect->pin);
        result_.effects.unlocks_advisory |= effect->unlocks_advisory;
        result_.effects.reads_sequences |= effect->reads_sequence_state;
        result_.effects.may_advance_sequence |= effect->may_advance_sequence;
    }

    // `at` is its first argument, as in read_set_config().
    void read_current_setting(std::size_t at) {
        const auto name = literal_text(tokens_[at]);
        if (tokens_[at + 1].text == "::" && tokens_.is(at + 2, "text")) at += 2;
        const std::string_view next = tokens_[at + 1].text;
        if (!name || (next != "," && next != ")") || is_node_setting(*name))
            result_.reads_node_setting = true;
    }

    // `at` is its first argument.
    void read_set_config(std::size_t at) {
        const auto name = literal_text(tokens_[at]);
        // The text of a BEGIN ATOMIC body has 'name'::text.
        if (tokens_[at + 1].text == "::" && tokens_.is(at + 2, "text")) at += 2;
        if (!name || tokens_[at + 1].text != ",") {
            pin(PinReason::set_config);
            return;
        }
        // Those of the transaction only, too: a custom setting leaves its placeholder.
        result_.effects.touch(*name);
        if (folded(*name) != "search_path") return;
        std::size_t nesting = 1;
        for (at += 2; at < tokens_.size() && nesting > 0; ++at) {
            if (tokens_[at].text == "(") ++nesting;
            if (tokens_[at].text == ")") --nesting;
            read_schema_list(at);
        }
    }

    void read_schema_list(std::size_t at) {
        if (tokens_[at].kind == protocol::TokenKind::string && names_pg_temp(tokens_[at].text))
            pin(PinReason::temp_object);
    }

    // EXECUTE of PL/pgSQL or SQL, not the privilege, nor the clause of CREATE TRIGGER.
    void read_execute(std::size_t at) {
        const std::size_t next = at + 1;
        if (tokens_.is(next, "on") || tokens_[next].text == ",") return;
        if (tokens_.is_any(next, {"function", "procedure"}) && is_name(tokens_[next + 1]) &&
            !tokens_.is_any(next + 1, {"into", "using"}))
            return;
        const bool alone = tokens_[next + 1].kind == protocol::TokenKind::end ||
                           tokens_[next + 1].text == ";" ||
                           tokens_.is_any(next + 1, {"into", "using", "loop"});
        const auto text = literal_text(tokens_[next]);
        if (!text || !alone)
            pin(PinReason::dynamic_sql);
        else
            read_inner(Language::sql, *text, PinReason::dynamic_sql);
    }

    void read_inner(Language language, std::string_view text, PinReason too_deep) {
        if (depth_ == max_depth)
            pin(too_deep);
        else
            BodyReader{language, text, result_, depth_ + 1}.read();
    }

    bool starts_statement(std::size_t at) const {
        if (in_declarations_) return false;
        const std::string_view next = tokens_[at + 1].text;
        // An assignment to a variable of that name; a column in CASE ... THEN x ELSE y END.
        if (next == ":=" || next == "=" || next == "." || next == "[") return false;
        if (tokens_.is_any(
                at + 1, {"end", "else", "when", "then", "and", "or", "is", "from", "as"}
            ))
            return false;
        if (at == 0) return true;
        // ">>" ends a label.
        const std::string_view previous = tokens_[at - 1].text;
        return previous == ";" || previous == ">>" ||
               is_after(at, {"begin", "atomic", "then", "else", "loop"});
    }

    void read_statement(std::size_t at) {
        if (tokens_.is(at, "declare")) {
            in_declarations_ = language_ == Language::plpgsql;
        } else if (tokens_.is(at, "set")) {
            read_set(at + 1);
        } else if (tokens_.is(at, "reset")) {
            read_setting(at + 1, false);
        } else if (tokens_.is_any(at, {"listen", "unlisten"})) {
            pin(PinReason::listen);
        } else if (tokens_.is(at, "prepare")) {
            if (!tokens_.is(at + 1, "transaction")) pin(PinReason::sql_prepare);
        } else if (tokens_.is(at, "deallocate")) {
            pin(PinReason::sql_prepare);
        } else if (tokens_.is(at, "discard")) {
            pin(PinReason::unknown_function);
        } else if (tokens_.is(at, "load")) {
            pin(PinReason::load);
        } else if (tokens_.is(at, "do")) {
            read_do(at + 1);
        } else if (is_ddl(at)) {
            changes_catalog();
            if (!is_plain_ddl(at)) result_.effects.changes_effects = true;
            // It may load a library, and runs a script that is not here.
            if (tokens_.is(at + 1, "extension") && tokens_.is_any(at, {"create", "alter"}))
                pin(PinReason::load);
        }
    }

    bool is_ddl(std::size_t at) const {
        const std::size_t next = at + 1;
        return (tokens_.is_any(at, {"create", "alter", "drop", "grant", "revoke"}) &&
                tokens_[next].kind == protocol::TokenKind::identifier) ||
               (tokens_.is(at, "comment") && tokens_.is(next, "on")) ||
               (tokens_.is(at, "security") && tokens_.is(next, "label")) ||
               (tokens_.is(at, "reassign") && tokens_.is(next, "owned")) ||
               (tokens_.is(at, "import") && tokens_.is(next, "foreign")) ||
               // Event triggers see it.
               (tokens_.is(at, "refresh") && tokens_.is(next, "materialized"));
    }

    // It takes something away, or makes a sequence or a table without anything to run in it.
    bool is_plain_ddl(std::size_t at) const {
        if (!tokens_.is_any(at, {"create", "alter", "import"})) return true;
        const bool creates = tokens_.is(at++, "create");
        while (tokens_.is_any(at, {"local", "global", "temp", "temporary", "unlogged"}))
            ++at;
        if (tokens_.is(at, "sequence")) return true;
        if (!creates) return false;
        if (tokens_.is(at, "table")) return is_plain_table(at + 1);
        return tokens_.is_any(at, {"index", "unique"}) && is_plain_index(at + 1);
    }

    // Of columns alone.
    bool is_plain_index(std::size_t at) const {
        for (int nesting = 0; at < tokens_.size() && tokens_[at].text != ";"; ++at) {
            if (tokens_[at].text == ")") --nesting;
            if (tokens_[at].text == "(" && ++nesting > 1) return false;
            if (tokens_.is_any(at, {"where", "using"})) return false;
        }
        return true;
    }

    bool is_plain_table(std::size_t at) const {
        bool plain = true;
        for (int nesting = 0; at < tokens_.size() && tokens_[at].text != ";"; ++at) {
            if (tokens_[at].text == "(") ++nesting;
            if (tokens_[at].text == ")") --nesting;
            if (nesting == 0 && tokens_.is(at, "as")) return plain;
            if (tokens_.is_any(
                    at,
                    {"check",
                     "default",
                     "exclude",
                     "generated",
                     "inherits",
                     "like",
                     "of",
                     "partition",
                     "using"}
                ))
                plain = false;
        }
        return plain;
    }

    void changes_catalog() {
        result_.effects.changes_catalog = true;
        result_.writes = true;
    }

    // DO [LANGUAGE x] 'body' [LANGUAGE x]; not ON CONFLICT DO, nor a rule's.
    void read_do(std::size_t at) {
        std::string language = "plpgsql";
        if (tokens_.is(at, "language")) {
            language = name_of(tokens_[at + 1]).value_or("");
            at += 2;
        } else if (tokens_.is(at + 1, "language")) {
            language = name_of(tokens_[at + 2]).value_or("");
        } else if (is_name(tokens_[at])) {
            return;
        }
        const auto body = literal_text(tokens_[at]);
        if (body && language == "plpgsql")
            read_inner(Language::plpgsql, *body, PinReason::do_block);
        else
            pin(PinReason::do_block);
    }

    void read_set(std::size_t at) {
        if (tokens_.is(at, "local")) {
            read_setting(at + 1, true);
            return;
        }
        if (tokens_.is(at, "session") &&
            !tokens_.is_any(at + 1, {"authorization", "characteristics"}))
            ++at;
        read_setting(at, false);
    }

    // `at` is behind SET [SESSION|LOCAL] or RESET.
    void read_setting(std::size_t at, bool local) {
        const auto pair = [&](std::string_view first, std::string_view second) {
            return tokens_.is(at, first) && tokens_.is(at + 1, second);
        };
        if (tokens_.is_any(at, {"constraints", "transaction"})) return;
        if (pair("session", "characteristics")) {
            result_.effects.touch("default_transaction_isolation");
            result_.effects.touch("default_transaction_read_only");
            result_.effects.touch("default_transaction_deferrable");
        } else if (pair("session", "authorization")) {
            touch("session_authorization", local);
        } else if (pair("time", "zone")) {
            touch("timezone", local);
        } else if (pair("xml", "option")) {
            touch("xmloption", local);
        } else if (tokens_.is(at, "names")) {
            touch("client_encoding", local);
        } else if (tokens_.is(at, "schema")) {
            touch("search_path", local);
            read_search_path(at);
        } else {
            read_setting_name(at, local);
        }
    }

    void read_setting_name(std::size_t at, bool local) {
        const auto name = name_of(tokens_[at]);
        // RESET ALL: whatever was set.
        if (!name || tokens_.is(at, "all")) {
            pin(PinReason::set_config);
            return;
        }
        std::string setting = folded(*name);
        while (tokens_[at + 1].text == "." && is_name(tokens_[at + 2])) {
            at += 2;
            setting += '.';
            setting += folded(name_of(tokens_[at]).value_or(""));
        }
        touch(setting, local);
        if (setting == "search_path") read_search_path(at);
    }

    void touch(const std::string& setting, bool local) {
        // A custom setting leaves a placeholder; the others end with the transaction.
        if (!local || setting.find('.') != std::string::npos) result_.effects.touch(setting);
    }

    void read_search_path(std::size_t at) {
        for (; at < tokens_.size() && tokens_[at].text != ";"; ++at)
            read_schema_list(at);
    }

    Language language_;
    BodyTokens tokens_;
    BodyEffects& result_;
    int depth_;
    bool in_declarations_ = false;  // between DECLARE and BEGIN
};

void sort_unique(std::vector<std::string>& names) {
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
}

}  // namespace

BodyEffects effects_of_body(std::string_view language, std::string_view body) {
    BodyEffects result;
    if (language == "internal") {
        const FunctionEffect* effect = find_function_effect(body);
        if (effect == nullptr) return result;
        result.effects.pin(effect->pin);
        result.effects.unlocks_advisory = effect->unlocks_advisory;
        result.effects.reads_sequences = effect->reads_sequence_state;
        result.effects.may_advance_sequence = effect->may_advance_sequence;
        return result;
    }
    if (language == "sql" || language == "plpgsql")
        BodyReader{language == "sql" ? Language::sql : Language::plpgsql, body, result}.read();
    else
        result.effects.pin(PinReason::unknown_function);
    // What it writes to may have a column, or a trigger, that takes the next value.
    result.effects.may_advance_sequence |= result.writes;
    sort_unique(result.calls);
    sort_unique(result.words);
    return result;
}

}  // namespace weir::router
