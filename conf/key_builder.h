// Makes Key entries from member pointers: key<&Settings::workers>("workers", "...").
// Only for the tables in global_keys.cc and section_keys.cc.
#pragma once

#include "conf/keys.h"

#include <array>
#include <limits>
#include <type_traits>

namespace weir::conf {

inline constexpr std::array<std::string_view, 3> pool_modes{"session", "transaction", "statement"};
inline constexpr std::array<std::string_view, 5> auth_types{
    "trust", "any", "plain", "md5", "scram-sha-256"};
inline constexpr std::array<std::string_view, 6> ssl_modes{
    "disable", "allow", "prefer", "require", "verify-ca", "verify-full"};
inline constexpr std::array<std::string_view, 3> lend_policies{"lifo", "round_robin", "rotate"};
inline constexpr std::array<std::string_view, 3> pin_notices{"off", "first", "always"};
inline constexpr std::array<std::string_view, 2> listen_losts{"close", "notice"};

inline constexpr std::array<std::string_view, 2> slow_log_formats{"json", "text"};

inline constexpr std::array<std::string_view, 3> host_roles{"auto", "primary", "replica"};
inline constexpr std::array<std::string_view, 3> routes{"auto", "primary", "replica"};
inline constexpr std::array<std::string_view, 4> consistencies{
    "none", "session", "global", "strict"};
inline constexpr std::array<std::string_view, 3> primary_reads{"never", "fallback", "always"};

template <class T>
struct Unwrap {
    using type = T;
    static constexpr bool optional = false;
};

template <class T>
struct Unwrap<std::optional<T>> {
    using type = T;
    static constexpr bool optional = true;
};

template <class T>
Value to_value(const T& member) {
    if constexpr (Unwrap<T>::optional) {
        return member ? to_value(*member) : Value{};
    } else if constexpr (std::is_enum_v<T>) {
        return Choice{static_cast<std::size_t>(member)};
    } else if constexpr (std::is_same_v<T, int>) {
        return std::int64_t{member};
    } else {
        return member;
    }
}

template <class T>
T from_value(const Value& value) {
    if constexpr (Unwrap<T>::optional) {
        if (std::holds_alternative<std::monostate>(value)) return std::nullopt;
        return from_value<typename Unwrap<T>::type>(value);
    } else if constexpr (std::is_enum_v<T>) {
        return static_cast<T>(std::get<Choice>(value).index);
    } else if constexpr (std::is_same_v<T, int>) {
        return static_cast<int>(std::get<std::int64_t>(value));
    } else {
        return std::get<T>(value);
    }
}

template <class T>
constexpr std::span<const std::string_view> choices_of() {
    if constexpr (std::is_same_v<T, PoolMode>) return pool_modes;
    if constexpr (std::is_same_v<T, AuthType>) return auth_types;
    if constexpr (std::is_same_v<T, SslMode>) return ssl_modes;
    if constexpr (std::is_same_v<T, LendPolicy>) return lend_policies;
    if constexpr (std::is_same_v<T, PinNotice>) return pin_notices;
    if constexpr (std::is_same_v<T, ListenLost>) return listen_losts;
    if constexpr (std::is_same_v<T, SlowLogFormat>) return slow_log_formats;
    if constexpr (std::is_same_v<T, HostRole>) return host_roles;
    if constexpr (std::is_same_v<T, RouteTo>) return routes;
    if constexpr (std::is_same_v<T, Consistency>) return consistencies;
    if constexpr (std::is_same_v<T, PrimaryReads>) return primary_reads;
    return {};
}

inline constexpr std::int64_t most = std::numeric_limits<int>::max();
inline constexpr std::int64_t year_ms = 365LL * 24 * 3600 * 1000;

// The rule that follows from a member's type; the table refines it where that is not all.
template <class T>
Rule rule_for() {
    using Plain = typename Unwrap<T>::type;
    Rule rule;
    if constexpr (std::is_same_v<Plain, bool>) {
        rule.kind = Kind::boolean;
    } else if constexpr (std::is_same_v<Plain, int>) {
        rule.kind = Kind::integer;
        rule.high = most;
    } else if constexpr (std::is_same_v<Plain, std::int64_t>) {
        rule.kind = Kind::integer;
        rule.high = std::numeric_limits<std::int64_t>::max();
    } else if constexpr (std::is_same_v<Plain, Milliseconds>) {
        rule.kind = Kind::duration;
        rule.high = year_ms;
    } else if constexpr (std::is_same_v<Plain, std::string>) {
        rule.kind = Kind::text;
    } else if constexpr (std::is_same_v<Plain, Secret>) {
        rule.kind = Kind::secret;
    } else if constexpr (std::is_same_v<Plain, std::vector<std::string>>) {
        rule.kind = Kind::list;
    } else if constexpr (std::is_same_v<Plain, std::vector<HostSettings>>) {
        rule.kind = Kind::hosts;
    } else {
        rule.kind = Kind::choice;
        rule.choices = choices_of<Plain>();
    }
    return rule;
}

template <class Member>
struct OwnerOf;

template <class Owner, class T>
struct OwnerOf<T Owner::*> {
    using owner = Owner;
    using type = T;
};

template <auto member>
auto key(std::string_view name, std::string_view doc) {
    using Owner = typename OwnerOf<decltype(member)>::owner;
    using T = typename OwnerOf<decltype(member)>::type;
    Key<Owner> key;
    key.name = name;
    key.doc = doc;
    key.rule = rule_for<T>();
    key.get = [](const Owner& owner) {
        return to_value(owner.*member);
    };
    key.set = [](Owner& owner, const Value& value) {
        owner.*member = from_value<T>(value);
    };
    return key;
}

template <class Owner>
Key<Owner> ranged(std::int64_t low, std::int64_t high, Key<Owner> key) {
    key.rule.low = low;
    key.rule.high = high;
    return key;
}

template <class Owner>
Key<Owner> restart(Key<Owner> key) {
    key.live = false;
    return key;
}

}  // namespace weir::conf
