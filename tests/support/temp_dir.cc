#include "tests/support/temp_dir.h"

#include "tests/support/janitor.h"

#include <fstream>
#include <pwd.h>
#include <sstream>
#include <stdexcept>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

namespace weir::test {

TempDir::TempDir(const std::string& name) {
    std::string pattern = "/tmp/weir-" + name + ".XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
    path_ = pattern;
    janitor::watch(path_);
    ::chmod(path_.c_str(), 0755);
    give_to_server_user(path_);
}

TempDir::~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
    janitor::forget(path_);
}

std::string server_user() {
    return ::geteuid() == 0 ? "postgres" : "";
}

void give_to_server_user(const std::filesystem::path& path) {
    if (server_user().empty()) return;
    const passwd* user = ::getpwnam(server_user().c_str());
    if (user == nullptr) throw std::runtime_error("there is no user " + server_user());
    if (::chown(path.c_str(), user->pw_uid, user->pw_gid) != 0) {
        throw std::runtime_error("cannot chown " + path.string());
    }
}

void write_file(const std::filesystem::path& path, std::string_view text) {
    std::ofstream out{path, std::ios::binary | std::ios::trunc};
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
    if (!out.flush()) throw std::runtime_error("cannot write " + path.string());
}

std::string read_text(const std::filesystem::path& path) {
    const std::ifstream in{path, std::ios::binary};
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

}  // namespace weir::test
