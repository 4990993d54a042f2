#include "conf/userlist.h"

#include "conf/loading.h"

#include <algorithm>
#include <charconv>

namespace weir::conf {

namespace {

// PgBouncer's MAX_USERNAME and MAX_PASSWORD, without their terminators.
constexpr std::size_t longest_name = 127;
constexpr std::size_t longest_secret = 2047;

bool is_lower_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

// Standard base64 of exactly `bytes` bytes, padding included; 0 = any number but none.
bool is_base64(std::string_view text, std::size_t bytes) {
    if (text.empty() || text.size() % 4 != 0) return false;
    std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    for (char c : text.substr(0, text.size() - padding)) {
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '+' && c != '/') return false;
    }
    return bytes == 0 || text.size() / 4 * 3 - padding == bytes;
}

bool is_md5(std::string_view text) {
    if (text.size() != 35 || !text.starts_with("md5")) return false;
    return std::all_of(text.begin() + 3, text.end(), is_lower_hex);
}

bool is_scram(std::string_view text) {
    constexpr std::string_view scheme = "SCRAM-SHA-256$";
    constexpr std::size_t key_bytes = 32;
    if (!text.starts_with(scheme)) return false;
    text.remove_prefix(scheme.size());
    std::size_t colon = text.find(':');
    std::size_t dollar = text.find('$');
    if (colon == std::string_view::npos || dollar == std::string_view::npos || dollar < colon) {
        return false;
    }
    int iterations = 0;
    const char* end = text.data() + colon;
    auto [stop, code] = std::from_chars(text.data(), end, iterations);
    if (code != std::errc() || stop != end || iterations < 1) return false;
    std::string_view salt = text.substr(colon + 1, dollar - colon - 1);
    std::string_view keys = text.substr(dollar + 1);
    colon = keys.find(':');
    if (colon == std::string_view::npos) return false;
    return is_base64(salt, 0) && is_base64(keys.substr(0, colon), key_bytes) &&
           is_base64(keys.substr(colon + 1), key_bytes);
}

// Takes a "..." off the front of `line`. nullopt: it does not start or does not end.
std::optional<std::string> take_quoted(std::string_view& line) {
    line = trim(line);
    if (!line.starts_with('"')) return std::nullopt;
    std::string text;
    for (std::size_t at = 1; at < line.size(); ++at) {
        if (line[at] != '"') {
            text += line[at];
        } else if (at + 1 < line.size() && line[at + 1] == '"') {
            text += '"';
            ++at;
        } else {
            line.remove_prefix(at + 1);
            return text;
        }
    }
    return std::nullopt;
}

class UserListReader {
public:
    explicit UserListReader(std::string file) : place_{std::move(file), 0} {}

    LoadedUsers read(std::string_view text) && {
        while (!text.empty()) {
            std::size_t end = text.find('\n');
            std::string_view line = trim(text.substr(0, end));
            text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
            ++place_.line;
            if (!line.empty() && line[0] != ';' && line[0] != '#') read_line(line);
        }
        if (result_.problems.errors.empty()) result_.users = std::move(users_);
        return std::move(result_);
    }

private:
    void error(std::string text) {
        result_.problems.errors.push_back({place_, "", std::move(text)});
    }

    void read_line(std::string_view line) {
        if (line.find('\0') != std::string_view::npos) return error("contains a zero byte");
        std::optional<std::string> name = take_quoted(line);
        if (!name) return error("does not start with a user's name in double quotes");
        std::optional<std::string> secret = take_quoted(line);
        if (!secret) return error("has no secret in double quotes after the name");
        if (name->empty()) return error("the user's name is empty");
        if (name->size() > longest_name) return error("the name is too long; allowed: 127 bytes");
        if (secret->size() > longest_secret) {
            return error("the secret is too long; allowed: 2047 bytes");
        }
        if (users_.contains(*name)) {
            result_.problems.warnings.push_back(
                {place_, *name, "appears more than once; the last line counts"}
            );
        }
        users_.insert_or_assign(std::move(*name), classify_secret(std::move(*secret)));
    }

    Place place_;
    UserList users_;
    LoadedUsers result_;
};

}  // namespace

UserSecret classify_secret(std::string text) {
    SecretKind kind = SecretKind::plain;
    if (text.empty()) {
        kind = SecretKind::none;
    } else if (is_md5(text)) {
        kind = SecretKind::md5;
    } else if (is_scram(text)) {
        kind = SecretKind::scram;
    }
    return {.kind = kind, .text = Secret(std::move(text))};
}

LoadedUsers read_userlist(std::string_view text, const std::string& file) {
    return UserListReader(file).read(text);
}

LoadedUsers load_userlist(const std::string& path) {
    Read<std::string> text = read_file(path);
    if (text.ok()) return read_userlist(text.value, path);
    LoadedUsers failed;
    failed.problems.errors.push_back({Place{path, 0}, "", std::move(text.wrong)});
    return failed;
}

}  // namespace weir::conf
