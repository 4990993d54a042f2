// ReadCatalog: what the functions, relations, operators and types of one database have against
// running on a replica. The part of Catalog that classify_read() asks.
#pragma once

#include "router/read_causes.h"
#include "router/search_path.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace weir::router {

// Names are as PostgreSQL stores them. An empty schema means the search_path, and a null path any
// schema. The lookups do not allocate.
class ReadCatalog {
public:
    // Of all functions that may be meant: those of users with this name, in the schema or the
    // path, that take so many arguments. None if there is none; those of pg_catalog are not here
    // (replica_causes).
    std::optional<ReadCauses> function(
        std::string_view schema, std::string_view name, int arguments, const SearchPath* path
    ) const;

    // Of the first relation of this name in the path. None if it is not known: it may be new.
    std::optional<ReadCauses> relation(
        std::string_view schema, std::string_view name, const SearchPath* path
    ) const;

    // Of an operator of users, in any schema. None if there is none of this name.
    std::optional<ReadCauses> operator_(std::string_view name) const;

    // Of a cast to the type: its checks, and the casts to it, in any schema. None if no user has
    // made a type of this name, and no cast to one of PostgreSQL's.
    std::optional<ReadCauses> type(std::string_view name) const;

    // Of a value of the type with this OID, which is none of PostgreSQL's own. None if it is not
    // known: it may be new, or an array's.
    std::optional<ReadCauses> type_with(std::uint32_t oid) const;

    // Of what may be called as t.name or (expression).name, by attribute_hash().
    ReadCauses attribute(std::uint32_t hash) const;

    bool has_attributes() const { return !attributes_.empty(); }

    // Of what is reached without any name: implicit casts, operator classes.
    ReadCauses implicit() const { return implicit_; }

    // For people.
    std::size_t function_count() const { return function_count_; }

    std::size_t relation_count() const { return relation_count_; }

private:
    friend class ReadCatalogBuilder;

    struct NameHash {
        using is_transparent = void;

        std::size_t operator()(std::string_view name) const {
            return std::hash<std::string_view>{}(name);
        }
    };

    template <class Value>
    using ByName = std::unordered_map<std::string, Value, NameHash, std::equal_to<>>;

    struct Function {
        std::string schema;
        int least_arguments = 0;
        int most_arguments = 0;
        ReadCauses causes;
    };

    struct Schema {
        std::string names;                    // of the relations without causes, one a line
        std::vector<std::string_view> plain;  // the same, sorted
        ByName<ReadCauses> special;           // the others
    };

    static std::optional<ReadCauses> find(const Schema& schema, std::string_view name);

    ByName<std::vector<Function>> functions_;
    ByName<Schema> schemas_;
    ByName<ReadCauses> operators_;
    ByName<ReadCauses> types_;
    std::unordered_map<std::uint32_t, ReadCauses> attributes_;
    ReadCauses implicit_;
    std::unordered_map<std::uint32_t, ReadCauses> types_by_oid_;
    std::size_t function_count_ = 0;
    std::size_t relation_count_ = 0;
};

}  // namespace weir::router
