// PgBouncer's files: the ini, a connect string, the userlist.
#include "conf/load_pgbouncer_ini.h"
#include "conf/userlist.h"
#include "tests/fuzz/fuzz.h"

using namespace weir;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);
    // An included file is the same text again: depth is bounded, nothing is read from disk.
    const conf::FileReader itself = [&](const std::string& path, std::string& out, std::string&) {
        out = text.substr(0, 64);
        return path.size() < 8;
    };
    const auto loaded = conf::load_pgbouncer_ini(text, "fuzz.ini", itself);
    FUZZ_CHECK(loaded.ok() == loaded.problems.errors.empty());
    (void)conf::read_connect_string(text);
    const auto users = conf::read_userlist(text, "users.txt");
    FUZZ_CHECK(users.users.has_value() == users.problems.errors.empty());
    return 0;
}
