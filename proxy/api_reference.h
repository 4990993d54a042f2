// The fields of the JSON API, for the reference. A test holds the table to what the functions in
// status_json.h and status_queries.h write, both ways.
#pragma once

#include <span>
#include <string_view>

namespace weir::proxy {

struct ApiField {
    std::string_view name;  // "pools[].hosts[].busy"
    std::string_view help;
};

struct ApiDocument {
    std::string_view path;
    std::string_view help;
    std::span<const ApiField> fields;
};

std::span<const ApiDocument> api_documents();

}  // namespace weir::proxy
