#include "protocol/startup.h"

#include "protocol/field_cursor.h"
#include "protocol/message.h"

#include <algorithm>
#include <unordered_set>

namespace weir::protocol {

namespace {

constexpr std::string_view protocol_option_prefix = "_pq_.";

std::string lower_case(std::string_view text) {
    std::string lower(text);
    for (char& c : lower) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return lower;
}

// scanner_isspace of PostgreSQL and \v, as isspace() in the C locale has it.
bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool starts_identifier(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}

// What PostgreSQL's valid_custom_variable_name() takes, with or without a dot.
bool is_setting_name(std::string_view name) {
    bool at_start = true;
    for (const char c : name) {
        if (at_start) {
            if (!starts_identifier(c)) return false;
            at_start = false;
        } else if (c == '.') {
            at_start = true;
        } else if (!starts_identifier(c) && !(c >= '0' && c <= '9') && c != '$') {
            return false;
        }
    }
    return !at_start;
}

// parse_bool() of PostgreSQL for the values that mean false: "0" and every unambiguous prefix.
bool means_false(std::string_view value) {
    const auto lower = lower_case(value);
    const auto is_prefix_of = [&](std::string_view word, std::size_t shortest) {
        return lower.size() >= shortest && word.substr(0, lower.size()) == lower;
    };
    return lower == "0" || is_prefix_of("false", 1) || is_prefix_of("no", 1) ||
           is_prefix_of("off", 2);
}

Result<StartupPacket> parse_cancel_request(FieldCursor& fields) {
    CancelRequest request;
    request.key.process_id = fields.i32();
    request.key.secret = as_text(fields.rest());
    if (!fields.finished() || request.key.secret.size() < min_cancel_secret ||
        request.key.secret.size() > max_cancel_secret) {
        return violation("invalid length of cancel request packet");
    }
    return StartupPacket{std::move(request)};
}

Error unsupported_version(ProtocolVersion version) {
    if (version.major == 2) {
        return fatal(sqlstate::feature_not_supported, "old V2 protocol not supported");
    }
    return fatal(
        sqlstate::feature_not_supported,
        "unsupported frontend protocol " + std::to_string(version.major) + "." +
            std::to_string(version.minor) + ": server supports 3.0 to 3.2"
    );
}

void take_parameter(StartupMessage& startup, std::string_view name, std::string_view value) {
    if (name == "user") {
        startup.user = value;
    } else if (name == "database") {
        startup.database = value;
    } else if (name.starts_with(protocol_option_prefix)) {
        startup.protocol_options.emplace_back(name);
    } else {
        startup.parameters.emplace_back(name, value);
    }
}

Result<StartupPacket> parse_startup_message(ProtocolVersion version, FieldCursor& fields) {
    if (version.major != 3) return unsupported_version(version);
    StartupMessage startup;
    startup.version = version;
    while (true) {
        const auto name = fields.c_string();
        if (name.empty()) break;
        const auto value = fields.c_string();
        if (!fields.ok()) break;
        take_parameter(startup, name, value);
    }
    if (!fields.finished()) {
        return violation("invalid startup packet layout: expected terminator as last byte");
    }
    if (startup.user.empty()) {
        return fatal(sqlstate::invalid_authorization, "no username supplied");
    }
    if (startup.user.size() > max_name_length) {
        return fatal(sqlstate::invalid_authorization, "username too long");
    }
    if (startup.database.empty()) startup.database = startup.user;
    if (startup.database.size() > max_name_length) {
        return fatal(sqlstate::invalid_database, "database name too long");
    }
    return StartupPacket{std::move(startup)};
}

// pg_split_opts() of PostgreSQL.
std::vector<std::string> split_options(std::string_view options) {
    std::vector<std::string> words;
    std::size_t at = 0;
    while (true) {
        while (at < options.size() && is_space(options[at]))
            ++at;
        if (at == options.size()) return words;
        std::string word;
        for (; at < options.size() && !is_space(options[at]); ++at) {
            if (options[at] == '\\' && ++at == options.size()) break;
            word.push_back(options[at]);
        }
        words.push_back(std::move(word));
    }
}

Error bad_options() {
    return fatal(
        sqlstate::feature_not_supported,
        "unsupported options startup parameter: only '-c config=val' and '--config=val' are "
        "allowed"
    );
}

// ParseLongOption() of PostgreSQL.
Result<std::pair<std::string, std::string>> split_assignment(const std::string& text) {
    const auto equals = text.find('=');
    if (equals == std::string::npos) {
        return fatal(sqlstate::syntax_error, "option \"" + text + "\" requires a value");
    }
    auto name = text.substr(0, equals);
    std::replace(name.begin(), name.end(), '-', '_');
    return std::pair{std::move(name), text.substr(equals + 1)};
}

// Of several words on one name the last one counts.
Settings last_words(Settings settings) {
    std::unordered_set<std::string> seen;
    Settings kept;
    for (auto one = settings.rbegin(); one != settings.rend(); ++one) {
        if (seen.insert(lower_case(one->first)).second) kept.push_back(std::move(*one));
    }
    std::reverse(kept.begin(), kept.end());
    return kept;
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), lower_case(name)) != names.end();
}

