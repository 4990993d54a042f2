#include "protocol/set_statements.h"

#include <algorithm>
#include <array>

namespace weir::protocol {

namespace {

// GUC_LIST_QUOTE: lists of identifiers, each quoted by itself (guc.c, variables_list).
constexpr std::array<std::string_view, 6> identifier_lists{
    "search_path",
    "temp_tablespaces",
    "session_preload_libraries",
    "shared_preload_libraries",
    "local_preload_libraries",
    "unix_socket_directories",
};

bool is_identifier_list(std::string_view name) {
    return std::any_of(
        identifier_lists.begin(),
        identifier_lists.end(),
        [&](std::string_view list) { return same_parameter_name(list, name); }
    );
}

}  // namespace

std::string quote_literal(std::string_view text) {
    std::string out;
    out.reserve(text.size() + 3);
    if (text.find('\\') != std::string_view::npos) out.push_back('E');
    out.push_back('\'');
    for (const char c : text) {
        if (c == '\'' || c == '\\') out.push_back(c);
        out.push_back(c);
    }
    out.push_back('\'');
    return out;
}

std::string quote_identifier(std::string_view name) {
    std::string out = "\"";
    for (const char c : name) {
        if (c == '"') out.push_back(c);
        out.push_back(c);
    }
    out.push_back('"');
    return out;
}

std::vector<std::string> split_identifiers(std::string_view list, bool& valid) {
    std::vector<std::string> names;
    const auto is_space = [](char c) {
        return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
    };
    std::size_t at = 0;
    const auto skip_space = [&] {
        while (at < list.size() && is_space(list[at]))
            ++at;
    };
    valid = true;
    skip_space();
    if (at == list.size()) return names;
    for (;;) {
        std::string name;
        if (at < list.size() && list[at] == '"') {
            ++at;
            for (;; ++at) {
                if (at == list.size()) return valid = false, names;
                if (list[at] == '"') {
                    ++at;
                    if (at == list.size() || list[at] != '"') break;
                }
                name.push_back(list[at]);
            }
        } else {
            while (at < list.size() && list[at] != ',' && !is_space(list[at])) {
                name.push_back(lower_ascii(list[at++]));
            }
            if (name.empty()) return valid = false, names;
        }
        names.push_back(std::move(name));
        skip_space();
        if (at == list.size()) return names;
        if (list[at] != ',') return valid = false, names;
        ++at;
        skip_space();
    }
}

namespace {

// A custom name has parts that are quoted one by one: "app"."tenant".
std::string quoted_parameter(std::string_view name) {
    std::string out;
    std::size_t from = 0;
    for (;;) {
        const auto dot = name.find('.', from);
        out += quote_identifier(name.substr(from, dot - from));
        if (dot == std::string_view::npos) return out;
        out.push_back('.');
        from = dot + 1;
    }
}

// The list as PostgreSQL shows it after SET; but for names that are reserved words.
std::string as_set_writes(const std::vector<std::string>& names) {
    std::string out;
    for (const auto& name : names) {
        if (!out.empty()) out += ", ";
        const bool plain =
            !name.empty() && (name[0] < '0' || name[0] > '9') &&
            name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
        out += plain ? name : quote_identifier(name);
    }
    return out;
}

}  // namespace

std::string set_statement(std::string_view name, std::string_view value) {
    auto out = "SET " + quoted_parameter(name) + " TO ";
    if (!is_identifier_list(name)) return out + quote_literal(value);
    bool valid = false;
    const auto names = split_identifiers(value, valid);
    if (!valid || names.empty() || as_set_writes(names) != value) {
        // SET would take it for one name, or write it in another way; set_config takes the text as
        // the start-up packet does, and refuses what is no list.
        return "SELECT pg_catalog.set_config(" + quote_literal(name) + ", " + quote_literal(value) +
               ", false)";
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i > 0) out += ", ";
        out += quote_literal(names[i]);
    }
    return out;
}

namespace {

constexpr std::string_view role = "role";
constexpr std::string_view session_authorization = "session_authorization";
constexpr std::string_view is_superuser = "is_superuser";
constexpr std::string_view client_encoding = "client_encoding";

// Prefixes that libraries reserve for themselves when they are loaded (MarkGUCPrefixReserved), by
// which placeholders of other names under them are removed, and refused from then on.
constexpr std::array<std::string_view, 16> library_prefixes{
    "plpgsql.",
    "plperl.",
    "pltcl.",
    "plpython.",
    "auto_explain.",
    "auth_delay.",
    "basic_archive.",
    "pg_prewarm.",
    "pg_trgm.",
    "pgaudit.",
    "pg_cron.",
    "cron.",
    "postgres_fdw.",
    "sepgsql.",
    "citus.",
    "pg_stat_statements.",
};

bool is_librarys(std::string_view name) {
    return std::any_of(
        library_prefixes.begin(),
        library_prefixes.end(),
        [&](std::string_view prefix) {
            return name.size() > prefix.size() &&
                   same_parameter_name(name.substr(0, prefix.size()), prefix);
        }
    );
}

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < 128;
    });
}

