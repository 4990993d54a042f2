#include "conf/load_file.h"

#include "conf/load_pgbouncer_ini.h"
#include "conf/load_toml.h"

namespace weir::conf {

Format format_of(std::string_view path, std::string_view text) {
    std::string lower = to_lower(path);
    if (lower.ends_with(".ini")) return Format::ini;
    if (lower.ends_with(".toml")) return Format::toml;
    bool plain_section = false;
    while (!text.empty()) {
        std::size_t end = text.find('\n');
        std::string line = to_lower(trim(text.substr(0, end)));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (line.starts_with("[pgbouncer]")) return Format::ini;
        if (line.starts_with("[pgweir]") || line.starts_with("[databases.")) return Format::toml;
        // Also valid TOML, with inline tables; a section that decides may follow.
        if (line.starts_with("[databases]") || line.starts_with("[users]")) plain_section = true;
        if (line.starts_with(';') || line.starts_with("%include")) plain_section = true;
    }
    return plain_section ? Format::ini : Format::toml;
}

Loaded load_file(const std::string& path) {
    Read<std::string> text = read_file(path);
    if (!text.ok()) {
        Loaded loaded;
        loaded.problems.errors.push_back({Place{path, 0}, "", std::move(text.wrong)});
        return loaded;
    }
    if (format_of(path, text.value) == Format::ini) return load_pgbouncer_ini(text.value, path);
    return load_toml(text.value, path);
}

}  // namespace weir::conf
