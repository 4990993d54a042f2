#include "protocol/parameter_set.h"

#include <algorithm>
#include <array>
#include <functional>
#include <mutex>
#include <unordered_map>

namespace weir::protocol {

namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

int compare_names(std::string_view a, std::string_view b) {
    const auto common = std::min(a.size(), b.size());
    for (std::size_t i = 0; i < common; ++i) {
        const auto x = static_cast<unsigned char>(lower(a[i]));
        const auto y = static_cast<unsigned char>(lower(b[i]));
        if (x != y) return x < y ? -1 : 1;
    }
    return a.size() == b.size() ? 0 : (a.size() < b.size() ? -1 : 1);
}

bool name_less(const Parameter& a, const Parameter& b) {
    return compare_names(a.name, b.name) < 0;
}

std::size_t hash_of(const std::vector<Parameter>& parameters) {
    std::size_t hash = parameters.size();
    const auto mix = [&hash](std::size_t value) {
        hash ^= value + 0x9e3779b97f4a7c15ULL + (hash << 6) + (hash >> 2);
    };
    for (const auto& parameter : parameters) {
        mix(std::hash<std::string>{}(parameter.name));
        mix(std::hash<std::string>{}(parameter.value));
        mix(parameter.reported ? 1 : 2);
    }
    return hash;
}

bool equal(const std::vector<Parameter>& a, const std::vector<Parameter>& b) {
    return std::equal(
        a.begin(),
        a.end(),
        b.begin(),
        b.end(),
        [](const Parameter& x, const Parameter& y) {
            return x.reported == y.reported && x.name == y.name && x.value == y.value;
        }
    );
}

// All sets in use. Changed only when some session's parameters change, so one lock is enough.
struct Interned {
    std::mutex mutex;
    std::unordered_multimap<std::size_t, std::weak_ptr<const ParameterSet>> sets;
    std::size_t sweep_at = 256;
};

Interned& interned() {
    static Interned instance;
    return instance;
}

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

bool same_parameter_name(std::string_view a, std::string_view b) {
    return a.size() == b.size() && compare_names(a, b) == 0;
}

bool is_server_fact(std::string_view name) {
    static constexpr std::array<std::string_view, 6> facts{
        "server_version",
        "server_encoding",
        "integer_datetimes",
        "is_superuser",
        "in_hot_standby",
        "session_authorization",
    };
    return std::any_of(facts.begin(), facts.end(), [&](std::string_view fact) {
        return same_parameter_name(fact, name);
    });
}

const Parameter* ParameterSet::find(std::string_view name) const {
    const auto found = std::lower_bound(
        parameters_.begin(),
        parameters_.end(),
        name,
        [](const Parameter& parameter, std::string_view wanted) {
            return compare_names(parameter.name, wanted) < 0;
        }
    );
    if (found == parameters_.end() || !same_parameter_name(found->name, name)) return nullptr;
    return &*found;
}

std::string_view ParameterSet::value(std::string_view name) const {
    const auto* parameter = find(name);
    return parameter != nullptr ? std::string_view(parameter->value) : std::string_view();
}

ParameterSetRef ParameterSet::none() {
    static const ParameterSetRef empty = make({});
    return empty;
}

ParameterSetRef ParameterSet::make(std::vector<Parameter> parameters) {
    std::sort(parameters.begin(), parameters.end(), name_less);
    const auto hash = hash_of(parameters);
    auto& all = interned();
    const std::lock_guard lock(all.mutex);
    const auto [first, last] = all.sets.equal_range(hash);
    for (auto it = first; it != last; ++it) {
        if (auto set = it->second.lock(); set && equal(set->parameters_, parameters)) return set;
    }
    if (all.sets.size() >= all.sweep_at) {
        std::erase_if(all.sets, [](const auto& entry) { return entry.second.expired(); });
        all.sweep_at = std::max<std::size_t>(256, all.sets.size() * 2);
    }
    ParameterSetRef set(new ParameterSet(std::move(parameters)));
    all.sets.emplace(hash, set);
    return set;
}

ParameterSetRef ParameterSet::with(const ParameterSetRef& set, Parameter parameter) {
    const auto* old = set->find(parameter.name);
    if (old != nullptr && old->value == parameter.value && old->reported == parameter.reported) {
        return set;
    }
    auto parameters = set->parameters_;
    if (old != nullptr) {
        parameters[static_cast<std::size_t>(old - set->parameters_.data())] = std::move(parameter);
    } else {
        parameters.push_back(std::move(parameter));
    }
    return make(std::move(parameters));
}

ParameterSetRef ParameterSet::without(const ParameterSetRef& set, std::string_view name) {
    if (set->find(name) == nullptr) return set;
    auto parameters = set->parameters_;
    std::erase_if(parameters, [&](const Parameter& p) {
        return same_parameter_name(p.name, name);
    });
    return make(std::move(parameters));
}

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
                name.push_back(lower(list[at++]));
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

}  // namespace

std::string set_statement(std::string_view name, std::string_view value) {
    auto out = "SET " + quoted_parameter(name) + " TO ";
    if (!is_identifier_list(name)) return out + quote_literal(value);
    bool valid = false;
    const auto names = split_identifiers(value, valid);
    if (!valid || names.empty()) {
        // SET would take it for one name; set_config takes the text as the start-up packet does,
        // and refuses what is no list.
        return "SELECT pg_catalog.set_config(" + quote_literal(name) + ", " + quote_literal(value) +
               ", false)";
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i > 0) out += ", ";
        out += quote_literal(names[i]);
    }
    return out;
}

std::vector<std::string> statements_between(
    const ParameterSet& server,
    const ParameterSet& client,
    const std::vector<std::string>& uncertain,
    std::vector<std::string>& changed_names
) {
    const auto is_uncertain = [&](std::string_view name) {
        return std::any_of(uncertain.begin(), uncertain.end(), [&](const std::string& other) {
            return same_parameter_name(other, name);
        });
    };
    std::vector<std::string> statements;
    const auto reset = [&](std::string_view name) {
        changed_names.emplace_back(name);
        statements.push_back("RESET " + quoted_parameter(name));
    };
    for (const auto& parameter : server.parameters()) {
        if (!parameter.reported && client.find(parameter.name) == nullptr &&
            !is_uncertain(parameter.name)) {
            reset(parameter.name);
        }
    }
    for (const auto& name : uncertain) {
        if (client.find(name) == nullptr) reset(name);
    }
    for (const auto& parameter : client.parameters()) {
        const auto* on_server = server.find(parameter.name);
        const bool same = on_server != nullptr && on_server->value == parameter.value;
        if (same && !is_uncertain(parameter.name)) continue;
        // What this server does not report it may not know (an older version).
        if (on_server == nullptr && parameter.reported) continue;
        changed_names.push_back(parameter.name);
        statements.push_back(set_statement(parameter.name, parameter.value));
    }
    return statements;
}

}  // namespace weir::protocol
