#include "router/read_catalog.h"

#include <algorithm>

namespace weir::router {

namespace {

bool is_in(const SearchPath* path, std::string_view schema) {
    return path == nullptr ||
           std::find(path->schemas.begin(), path->schemas.end(), schema) != path->schemas.end();
}

template <class Table>
std::optional<ReadCauses> look_up(const Table& table, std::string_view name) {
    const auto found = table.find(name);
    if (found == table.end()) return {};
    return found->second;
}

}  // namespace

std::optional<ReadCauses> ReadCatalog::function(
    std::string_view schema, std::string_view name, int arguments, const SearchPath* path
) const {
    const auto found = functions_.find(name);
    if (found == functions_.end()) return {};
    std::optional<ReadCauses> causes;
    for (const Function& candidate : found->second) {
        const bool reached =
            schema.empty() ? is_in(path, candidate.schema) : candidate.schema == schema;
        if (!reached || arguments < candidate.least_arguments ||
            arguments > candidate.most_arguments)
            continue;
        if (!causes) causes = ReadCauses{};
        *causes |= candidate.causes;
    }
    return causes;
}

std::optional<ReadCauses> ReadCatalog::find(const Schema& schema, std::string_view name) {
    const auto special = schema.special.find(name);
    if (special != schema.special.end()) return special->second;
    if (std::binary_search(schema.plain.begin(), schema.plain.end(), name)) return ReadCauses{};
    return {};
}

std::optional<ReadCauses> ReadCatalog::relation(
    std::string_view schema, std::string_view name, const SearchPath* path
) const {
    if (!schema.empty() || path != nullptr) {
        const auto in = [&](std::string_view wanted) -> std::optional<ReadCauses> {
            const auto found = schemas_.find(wanted);
            if (found == schemas_.end()) return {};
            return find(found->second, name);
        };
        if (!schema.empty()) return in(schema);
        for (const std::string& wanted : path->schemas) {
            // Its relations are not known here.
            if (wanted == "information_schema") return {};
            if (const auto causes = in(wanted)) return causes;
        }
        return {};
    }
    std::optional<ReadCauses> causes;
    for (const auto& [any, relations] : schemas_) {
        const auto found = find(relations, name);
        if (!found) continue;
        if (!causes) causes = ReadCauses{};
        *causes |= *found;
    }
    return causes;
}

std::optional<ReadCauses> ReadCatalog::operator_(std::string_view name) const {
    return look_up(operators_, name);
}

std::optional<ReadCauses> ReadCatalog::type_with(std::uint32_t oid) const {
    const auto found = types_by_oid_.find(oid);
    return found == types_by_oid_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<ReadCauses> ReadCatalog::type(std::string_view name) const {
    const auto causes = look_up(types_, name);
    // An array type that is called by its own name.
    if (!causes && name.size() > 1 && name.front() == '_') return look_up(types_, name.substr(1));
    return causes;
}

ReadCauses ReadCatalog::attribute(std::uint32_t hash) const {
    const auto found = attributes_.find(hash);
    return found == attributes_.end() ? ReadCauses{} : found->second;
}

}  // namespace weir::router