Result<void> add_options(
    std::string_view options, const std::vector<std::string>& ignored, Settings& settings
) {
    auto parsed = parse_options(options);
    if (!parsed) return parsed.error();
    for (auto& [name, value] : *parsed) {
        if (contains(ignored, name)) continue;
        if (!is_setting_name(name)) {
            return fatal(
                sqlstate::undefined_object, "unsupported startup parameter in options: " + name
            );
        }
        settings.emplace_back(std::move(name), std::move(value));
    }
    return {};
}

}  // namespace

Result<std::size_t> startup_packet_size(Bytes begun) {
    FieldCursor fields(begun);
    const std::size_t length = fields.u32();
    if (!fields.ok()) return std::size_t{0};
    if (length < 8 || length > max_startup_packet) {
        return violation("invalid length of startup packet");
    }
    return length;
}

Result<StartupPacket> parse_startup_packet(Bytes packet) {
    FieldCursor fields(packet);
    const std::size_t length = fields.u32();
    const std::uint32_t code = fields.u32();
    if (!fields.ok() || length != packet.size() || length > max_startup_packet) {
        return violation("invalid length of startup packet");
    }
    switch (code) {
        case cancel_request_code:
            return parse_cancel_request(fields);
        case ssl_request_code:
            if (!fields.finished()) return violation("invalid length of SSLRequest");
            return StartupPacket{SSLRequest{}};
        case gssenc_request_code:
            if (!fields.finished()) return violation("invalid length of GSSENCRequest");
            return StartupPacket{GSSENCRequest{}};
        default: {
            const ProtocolVersion version{
                static_cast<std::uint16_t>(code >> 16), static_cast<std::uint16_t>(code & 0xffff)};
            return parse_startup_message(version, fields);
        }
    }
}

std::optional<NegotiateProtocolVersion> negotiate_protocol(const StartupMessage& startup) {
    if (startup.version <= newest_protocol && startup.protocol_options.empty()) return {};
    return NegotiateProtocolVersion{
        std::min(startup.version, newest_protocol), startup.protocol_options};
}

Result<Settings> parse_options(std::string_view options) {
    Settings settings;
    const auto words = split_options(options);
    for (std::size_t i = 0; i < words.size(); ++i) {
        const auto& word = words[i];
        std::string assignment;
        if (word == "-c") {
            if (++i == words.size()) return bad_options();
            assignment = words[i];
        } else if (word.starts_with("-c") || (word.starts_with("--") && word.size() > 2)) {
            assignment = word.substr(2);
        } else {
            return bad_options();
        }
        auto setting = split_assignment(assignment);
        if (!setting) return setting.error();
        settings.push_back(std::move(*setting));
    }
    return settings;
}

Result<Settings> startup_settings(
    const StartupMessage& startup, const std::vector<std::string>& ignored
) {
    Settings settings;
    // As PostgreSQL does it: what has a parameter of its own overrides the options.
    for (const auto& [name, value] : startup.parameters) {
        if (name != "options" || contains(ignored, name)) continue;
        if (auto added = add_options(value, ignored, settings); !added) return added.error();
    }
    for (const auto& [name, value] : startup.parameters) {
        if (name == "options" || contains(ignored, name)) continue;
        if (name == "replication") {
            if (means_false(value)) continue;
            return fatal(
                sqlstate::feature_not_supported, "replication connections are not supported"
            );
        }
        if (!is_setting_name(name)) {
            return fatal(sqlstate::undefined_object, "unsupported startup parameter: " + name);
        }
        settings.emplace_back(name, value);
    }
    return last_words(std::move(settings));
}

void write_startup_message(
    ProtocolVersion version, const Settings& parameters, MessageWriter& out
) {
    out.begin(0).u16(version.major).u16(version.minor);
    for (const auto& [name, value] : parameters)
        out.c_string(name).c_string(value);
    out.u8(0).end();
}

void write_ssl_request(MessageWriter& out) {
    out.begin(0).u32(ssl_request_code).end();
}

void write_gssenc_request(MessageWriter& out) {
    out.begin(0).u32(gssenc_request_code).end();
}

void write_cancel_request(const CancelKey& key, MessageWriter& out) {
    out.begin(0).u32(cancel_request_code).i32(key.process_id).text(key.secret).end();
}

void write_negotiate_protocol_version(
    const NegotiateProtocolVersion& negotiated, MessageWriter& out
) {
    // PostgreSQL sends the whole version here, not only the minor the manual speaks of, and libpq
    // reads it so.
    out.begin(backend::negotiate_protocol_version);
    out.u16(negotiated.version.major).u16(negotiated.version.minor);
    out.u32(static_cast<std::uint32_t>(negotiated.unknown.size()));
    for (const auto& name : negotiated.unknown)
        out.c_string(name);
    out.end();
}

}  // namespace weir::protocol
