// PostgreSQL's functions and operators that SQLite lacks, as far as queries on the console and the
// start-up queries of clients need them.
#include "proxy/sqlite.h"
#include "proxy/type_names.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <re2/re2.h>
#include <utility>

namespace weir::proxy {

namespace {

constexpr std::size_t max_pattern = 1000;
// Of RE2's program and its states.
constexpr int max_regexp_memory = 1 << 20;

std::string_view text_of(sqlite3_value* value) {
    const auto* const text = sqlite3_value_text(value);
    if (text == nullptr) return {};
    return {
        reinterpret_cast<const char*>(text), static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

bool is_null(sqlite3_value* value) {
    return sqlite3_value_type(value) == SQLITE_NULL;
}

void answer_text(sqlite3_context* context, std::string_view text) {
    sqlite3_result_text64(context, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void answer_error(sqlite3_context* context, const std::string& text) {
    sqlite3_result_error(context, text.data(), static_cast<int>(text.size()));
}

const SqlSession& session_of(sqlite3_context* context) {
    return *static_cast<const SqlSession*>(sqlite3_user_data(context));
}

// --- LIKE, ILIKE, ~ ---

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

// Without recursion: on a mismatch it goes on behind the last %.
bool is_like(std::string_view text, std::string_view pattern, char escape, bool any_case) {
    std::size_t t = 0;
    std::size_t p = 0;
    std::size_t star = std::string_view::npos;
    std::size_t star_text = 0;
    while (t < text.size()) {
        const bool literal = p < pattern.size() && pattern[p] == escape && escape != '\0';
        const auto at = literal ? p + 1 : p;
        if (!literal && p < pattern.size() && pattern[p] == '%') {
            star = p++;
            star_text = t;
            continue;
        }
        const bool same =
            at < pattern.size() &&
            ((!literal && pattern[at] == '_') ||
             (any_case ? lower(pattern[at]) == lower(text[t]) : pattern[at] == text[t]));
        if (same) {
            const bool one_character = !literal && pattern[at] == '_';
            ++t;
            // "_" is a character, not a byte.
            while (one_character && t < text.size() &&
                   (static_cast<unsigned char>(text[t]) & 0xC0U) == 0x80U)
                ++t;
            p = at + 1;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '%')
        ++p;
    return p == pattern.size();
}

void like(sqlite3_context* context, int count, sqlite3_value** values, bool any_case) {
    if (is_null(values[0]) || is_null(values[1])) return;
    const auto pattern = text_of(values[0]);
    if (pattern.size() > max_pattern) return answer_error(context, "LIKE pattern is too long");
    char escape = '\\';
    if (count == 3) escape = text_of(values[2]).empty() ? '\0' : text_of(values[2])[0];
    sqlite3_result_int(context, is_like(text_of(values[1]), pattern, escape, any_case) ? 1 : 0);
}

void like_case(sqlite3_context* context, int count, sqlite3_value** values) {
    like(context, count, values, false);
}

void like_any_case(sqlite3_context* context, int count, sqlite3_value** values) {
    like(context, count, values, true);
}

void regexp(sqlite3_context* context, int, sqlite3_value** values) {
    if (is_null(values[0]) || is_null(values[1])) return;
    const auto free = [](void* compiled) {
        delete static_cast<re2::RE2*>(compiled);
    };
    auto* compiled = static_cast<re2::RE2*>(sqlite3_get_auxdata(context, 0));
    std::unique_ptr<re2::RE2> made;
    if (compiled == nullptr) {
        const auto pattern = text_of(values[0]);
        re2::RE2::Options options;
        options.set_max_mem(max_regexp_memory);
        options.set_log_errors(false);
        if (pattern.size() <= max_pattern) {
            made = std::make_unique<re2::RE2>(
                re2::StringPiece(pattern.data(), pattern.size()), options
            );
        }
        if (!made || !made->ok()) {
            return answer_error(
                context,
                "invalid regular expression: " + (made ? made->error() : std::string("too long"))
            );
        }
        compiled = made.get();
    }
    const auto text = text_of(values[1]);
    const re2::StringPiece piece(text.data(), text.size());
    sqlite3_result_int(context, re2::RE2::PartialMatch(piece, *compiled) ? 1 : 0);
    if (made) sqlite3_set_auxdata(context, 0, made.release(), free);
}

// --- casts ---

void to_text(sqlite3_context* context, int, sqlite3_value** values) {
    if (!is_null(values[0])) answer_text(context, text_of(values[0]));
}

// The number in a value. False: there is none, and the error is told.
bool read_number(sqlite3_context* context, sqlite3_value* value, const char* type, double& number) {
    if (sqlite3_value_type(value) != SQLITE_TEXT) return number = sqlite3_value_double(value), true;
    std::string text(text_of(value));
    const auto end = text.find_last_not_of(" \t\n");
    text.erase(end == std::string::npos ? 0 : end + 1);
    char* stop = nullptr;
    number = std::strtod(text.c_str(), &stop);
    if (!text.empty() && *stop == '\0') return true;
    answer_error(
        context, std::string("invalid input syntax for type ") + type + ": \"" + text + '"'
    );
    return false;
}

void to_int(sqlite3_context* context, int, sqlite3_value** values) {
    if (is_null(values[0])) return;
    if (sqlite3_value_type(values[0]) == SQLITE_INTEGER) {
        return sqlite3_result_int64(context, sqlite3_value_int64(values[0]));
    }
    double number = 0;
    if (!read_number(context, values[0], "integer", number)) return;
    constexpr double limit = 9.2e18;
    if (std::isnan(number) || std::abs(number) > limit) {
        return answer_error(context, "integer out of range");
    }
    sqlite3_result_int64(context, std::llrint(number));
}

void to_number(sqlite3_context* context, int, sqlite3_value** values) {
    if (is_null(values[0])) return;
    if (sqlite3_value_type(values[0]) == SQLITE_INTEGER) {
        return sqlite3_result_int64(context, sqlite3_value_int64(values[0]));
    }
    double number = 0;
    if (read_number(context, values[0], "numeric", number)) sqlite3_result_double(context, number);
}

void to_bool(sqlite3_context* context, int, sqlite3_value** values) {
    if (is_null(values[0])) return;
    if (sqlite3_value_type(values[0]) != SQLITE_TEXT) {
        return sqlite3_result_int(context, sqlite3_value_double(values[0]) != 0 ? 1 : 0);
    }
    std::string text(text_of(values[0]));
    std::transform(text.begin(), text.end(), text.begin(), lower);
    for (const auto* word : {"t", "true", "y", "yes", "on", "1"}) {
        if (text == word) return sqlite3_result_int(context, 1);
    }
    for (const auto* word : {"f", "false", "n", "no", "off", "0"}) {
        if (text == word) return sqlite3_result_int(context, 0);
    }
    answer_error(context, "invalid input syntax for type boolean: \"" + text + '"');
}

// --- arrays, as their texts: {a,b} ---

std::vector<std::string> elements(std::string_view text) {
    std::vector<std::string> result;
    if (text.size() < 2 || text.front() != '{') return result;
    text = text.substr(1, text.size() - 2);
    std::string element;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '"') {
            quoted = !quoted;
        } else if (text[i] == '\\' && i + 1 < text.size()) {
            element.push_back(text[++i]);
        } else if (text[i] == ',' && !quoted) {
            result.push_back(std::exchange(element, {}));
        } else {
            element.push_back(text[i]);
        }
    }
    if (!text.empty()) result.push_back(element);
    return result;
}

void make_array(sqlite3_context* context, int count, sqlite3_value** values) {
    std::string text = "{";
    for (int i = 0; i < count; ++i) {
        if (i > 0) text.push_back(',');
        if (is_null(values[i])) {
            text.append("NULL");
            continue;
        }
        const auto element = text_of(values[i]);
        const bool plain =
            !element.empty() && element.find_first_of("{},\"\\ ") == std::string::npos;
        if (plain) {
            text.append(element);
            continue;
        }
        text.push_back('"');
        for (const char c : element) {
            if (c == '"' || c == '\\') text.push_back('\\');
            text.push_back(c);
        }
        text.push_back('"');
    }
    answer_text(context, text + '}');
}

void any_of_array(sqlite3_context* context, int, sqlite3_value** values) {
    if (is_null(values[0]) || is_null(values[1])) return;
    const auto wanted = text_of(values[0]);
    const auto all = elements(text_of(values[1]));
    sqlite3_result_int(context, std::find(all.begin(), all.end(), wanted) != all.end() ? 1 : 0);
}

void element_of_array(sqlite3_context* context, int, sqlite3_value** values) {
    if (is_null(values[0]) || is_null(values[1])) return;
    const auto all = elements(text_of(values[0]));
    const auto index = sqlite3_value_int64(values[1]);
    if (index >= 1 && index <= static_cast<sqlite3_int64>(all.size())) {
        answer_text(context, all[static_cast<std::size_t>(index) - 1]);
    }
}

void array_to_string(sqlite3_context* context, int, sqlite3_value** values) {
    if (is_null(values[0]) || is_null(values[1])) return;
    std::string text;
    bool first = true;
    for (const auto& element : elements(text_of(values[0]))) {
        if (!std::exchange(first, false)) text.append(text_of(values[1]));
        text.append(element);
    }
    answer_text(context, text);
}

// As json_each() takes it.
void to_json(sqlite3_context* context, int, sqlite3_value** values) {
    if (is_null(values[0])) return;
    std::string text = "[";
    for (const auto& element : elements(text_of(values[0]))) {
        text.append(text.size() > 1 ? ",\"" : "\"");
        for (const char c : element) {
            if (c == '"' || c == '\\') text.push_back('\\');
            text.push_back(static_cast<unsigned char>(c) < ' ' ? ' ' : c);
        }
        text.push_back('"');
    }
    answer_text(context, text + ']');
}

// --- text ---

void concat(sqlite3_context* context, int count, sqlite3_value** values) {
    std::string text;
    for (int i = 0; i < count; ++i)
        text.append(text_of(values[i]));
    answer_text(context, text);
}

void quote_ident(sqlite3_context* context, int, sqlite3_value** values) {
    if (is_null(values[0])) return;
    const auto name = text_of(values[0]);
    const bool plain =
        !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
    if (plain) return answer_text(context, name);
    std::string text = "\"";
    for (const char c : name)
        text.append(c == '"' ? 2 : 1, c);
    answer_text(context, text + '"');
}

void quote_literal(sqlite3_context* context, int, sqlite3_value** values) {
    if (is_null(values[0])) return;
    std::string text = "'";
    for (const char c : text_of(values[0]))
        text.append(c == '\'' ? 2 : 1, c);
    answer_text(context, text + '\'');
}

void strpos(sqlite3_context* context, int, sqlite3_value** values) {
    if (is_null(values[0]) || is_null(values[1])) return;
    const auto found = text_of(values[0]).find(text_of(values[1]));
    sqlite3_result_int64(
        context, found == std::string_view::npos ? 0 : static_cast<sqlite3_int64>(found) + 1
    );
}

void take_left(sqlite3_context* context, int, sqlite3_value** values) {
    if (is_null(values[0]) || is_null(values[1])) return;
    const auto text = text_of(values[0]);
    auto wanted = sqlite3_value_int64(values[1]);
    std::size_t at = 0;
    for (; at < text.size() && wanted > 0; --wanted) {
        ++at;
        while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U)
            ++at;
    }
    answer_text(context, text.substr(0, at));
}

void take_right(sqlite3_context* context, int, sqlite3_value** values) {
    if (is_null(values[0]) || is_null(values[1])) return;
    const auto text = text_of(values[0]);
    auto wanted = sqlite3_value_int64(values[1]);
    auto at = text.size();
    for (; at > 0 && wanted > 0; --wanted) {
        --at;
        while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U)
            --at;
    }
    answer_text(context, text.substr(at));
}

void split_part(sqlite3_context* context, int, sqlite3_value** values) {
    auto text = text_of(values[0]);
    const auto by = text_of(values[1]);
    for (auto n = sqlite3_value_int64(values[2]); n > 0; --n) {
        const auto end = by.empty() ? std::string_view::npos : text.find(by);
        if (n == 1) return answer_text(context, text.substr(0, end));
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + by.size());
    }
    answer_text(context, "");
}

void size_pretty(sqlite3_context* context, int, sqlite3_value** values) {
    if (is_null(values[0])) return;
    static constexpr std::array<const char*, 5> units{" bytes", " kB", " MB", " GB", " TB"};
    double size = sqlite3_value_double(values[0]);
    std::size_t unit = 0;
    constexpr double step = 10240;  // as PostgreSQL: up to here in the smaller unit
    while (std::abs(size) >= step && unit + 1 < units.size()) {
        size /= 1024;
        ++unit;
    }
    answer_text(context, std::to_string(std::llround(size)) + units[unit]);
}

void now(sqlite3_context* context, int, sqlite3_value**) {
    const auto time = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    std::tm parts{};
    if (::gmtime_r(&time, &parts) == nullptr) return;
    std::array<char, 40> buffer{};
    const auto size = std::strftime(buffer.data(), buffer.size(), "%Y-%m-%d %H:%M:%S+00", &parts);
    answer_text(context, {buffer.data(), size});
}

// --- the session ---

void user(sqlite3_context* context, int, sqlite3_value**) {
    answer_text(context, session_of(context).user);
}

void database(sqlite3_context* context, int, sqlite3_value**) {
    answer_text(context, session_of(context).database);
}

void version(sqlite3_context* context, int, sqlite3_value**) {
    answer_text(context, session_of(context).version);
}

void current_setting(sqlite3_context* context, int count, sqlite3_value** values) {
    std::string name(text_of(values[0]));
    std::transform(name.begin(), name.end(), name.begin(), lower);
    const auto& settings = session_of(context).settings;
    if (const auto found = settings.find(name); found != settings.end()) {
        return answer_text(context, found->second);
    }
    if (count == 2 && sqlite3_value_int(values[1]) != 0) return;
    answer_error(context, "unrecognized configuration parameter \"" + name + '"');
}

// The value, as if it had been set: nothing hangs on it here.
void set_config(sqlite3_context* context, int, sqlite3_value** values) {
    if (!is_null(values[1])) answer_text(context, text_of(values[1]));
}

void encoding_name(sqlite3_context* context, int, sqlite3_value** values) {
    answer_text(context, sqlite3_value_int(values[0]) == 6 ? "UTF8" : "");
}

void utf8(sqlite3_context* context, int, sqlite3_value**) {
    answer_text(context, "UTF8");
}

void encoding_number(sqlite3_context* context, int, sqlite3_value** values) {
    sqlite3_result_int(context, text_of(values[0]) == "UTF8" ? 6 : -1);
}

void format_type(sqlite3_context* context, int, sqlite3_value** values) {
    if (is_null(values[0])) return;
    const auto name = builtin_type_name(static_cast<protocol::Oid>(sqlite3_value_int(values[0])));
    answer_text(context, name.empty() ? std::string_view("???") : name);
}

// --- what is always the same ---

void yes(sqlite3_context* context, int, sqlite3_value**) {
    sqlite3_result_int(context, 1);
}

void no(sqlite3_context* context, int, sqlite3_value**) {
    sqlite3_result_int(context, 0);
}

void nothing(sqlite3_context* context, int, sqlite3_value**) {
    sqlite3_result_null(context);
}

void schema(sqlite3_context* context, int, sqlite3_value**) {
    answer_text(context, "public");
}

void schemas(sqlite3_context* context, int, sqlite3_value** values) {
    answer_text(context, sqlite3_value_int(values[0]) != 0 ? "{pg_catalog,public}" : "{public}");
}

struct Function {
    const char* name;
    int arguments;  // -1: any number
    void (*call)(sqlite3_context*, int, sqlite3_value**);
};

constexpr Function functions[] = {
    {"like", 2, like_case},
    {"like", 3, like_case},
    {"match", 2, like_any_case},
    {"regexp", 2, regexp},
    {"weir_text", 1, to_text},
    {"weir_int", 1, to_int},
    {"weir_number", 1, to_number},
    {"weir_bool", 1, to_bool},
    {"weir_array", -1, make_array},
    {"weir_any", 2, any_of_array},
    {"weir_element", 2, element_of_array},
    {"weir_json", 1, to_json},
    {"array_to_string", 2, array_to_string},
    {"array_to_string", 3, array_to_string},
    {"concat", -1, concat},
    {"quote_ident", 1, quote_ident},
    {"quote_literal", 1, quote_literal},
    {"strpos", 2, strpos},
    {"weir_left", 2, take_left},
    {"weir_right", 2, take_right},
    {"split_part", 3, split_part},
    {"pg_size_pretty", 1, size_pretty},
    {"now", 0, now},
    {"transaction_timestamp", 0, now},
    {"clock_timestamp", 0, now},
    {"current_user", 0, user},
    {"session_user", 0, user},
    {"current_role", 0, user},
    {"user", 0, user},
    {"pg_get_userbyid", 1, user},
    {"current_database", 0, database},
    {"current_catalog", 0, database},
    {"current_schema", 0, schema},
    {"current_schemas", 1, schemas},
    {"version", 0, version},
    {"current_setting", 1, current_setting},
    {"current_setting", 2, current_setting},
    {"set_config", 3, set_config},
    {"pg_encoding_to_char", 1, encoding_name},
    {"format_type", 2, format_type},
    {"getdatabaseencoding", 0, utf8},
    {"pg_client_encoding", 0, utf8},
    {"pg_char_to_encoding", 1, encoding_number},
    {"pg_table_is_visible", 1, yes},
    {"pg_type_is_visible", 1, yes},
    {"pg_function_is_visible", 1, yes},
    {"pg_operator_is_visible", 1, yes},
    {"pg_collation_is_visible", 1, yes},
    {"pg_statistics_obj_is_visible", 1, yes},
    {"pg_conversion_is_visible", 1, yes},
    {"pg_opclass_is_visible", 1, yes},
    {"pg_opfamily_is_visible", 1, yes},
    {"pg_ts_config_is_visible", 1, yes},
    {"pg_ts_dict_is_visible", 1, yes},
    {"pg_ts_parser_is_visible", 1, yes},
    {"pg_ts_template_is_visible", 1, yes},
    {"has_database_privilege", -1, yes},
    {"has_schema_privilege", -1, yes},
    {"has_table_privilege", -1, yes},
    {"has_any_column_privilege", -1, yes},
    {"has_column_privilege", -1, yes},
    {"has_function_privilege", -1, yes},
    {"has_type_privilege", -1, yes},
    {"has_tablespace_privilege", -1, yes},
    {"pg_has_role", -1, yes},
    {"pg_is_in_recovery", 0, no},
    {"pg_is_other_temp_schema", 1, no},
    {"pg_my_temp_schema", 0, no},
    {"pg_backend_pid", 0, no},
    {"pg_relation_size", -1, no},
    {"pg_table_size", 1, no},
    {"pg_total_relation_size", 1, no},
    {"pg_indexes_size", 1, no},
    {"pg_database_size", 1, no},
    {"pg_tablespace_size", 1, no},
    {"pg_stat_get_numscans", 1, no},
    {"pg_relation_is_publishable", 1, no},
    {"txid_current", 0, no},
    {"obj_description", -1, nothing},
    {"col_description", 2, nothing},
    {"shobj_description", 2, nothing},
    {"pg_get_expr", -1, nothing},
    {"pg_get_viewdef", -1, nothing},
    {"pg_get_indexdef", -1, nothing},
    {"pg_get_constraintdef", -1, nothing},
    {"pg_get_functiondef", 1, nothing},
    {"pg_get_function_result", 1, nothing},
    {"pg_get_function_arguments", 1, nothing},
    {"pg_get_function_identity_arguments", 1, nothing},
    {"pg_get_ruledef", -1, nothing},
    {"pg_get_triggerdef", -1, nothing},
    {"pg_get_partkeydef", 1, nothing},
    {"pg_get_partition_constraintdef", 1, nothing},
    {"pg_get_serial_sequence", 2, nothing},
    {"pg_get_statisticsobjdef_columns", 1, nothing},
    {"pg_tablespace_location", 1, nothing},
    {"pg_partition_ancestors", 1, nothing},
    {"pg_postmaster_start_time", 0, now},
    {"pg_conf_load_time", 0, now},
    {"inet_server_addr", 0, nothing},
    {"inet_server_port", 0, nothing},
    {"inet_client_addr", 0, nothing},
    {"inet_client_port", 0, nothing},
    {"to_regclass", 1, nothing},
    {"to_regtype", 1, nothing},
    {"pg_listening_channels", 0, nothing},
    {"pg_advisory_unlock_all", 0, nothing},
    {"pg_stat_get_backend_idset", 0, nothing},
};

}  // namespace

void add_sql_functions(sqlite3* database, const SqlSession& session) {
    // SQLite hands it back to the functions, which only read it.
    auto* const context = const_cast<SqlSession*>(&session);
    const int flags = SQLITE_UTF8 | SQLITE_INNOCUOUS;
    for (const auto& each : functions) {
        sqlite3_create_function_v2(
            database,
            each.name,
            each.arguments,
            flags,
            context,
            each.call,
            nullptr,
            nullptr,
            nullptr
        );
    }
}

bool is_refused_function(std::string_view name) {
    static constexpr std::array<std::string_view, 9> refused{
        "load_extension",
        "randomblob",
        "zeroblob",
        "fts3_tokenizer",
        "readfile",
        "writefile",
        "edit",
        "sqlite_compileoption_get",
        "sqlite_source_id"};
    return std::find(refused.begin(), refused.end(), name) != refused.end();
}

}  // namespace weir::proxy
