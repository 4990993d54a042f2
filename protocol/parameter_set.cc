#include "protocol/parameter_set.h"

#include <algorithm>
#include <array>
#include <functional>
#include <mutex>
#include <unordered_map>

namespace weir::protocol {

namespace {

int compare_names(std::string_view a, std::string_view b) {
    const auto common = std::min(a.size(), b.size());
    for (std::size_t i = 0; i < common; ++i) {
        const auto x = static_cast<unsigned char>(lower_ascii(a[i]));
        const auto y = static_cast<unsigned char>(lower_ascii(b[i]));
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
        mix(parameter.is_default ? 3 : 4);
    }
    return hash;
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

}  // namespace

bool same_parameter_name(std::string_view a, std::string_view b) {
    return a.size() == b.size() && compare_names(a, b) == 0;
}

bool is_server_fact(std::string_view name) {
    static constexpr std::array<std::string_view, 4> facts{
        "server_version",
        "server_encoding",
        "integer_datetimes",
        "in_hot_standby",
    };
    return std::any_of(facts.begin(), facts.end(), [&](std::string_view fact) {
        return same_parameter_name(fact, name);
    });
}

bool is_custom_parameter(std::string_view name) {
    return name.find('.') != std::string_view::npos;
}

bool has_foreign_custom(const ParameterSet& server, const ParameterSet& client) {
    if (!server.has_custom()) return false;
    const auto& all = server.parameters();
    return std::any_of(all.begin(), all.end(), [&](const Parameter& parameter) {
        return is_custom_parameter(parameter.name) && client.find(parameter.name) == nullptr;
    });
}

ParameterSet::ParameterSet(std::vector<Parameter> parameters) : parameters_(std::move(parameters)) {
    has_custom_ = std::any_of(parameters_.begin(), parameters_.end(), [](const Parameter& p) {
        return is_custom_parameter(p.name);
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
        if (auto set = it->second.lock(); set && set->parameters_ == parameters) return set;
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
    if (old != nullptr && old->value == parameter.value && old->reported == parameter.reported &&
        old->is_default == parameter.is_default) {
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

}  // namespace weir::protocol
