#include "conf/value.h"

#include "conf/host_list.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace weir::conf {

namespace {

struct Unit {
    std::string_view name;
    Milliseconds length;
};

// Longest suffix first: "ms" ends in "s".
constexpr std::array<Unit, 6> units{{
    {"ms", Milliseconds(1)},
    {"s", std::chrono::seconds(1)},
    {"min", std::chrono::minutes(1)},
    {"m", std::chrono::minutes(1)},
    {"h", std::chrono::hours(1)},
    {"d", std::chrono::hours(24)},
}};

std::optional<double> to_number(std::string_view text) {
    double number = 0;
    // from_chars reads "inf" and "nan", too.
    auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) {
        return std::nullopt;
    }
    return number;
}

std::optional<std::int64_t> to_integer(std::string_view text, int base) {
    std::int64_t number = 0;
    auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

Read<Milliseconds> scaled(double number, Milliseconds unit) {
    double count = number * static_cast<double>(unit.count());
    // Nobody waits 300 years, and the clock's arithmetic has room above it.
    constexpr double longest = 1e13;
    if (number < 0) return {.value = {}, .wrong = "is negative"};
    if (count > longest) return {.value = {}, .wrong = "is too long"};
    // 2.3 s is 2299.9999... ms as a double: the nearest value first, then up.
    double nearest = std::round(count);
    double rounded = std::abs(count - nearest) < 1e-6 ? nearest : std::ceil(count);
    return {.value = Milliseconds(static_cast<std::int64_t>(rounded)), .wrong = {}};
}

Read<Value> bad(const Rule& rule, std::string what) {
    return {.value = {}, .wrong = std::move(what) + "; allowed: " + allowed(rule)};
}

Read<Value> ranged(const Rule& rule, std::int64_t number) {
    if (number < rule.low || number > rule.high) return bad(rule, "is out of range");
    return {.value = number, .wrong = {}};
}

Read<Value> ranged(const Rule& rule, const Read<Milliseconds>& duration) {
    if (!duration.ok()) return bad(rule, duration.wrong);
    std::int64_t count = duration.value.count();
    if (count < rule.low || count > rule.high) return bad(rule, "is out of range");
    if (rule.whole_units && count % rule.unit.count() != 0) {
        return bad(rule, "is not a whole number of seconds");
    }
    return {.value = duration.value, .wrong = {}};
}

Read<Value> read_boolean(const Rule& rule, std::string_view text) {
    std::string word = to_lower(text);
    for (std::string_view yes : {"1", "yes", "on", "true"}) {
        if (word == yes) return {.value = true, .wrong = {}};
    }
    for (std::string_view no : {"0", "no", "off", "false"}) {
        if (word == no) return {.value = false, .wrong = {}};
    }
    return bad(rule, "is not a boolean");
}

Read<Value> read_choice(const Rule& rule, std::string_view text) {
    std::string word = to_lower(text);
    auto found = std::find(rule.choices.begin(), rule.choices.end(), word);
    if (found == rule.choices.end()) return bad(rule, "is not one of the choices");
    auto index = static_cast<std::size_t>(found - rule.choices.begin());
    return {.value = Choice{index}, .wrong = {}};
}

std::string number_text(double number) {
    std::array<char, 32> buffer{};
    auto [end, code] = std::to_chars(
        buffer.data(), buffer.data() + buffer.size(), number, std::chars_format::fixed
    );
    return code == std::errc() ? std::string(buffer.data(), end) : std::string();
}

std::string octal_text(std::int64_t number) {
    std::array<char, 24> buffer{};
    auto [end, code] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, 8);
    std::string digits = code == std::errc() ? std::string(buffer.data(), end) : "0";
    return std::string(digits.size() < 4 ? 4 - digits.size() : 0, '0') + digits;
}

// The shortest unit-less number: 2500 ms in seconds is 2.5.
std::string duration_number(const Rule& rule, Milliseconds value) {
    return number_text(static_cast<double>(value.count()) / static_cast<double>(rule.unit.count()));
}

std::string joined(const std::vector<std::string>& items) {
    std::string text;
    for (const std::string& item : items) {
        if (!text.empty()) text += ", ";
        text += item;
    }
    return text;
}

// 1500 -> "1500ms", 90000 -> "90s", 7200000 -> "2h"
std::string duration_text(Milliseconds value) {
    if (value.count() == 0) return "0";
    for (std::string_view name : {"d", "h", "s"}) {
        auto unit =
            std::find_if(units.begin(), units.end(), [&](auto& u) { return u.name == name; });
        if (value.count() % unit->length.count() == 0) {
            return std::to_string(value.count() / unit->length.count()) + std::string(name);
        }
    }
    return std::to_string(value.count()) + "ms";
}

}  // namespace

