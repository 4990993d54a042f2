#include "conf/ini_reader.h"

#include "conf/value.h"

#include <filesystem>

namespace weir::conf {

namespace {

bool is_key_character(char c) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    bool digit = c >= '0' && c <= '9';
    return letter || digit || c == '_' || c == '.' || c == '-' || c == '*';
}

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v';
}

// Takes a key off the front of `text`. False: there is none, or its quotes do not end.
bool take_key(std::string_view& text, std::string& key) {
    if (!text.starts_with('"')) {
        std::size_t end = 0;
        while (end < text.size() && is_key_character(text[end]))
            ++end;
        key = text.substr(0, end);
        text.remove_prefix(end);
        return !key.empty();
    }
    for (std::size_t at = 1; at < text.size(); ++at) {
        if (text[at] != '"') {
            key += text[at];
        } else if (at + 1 < text.size() && text[at + 1] == '"') {
            key += '"';
            ++at;
        } else {
            text.remove_prefix(at + 1);
            return true;
        }
    }
    return false;
}

class IniReader {
public:
    explicit IniReader(const FileReader& read) : read_(read) {}

    void file(std::string_view text, const std::string& name, int depth) {
        Place place{name, 0};
        std::string section;
        while (!text.empty()) {
            std::size_t end = text.find('\n');
            std::string_view line = trim(text.substr(0, end));
            text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
            ++place.line;
            if (line.find('\0') != std::string_view::npos) {
                error(place, "the line contains a zero byte");
            } else if (line.starts_with("%include") && line.size() > 8 && is_blank(line[8])) {
                include(std::string(trim(line.substr(8))), place, depth);
            } else if (line.starts_with('[')) {
                new_section(line, place, section);
            } else if (!line.empty() && line[0] != ';' && line[0] != '#') {
                entry(line, place, section);
            }
        }
    }

    IniFile result;

private:
    void error(const Place& place, std::string text) {
        result.errors.push_back({place, "", std::move(text)});
    }

    void new_section(std::string_view line, const Place& place, std::string& section) {
        std::size_t end = line.find(']');
        if (end == std::string_view::npos) return error(place, "the section's name has no \"]\"");
        section = to_lower(line.substr(1, end - 1));
        std::string_view rest = trim(line.substr(end + 1));
        if (!rest.empty() && rest[0] != ';' && rest[0] != '#') {
            error(place, "there is more after the section's name");
        }
    }

    void entry(std::string_view line, const Place& place, const std::string& section) {
        IniEntry entry{place, section, {}, {}};
        if (!take_key(line, entry.key)) return error(place, "is not a \"key = value\" line");
        line = trim(line);
        if (!line.starts_with('=')) {
            return error(place, "there is no \"=\" after \"" + entry.key + "\"");
        }
        entry.value = trim(line.substr(1));
        if (section.empty()) return error(place, "\"" + entry.key + "\" stands before any section");
        result.entries.push_back(std::move(entry));
    }

    void include(const std::string& path, const Place& place, int depth) {
        constexpr int deepest = 10;
        if (depth >= deepest) return error(place, "includes are nested too deeply; allowed: 10");
        std::string text;
        std::string wrong;
        if (read_(path, text, wrong)) return file(text, path, depth + 1);
        std::filesystem::path beside = std::filesystem::path(place.file).parent_path() / path;
        std::string ignored;
        if (!path.starts_with('/') && read_(beside.string(), text, ignored)) {
            return file(text, beside.string(), depth + 1);
        }
        error(place, "the included file \"" + path + "\" " + wrong);
    }

    const FileReader& read_;
};

}  // namespace

IniFile read_ini(std::string_view text, const std::string& file, const FileReader& read) {
    IniReader reader(read);
    reader.file(text, file, 0);
    return std::move(reader.result);
}

ConnectString read_connect_string(std::string_view text) {
    ConnectString result;
    auto fail = [&](std::string wrong) {
        result.wrong = std::move(wrong);
        return result;
    };
    for (text = trim(text); !text.empty(); text = trim(text)) {
        Pair pair;
        std::size_t end = 0;
        while (end < text.size() && text[end] != '=' && !is_blank(text[end]))
            ++end;
        pair.key = text.substr(0, end);
        text = trim(text.substr(end));
        // Neither word is repeated: it may be part of a password with wrong quotes.
        if (pair.key.empty()) return fail("has \"=\" without a key before it");
        if (!text.starts_with('=')) return fail("has a word without \"=\"");
        text = trim(text.substr(1));
        if (text.starts_with('\'')) {
            bool closed = false;
            std::size_t at = 1;
            for (; at < text.size() && !closed; ++at) {
                bool quote = text[at] == '\'';
                bool doubled = quote && at + 1 < text.size() && text[at + 1] == '\'';
                closed = quote && !doubled;
                if (!closed) pair.value += text[at];
                if (doubled) ++at;
            }
            if (!closed) return fail("has a ' without its end in the value of " + pair.key);
            if (at < text.size() && !is_blank(text[at])) {
                return fail("has no blank after the quoted value of " + pair.key);
            }
            text.remove_prefix(at);
        } else {
            end = 0;
            while (end < text.size() && !is_blank(text[end]))
                ++end;
            pair.value = text.substr(0, end);
            text.remove_prefix(end);
        }
        result.pairs.push_back(std::move(pair));
    }
    return result;
}

}  // namespace weir::conf
