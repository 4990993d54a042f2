#include "conf/loading.h"

#include "conf/validate.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace weir::conf {

void Loading::error(Place place, std::string key, std::string text) {
    problems.errors.push_back({std::move(place), std::move(key), std::move(text)});
}

void Loading::warn(Place place, std::string key, std::string text) {
    problems.warnings.push_back({std::move(place), std::move(key), std::move(text)});
}

Loaded Loading::finish() && {
    Problems found = validate(settings, origins);
    for (Problem& problem : found.errors) {
        // A value that could not be read has left its default behind: what follows from the
        // default is not the operator's mistake.
        bool reported = false;
        for (const Problem& earlier : problems.errors)
            reported |= earlier.key == problem.key;
        if (!reported) problems.errors.push_back(std::move(problem));
    }
    for (Problem& problem : found.warnings)
        problems.warnings.push_back(std::move(problem));
    Loaded loaded;
    if (problems.errors.empty()) loaded.settings = std::move(settings);
    loaded.problems = std::move(problems);
    loaded.origins = std::move(origins);
    return loaded;
}

Read<std::string> read_file(const std::string& path) {
    constexpr std::streamsize largest = 16 << 20;
    auto failed = [](std::string why) {
        return Read<std::string>{{}, std::move(why)};
    };
    std::error_code code;
    if (std::filesystem::is_directory(path, code)) return failed("cannot be read: is a directory");
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file) return failed(std::string("cannot be read: ") + std::strerror(errno));
    std::string text;
    std::array<char, 65536> part{};
    while (file.read(part.data(), part.size()), file.gcount() > 0) {
        text.append(part.data(), static_cast<std::size_t>(file.gcount()));
        if (static_cast<std::streamsize>(text.size()) > largest) {
            return failed("cannot be read: is larger than 16 MiB");
        }
    }
    if (file.bad()) return failed(std::string("cannot be read: ") + std::strerror(errno));
    return {std::move(text), {}};
}

}  // namespace weir::conf
