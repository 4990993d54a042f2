#include "protocol/error.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace weir::protocol {

SqlState SqlState::from_text(std::string_view text) {
    const auto legal = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
    };
    SqlState state;
    if (text.size() == state.code_.size() && std::all_of(text.begin(), text.end(), legal)) {
        std::copy(text.begin(), text.end(), state.code_.begin());
    }
    return state;
}

Error error(SqlState code, std::string message, std::string hint) {
    return {code, std::move(message), {}, std::move(hint), Severity::error};
}

Error fatal(SqlState code, std::string message, std::string hint) {
    return {code, std::move(message), {}, std::move(hint), Severity::fatal};
}

Error violation(std::string message) {
    return fatal(sqlstate::protocol_violation, std::move(message));
}

void throw_exception_from_error(const Error& error, const boost::source_location&) {
    throw std::logic_error("value() of an error: " + error.message);
}

}  // namespace weir::protocol
