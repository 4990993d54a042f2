#include "pool/timeline_file.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

using namespace weir::pool;

namespace {

class TempDirectory {
public:
    TempDirectory() {
        std::string pattern = "/tmp/weir-unit-timeline.XXXXXX";
        path = ::mkdtemp(pattern.data());
    }

    ~TempDirectory() { std::filesystem::remove_all(path); }

    TempDirectory(const TempDirectory&) = delete;
    TempDirectory& operator=(const TempDirectory&) = delete;

    std::string path;
};

ClusterMemories two() {
    return {
        {"app", {2, 7123456789012345678, "10.0.0.1:5432", false}},
        {"we ird\n%", {0, 0, "", false}},
    };
}

}  // namespace

TEST_CASE("Timeline file: what is written is read") {
    const TempDirectory directory;
    const std::string path = directory.path + "/state";
    CHECK(read_timeline_file(path).wrong == "");
    CHECK(read_timeline_file(path).clusters.empty());
    CHECK(write_timeline_file(path, two()) == "");
    CHECK(read_timeline_file(path).wrong == "");
    CHECK(read_timeline_file(path).clusters == two());
    CHECK(write_timeline_file(path, {}) == "");
    CHECK(read_timeline_file(path).clusters.empty());
    CHECK_FALSE(std::filesystem::exists(path + ".new"));

    struct stat status {};

    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("Timeline file: an operator can read it") {
    CHECK(
        timeline_file_text(two()) ==
        "# pgweir: clusters' timelines, format 1\n"
        "# timeline system_identifier primary cluster\n"
        "2 7123456789012345678 10.0.0.1:5432 app\n"
        "0 0 - we%20ird%0A%25\n"
        "# end\n"
    );
}

TEST_CASE("Timeline file: cut off anywhere, or changed, it is an error and nothing is taken") {
    const std::string text = timeline_file_text(two());
    for (std::size_t size = 0; size + 1 < text.size(); ++size) {
        CAPTURE(size);
        const auto read = parse_timeline_file(std::string_view(text).substr(0, size));
        CHECK(read.wrong != "");
        CHECK(read.clusters.empty());
    }
    for (const char* line :
         {"x 7 a:1 app",
          "1 x a:1 app",
          "1 7 a:1",
          "1 7 a:1 app more",
          "-1 7 a:1 app",
          "",
          "4294967296 7 a:1 app",
          "1 7 a:1 %2",
          "1 7 a:1 %zz",
          "1 7 a:1 -",
          "1 7 a:1 app\n1 7 a:1 app"}) {
        CAPTURE(line);
        const auto read = parse_timeline_file(
            "# pgweir: clusters' timelines, format 1\n" + std::string(line) + "\n# end\n"
        );
        CHECK(read.wrong.starts_with("line "));
        CHECK(read.clusters.empty());
    }
    CHECK(parse_timeline_file(text + "more\n").wrong != "");
    CHECK(parse_timeline_file("{}\n# end\n").wrong == "line 1: is no state file of pgweir's");
}

TEST_CASE("Timeline file: what cannot be opened or written says so, and the old one stays") {
    const TempDirectory directory;
    CHECK(write_timeline_file(directory.path + "/none/state", two()).starts_with("could not create")
    );
    CHECK(read_timeline_file(directory.path).wrong.starts_with("could not read"));
    const std::string path = directory.path + "/state";
    CHECK(write_timeline_file(path, two()) == "");
    std::filesystem::create_directory(path + ".new");
    CHECK(write_timeline_file(path, {}).starts_with("could not create"));
    CHECK(read_timeline_file(path).clusters == two());
}
