// A directory below /tmp that goes away with its owner, also when the test program dies.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace weir::test {

class TempDir {
public:
    // /tmp/weir-NAME.XXXXXX, short enough for Unix sockets; mode 0755, owned by server_user().
    explicit TempDir(const std::string& name);
    ~TempDir();
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;

    const std::filesystem::path& path() const { return path_; }

    std::filesystem::path operator/(const std::string& file) const { return path_ / file; }

private:
    std::filesystem::path path_;
};

// PostgreSQL refuses to run as root: then it is "postgres" who runs the servers, else "".
std::string server_user();

// Gives a file or directory to server_user(), if there is one.
void give_to_server_user(const std::filesystem::path& path);

void write_file(const std::filesystem::path& path, std::string_view text);
std::string read_text(const std::filesystem::path& path);

}  // namespace weir::test
