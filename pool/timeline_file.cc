#include "pool/timeline_file.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <unistd.h>
#include <utility>

namespace weir::pool {

namespace {

constexpr std::string_view first_line = "# pgweir: clusters' timelines, format 1";
constexpr std::string_view last_line = "# end";
constexpr std::size_t largest_file = 1024 * 1024;

class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}

    ~Descriptor() { close(); }

    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    int get() const { return fd_; }

    bool good() const { return fd_ >= 0; }

    // False: what was written may be lost.
    bool close() { return fd_ < 0 || ::close(std::exchange(fd_, -1)) == 0; }

private:
    int fd_;
};

// A name as one word: blanks, control characters and '%' as "%20".
std::string as_word(std::string_view name) {
    constexpr std::string_view hex = "0123456789ABCDEF";
    std::string word;
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte > 0x20 && byte != 0x7f && c != '%') {
            word += c;
        } else {
            word += '%';
            word += hex[byte >> 4];
            word += hex[byte & 15];
        }
    }
    return word.empty() ? "-" : word;
}

std::optional<std::string> from_word(std::string_view word) {
    std::string name;
    if (word == "-") return name;
    for (std::size_t i = 0; i < word.size(); ++i) {
        if (word[i] != '%') {
            name += word[i];
            continue;
        }
        unsigned byte = 0;
        if (i + 2 >= word.size()) return std::nullopt;
        const char* const end = word.data() + i + 3;
        const auto [stop, code] = std::from_chars(word.data() + i + 1, end, byte, 16);
        if (code != std::errc() || stop != end) return std::nullopt;
        name += static_cast<char>(byte);
        i += 2;
    }
    return name;
}

// Up to the next blank; `line` is what stands behind it.
std::string_view take_word(std::string_view& line) {
    const std::size_t blank = line.find(' ');
    const std::string_view word = line.substr(0, blank);
    line.remove_prefix(blank == std::string_view::npos ? line.size() : blank + 1);
    return word;
}

template <class Number>
bool read_number(std::string_view word, Number& number) {
    const char* const end = word.data() + word.size();
    const auto [stop, code] = std::from_chars(word.data(), end, number);
    return code == std::errc() && stop == end && !word.empty();
}

bool take_line(std::string_view line, ClusterMemories& clusters) {
    ClusterMemory memory;
    if (!read_number(take_word(line), memory.timeline)) return false;
    if (!read_number(take_word(line), memory.system_identifier)) return false;
    auto primary = from_word(take_word(line));
    const auto name = from_word(take_word(line));
    if (!primary || !name || name->empty() || !line.empty()) return false;
    memory.primary = std::move(*primary);
    return clusters.emplace(*name, std::move(memory)).second;
}

std::string failed(const std::string& what, const std::string& path) {
    return "could not " + what + " \"" + path + "\": " + std::strerror(errno);
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const auto size = ::write(fd, text.data(), text.size());
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
}

}  // namespace

std::string timeline_file_text(const ClusterMemories& clusters) {
    std::string text = std::string(first_line) + "\n# timeline system_identifier primary cluster\n";
    for (const auto& [name, memory] : clusters) {
        text += std::to_string(memory.timeline) + ' ' + std::to_string(memory.system_identifier) +
                ' ' + as_word(memory.primary) + ' ' + as_word(name) + '\n';
    }
    return text + std::string(last_line) + '\n';
}

ReadMemories parse_timeline_file(std::string_view text) {
    ReadMemories read;
    unsigned number = 0;
    bool ended = false;
    const auto bad = [&](const std::string& what) {
        return ReadMemories{{}, "line " + std::to_string(number) + ": " + what};
    };
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        ++number;
        if (number == 1 && line != first_line) return bad("is no state file of pgweir's");
        if (ended) return bad("something stands behind the end");
        if (line == last_line) ended = true;
        if (line.starts_with('#')) continue;
        if (!take_line(line, read.clusters)) return bad("cannot be read");
    }
    if (!ended) return bad("the end is missing");
    return read;
}

ReadMemories read_timeline_file(const std::string& path) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.good()) {
        if (errno == ENOENT) return {};
        return {{}, failed("open", path)};
    }
    std::string text;
    char buffer[4096];
    while (true) {
        const auto size = ::read(file.get(), buffer, sizeof buffer);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return {{}, failed("read", path)};
        if (size == 0) break;
        text.append(buffer, static_cast<std::size_t>(size));
        if (text.size() > largest_file) return {{}, "\"" + path + "\" is too large"};
    }
    ReadMemories read = parse_timeline_file(text);
    if (!read.wrong.empty()) read.wrong = "\"" + path + "\", " + read.wrong;
    return read;
}

std::string write_timeline_file(const std::string& path, const ClusterMemories& clusters) {
    const std::string temporary = path + ".new";
    Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file.good()) return failed("create", temporary);
    if (!write_all(file.get(), timeline_file_text(clusters)) || ::fsync(file.get()) != 0 ||
        !file.close()) {
        return failed("write", temporary);
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0) return failed("rename", temporary);
    // The name itself, too.
    const std::size_t slash = path.rfind('/');
    const std::string directory = slash == std::string::npos ? "."
                                  : slash == 0               ? "/"
                                                             : path.substr(0, slash);
    const Descriptor parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!parent.good() || ::fsync(parent.get()) != 0) return failed("sync", directory);
    return {};
}

}  // namespace weir::pool