std::string_view trim(std::string_view text) {
    constexpr std::string_view blank = " \t\r\n\f\v";
    std::size_t first = text.find_first_not_of(blank);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

std::string to_lower(std::string_view text) {
    std::string lower(text);
    for (char& c : lower) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return lower;
}

std::vector<std::string> split_list(std::string_view text) {
    std::vector<std::string> items;
    while (true) {
        std::size_t comma = text.find(',');
        std::string_view item = trim(text.substr(0, comma));
        if (!item.empty()) items.emplace_back(item);
        if (comma == std::string_view::npos) return items;
        text.remove_prefix(comma + 1);
    }
}

Read<Milliseconds> read_duration(std::string_view text, Milliseconds unit) {
    text = trim(text);
    std::size_t digits = text.find_first_not_of("0123456789.+-");
    std::string suffix = to_lower(trim(text.substr(std::min(digits, text.size()))));
    std::string_view number_part = trim(text.substr(0, digits));
    if (!number_part.empty() && number_part.front() == '+') number_part.remove_prefix(1);
    std::optional<double> number = to_number(number_part);
    if (!number) return {.value = {}, .wrong = "is not a duration"};
    if (suffix.empty()) return scaled(*number, unit);
    for (const Unit& known : units) {
        if (suffix == known.name) return scaled(*number, known.length);
    }
    return {.value = {}, .wrong = "has an unknown unit"};
}

Read<Value> read_number(const Rule& rule, double number) {
    if (rule.kind == Kind::duration) return ranged(rule, scaled(number, rule.unit));
    return bad(rule, "is a number");
}

Read<Value> read_value(const Rule& rule, std::string_view text) {
    std::string_view trimmed = trim(text);
    // PostgreSQL's C strings end at a zero byte: such a text would mean something else there.
    if (text.find('\0') != std::string_view::npos) return bad(rule, "contains a zero byte");
    switch (rule.kind) {
        case Kind::boolean:
            return read_boolean(rule, trimmed);
        case Kind::integer:
            if (auto number = to_integer(trimmed, 10)) return ranged(rule, *number);
            return bad(rule, "is not a whole number");
        case Kind::octal:
            if (auto number = to_integer(trimmed, 8)) return ranged(rule, *number);
            return bad(rule, "is not an octal number");
        case Kind::duration:
            return ranged(rule, read_duration(trimmed, rule.unit));
        case Kind::text:
            return {.value = std::string(text), .wrong = {}};
        case Kind::secret:
            return {.value = Secret(std::string(text)), .wrong = {}};
        case Kind::list:
            return {.value = split_list(rule.lower_case ? to_lower(text) : text), .wrong = {}};
        case Kind::choice:
            return read_choice(rule, trimmed);
        case Kind::hosts: {
            Read<std::vector<HostSettings>> hosts = read_host_list(text);
            if (!hosts.ok()) return bad(rule, std::move(hosts.wrong));
            return {.value = std::move(hosts.value), .wrong = {}};
        }
    }
    return bad(rule, "cannot be read");
}

std::string allowed(const Rule& rule) {
    auto range = [](const std::string& low, const std::string& high) {
        return low + " to " + high;
    };
    switch (rule.kind) {
        case Kind::boolean:
            return "true or false (in an ini file also 1, 0, yes, no, on, off)";
        case Kind::integer:
            return range(std::to_string(rule.low), std::to_string(rule.high));
        case Kind::octal:
            return range(octal_text(rule.low), octal_text(rule.high));
        case Kind::duration: {
            std::string unit = rule.unit == Milliseconds(1) ? "milliseconds" : "seconds";
            return range(
                       duration_text(Milliseconds(rule.low)), duration_text(Milliseconds(rule.high))
                   ) +
                   ", as a number of " + unit + " or a text like \"250ms\", \"5s\", \"1h\", \"2d\"";
        }
        case Kind::text:
        case Kind::secret:
            return "a text";
        case Kind::list:
            return "a list of texts, or one text with commas";
        case Kind::choice: {
            std::vector<std::string> names(rule.choices.begin(), rule.choices.end());
            return joined(names);
        }
        case Kind::hosts:
            return "a list of texts like \"10.0.0.1:5432\", \"[::1]:5432\" or \"db1\", or of "
                   "tables with host, port, weight, zone and role";
    }
    return {};
}

std::string show_text(const Rule& rule, const Value& value) {
    if (auto* flag = std::get_if<bool>(&value)) return *flag ? "1" : "0";
    if (auto* number = std::get_if<std::int64_t>(&value)) {
        return rule.kind == Kind::octal ? octal_text(*number) : std::to_string(*number);
    }
    if (auto* duration = std::get_if<Milliseconds>(&value)) return duration_number(rule, *duration);
    if (auto* text = std::get_if<std::string>(&value)) return *text;
    if (auto* items = std::get_if<std::vector<std::string>>(&value)) return joined(*items);
    if (auto* choice = std::get_if<Choice>(&value)) return std::string(rule.choices[choice->index]);
    if (auto* hosts = std::get_if<std::vector<HostSettings>>(&value)) return host_list_text(*hosts);
    return {};
}

std::string toml_quote(std::string_view text) {
    constexpr std::string_view hex = "0123456789ABCDEF";
    std::string quoted = "\"";
    for (char c : text) {
        auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            quoted += '\\';
            quoted += c;
        } else if (byte < 0x20 || byte == 0x7f) {
            quoted += "\\u00";
            quoted += hex[byte >> 4];
            quoted += hex[byte & 15];
        } else {
            quoted += c;
        }
    }
    return quoted + '"';
}

std::string toml_text(const Rule& rule, const Value& value) {
    if (auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
    if (auto* number = std::get_if<std::int64_t>(&value)) {
        return rule.kind == Kind::octal ? toml_quote(octal_text(*number)) : std::to_string(*number);
    }
    if (auto* duration = std::get_if<Milliseconds>(&value)) {
        return duration->count() == 0 ? "0" : toml_quote(duration_text(*duration));
    }
    if (auto* text = std::get_if<std::string>(&value)) return toml_quote(*text);
    if (auto* secret = std::get_if<Secret>(&value)) return toml_quote(secret->reveal());
    if (auto* choice = std::get_if<Choice>(&value)) return toml_quote(rule.choices[choice->index]);
    if (auto* hosts = std::get_if<std::vector<HostSettings>>(&value)) return host_list_toml(*hosts);
    std::string text = "[";
    if (auto* items = std::get_if<std::vector<std::string>>(&value)) {
        for (const std::string& item : *items) {
            if (text.size() > 1) text += ", ";
            text += toml_quote(item);
        }
    }
    return text + "]";
}

}  // namespace weir::conf
