#include "conf/host_list.h"

#include "conf/keys.h"

#include <algorithm>

namespace weir::conf {

namespace {

Read<HostSettings> bad(std::string_view text, std::string_view what) {
    return {.value = {}, .wrong = "has \"" + std::string(text) + "\", " + std::string(what)};
}

// "db1:5432"
std::string host_text(const HostSettings& host) {
    const bool v6 = host.host.find(':') != std::string::npos;
    return (v6 ? '[' + host.host + ']' : host.host) + ':' + std::to_string(host.port);
}

std::string host_toml(const HostSettings& host) {
    const HostSettings defaults;
    std::string text;
    for (const Key<HostSettings>& key : host_keys()) {
        const Value value = key.get(host);
        if (value == key.get(defaults)) continue;
        text += text.empty() ? "{ " : ", ";
        text += std::string(key.name) + " = " + toml_text(key.rule, value);
    }
    return text.empty() ? "{}" : text + " }";
}

// A text with the port says all that there is to say.
bool is_short(const HostSettings& host) {
    const HostSettings plain{.host = host.host, .port = host.port};
    const Read<HostSettings> again = read_host(host_text(host));
    return host == plain && again.ok() && again.value == host;
}

}  // namespace

Read<HostSettings> read_host(std::string_view text) {
    text = trim(text);
    std::string_view name = text;
    std::string_view port;
    bool has_port = false;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) return bad(text, "without a closing bracket");
        name = text.substr(1, end - 1);
        port = text.substr(end + 1);
        has_port = !port.empty();
        if (has_port && port.front() != ':') return bad(text, "with something behind the bracket");
    } else if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
        // Two colons: an IPv6 address, whose last part is no port.
        if (text.find(':') == colon || text.front() == '/') {
            name = text.substr(0, colon);
            port = text.substr(colon);
            has_port = true;
        }
    }
    HostSettings host;
    host.host = trim(name);
    if (host.host.empty()) return bad(text, "without a host");
    if (host.host.find('\0') != std::string::npos) return bad("...", "with a zero byte");
    if (!has_port) return {.value = std::move(host), .wrong = {}};
    const Rule rule{.kind = Kind::integer, .low = 1, .high = 65535, .choices = {}};
    const Read<Value> number = read_value(rule, port.substr(1));
    if (!number.ok()) return bad(text, "with a port that " + number.wrong);
    host.port = static_cast<int>(std::get<std::int64_t>(number.value));
    return {.value = std::move(host), .wrong = {}};
}

Read<std::vector<HostSettings>> read_host_list(std::string_view text) {
    std::vector<HostSettings> hosts;
    for (const std::string& item : split_list(text)) {
        Read<HostSettings> host = read_host(item);
        if (!host.ok()) return {.value = {}, .wrong = std::move(host.wrong)};
        hosts.push_back(std::move(host.value));
    }
    return {.value = std::move(hosts), .wrong = {}};
}

std::string host_list_text(const std::vector<HostSettings>& hosts) {
    std::string text;
    for (const HostSettings& host : hosts) {
        if (host.removed) continue;
        if (!text.empty()) text += ", ";
        text += host_text(host);
    }
    return text;
}

std::string host_list_toml(const std::vector<HostSettings>& hosts) {
    const bool all_short = std::all_of(hosts.begin(), hosts.end(), is_short);
    std::string text = "[";
    for (const HostSettings& host : hosts) {
        if (host.removed) continue;
        if (text.size() > 1) text += ", ";
        text += all_short ? toml_quote(host_text(host)) : host_toml(host);
    }
    return text + "]";
}

}  // namespace weir::conf