// From what one session has to what another has.
class Difference {
public:
    Difference(
        const ParameterSet& server,
        const ParameterSet& client,
        const std::vector<std::string>& uncertain,
        std::vector<std::string>& changed_names,
        std::string_view login_user
    )
        : server_(server),
          client_(client),
          uncertain_(uncertain),
          changed_(changed_names),
          login_user_(login_user),
          // The same bytes are another text then.
          same_encoding_(server.value(client_encoding) == client.value(client_encoding)) {}

    std::vector<std::string> statements() {
        reset_what_is_extra();
        // What follows is written in it.
        if (const auto* encoding = client_.find(client_encoding)) bring(*encoding);
        for (const auto& parameter : client_.parameters()) {
            if (!same_parameter_name(parameter.name, client_encoding)) bring(parameter);
        }
        return identity();
    }

private:
    static bool is_identity(std::string_view name) {
        return same_parameter_name(name, role) ||
               same_parameter_name(name, session_authorization) ||
               same_parameter_name(name, is_superuser);
    }

    bool is_uncertain(std::string_view name) const {
        return std::any_of(uncertain_.begin(), uncertain_.end(), [&](const std::string& other) {
            return same_parameter_name(other, name);
        });
    }

    void reset(std::string_view name) {
        changed_.emplace_back(name);
        if (!is_librarys(name)) {
            statements_.push_back("RESET " + quoted_parameter(name));
            return;
        }
        // Of a name that is refused now there is nothing to reset (42602).
        const auto quoted = quote_literal(name);
        statements_.push_back(
            "SELECT CASE WHEN pg_catalog.current_setting(" + quoted +
            ", true) IS NOT NULL THEN pg_catalog.set_config(" + quoted + ", NULL, false) END"
        );
    }

    void reset_what_is_extra() {
        for (const auto& parameter : server_.parameters()) {
            if (parameter.reported || parameter.is_default || is_identity(parameter.name)) continue;
            if (client_.find(parameter.name) == nullptr && !is_uncertain(parameter.name)) {
                reset(parameter.name);
            }
        }
        for (const auto& name : uncertain_) {
            if (client_.find(name) == nullptr && !is_identity(name)) reset(name);
        }
    }

    bool differs(const Parameter& parameter) const {
        const auto* on_server = server_.find(parameter.name);
        // What this server does not report it may not know (an older version).
        if (on_server == nullptr && parameter.reported) return is_uncertain(parameter.name);
        if (on_server == nullptr || is_uncertain(parameter.name)) return true;
        return on_server->value != parameter.value ||
               on_server->is_default != parameter.is_default ||
               (!same_encoding_ && !is_ascii(parameter.value));
    }

    void bring(const Parameter& parameter) {
        if (is_identity(parameter.name) || !differs(parameter)) return;
        if (parameter.is_default) return reset(parameter.name);
        changed_.push_back(parameter.name);
        statements_.push_back(set_statement(parameter.name, parameter.value));
    }

    // Around the others: whoever has logged in may set them; the role comes last. What is the same
    // on both sides is taken off and put on again only if there is something to set between.
    std::vector<std::string> identity() {
        const auto* const user = client_.find(session_authorization);
        const auto* const new_role = client_.find(role);
        const auto* const old_role = server_.find(role);
        // Under another user than the one who has logged in nothing can be set that takes rights.
        const bool between = !statements_.empty() && user != nullptr && !login_user_.empty() &&
                             user->value != login_user_;
        const bool other_user = user != nullptr && (between || differs(*user));
        const bool role_uncertain = is_uncertain(role);
        const bool other_role =
            role_uncertain || (new_role != nullptr ? differs(*new_role) : old_role != nullptr);
        if (statements_.empty() && !other_user && !other_role) return {};
        std::vector<std::string> all;
        if (old_role != nullptr || role_uncertain) all.emplace_back("RESET ROLE");
        if (other_user) all.emplace_back("RESET SESSION AUTHORIZATION");
        all.insert(all.end(), statements_.begin(), statements_.end());
        if (other_user) all.push_back(set_statement(user->name, user->value));
        if (new_role != nullptr) all.push_back(set_statement(role, new_role->value));
        if (other_user) changed_.emplace_back(session_authorization);
        const bool touches_role = old_role != nullptr || role_uncertain || new_role != nullptr;
        if (touches_role) changed_.emplace_back(role);
        if (other_user || touches_role) changed_.emplace_back(is_superuser);
        return all;
    }

    const ParameterSet& server_;
    const ParameterSet& client_;
    const std::vector<std::string>& uncertain_;
    std::vector<std::string>& changed_;
    const std::string_view login_user_;
    const bool same_encoding_;
    std::vector<std::string> statements_;
};

}  // namespace

std::vector<std::string> statements_between(
    const ParameterSet& server,
    const ParameterSet& client,
    const std::vector<std::string>& uncertain,
    std::vector<std::string>& changed_names,
    std::string_view login_user
) {
    return Difference(server, client, uncertain, changed_names, login_user).statements();
}

}  // namespace weir::protocol
