#include "proxy/state_inquiry.h"

#include "protocol/field_cursor.h"
#include "protocol/set_statements.h"

#include <array>
#include <utility>

namespace weir::proxy {

namespace {

using router::PinReason;

struct Question {
    PinReason pin;
    std::string_view sql;  // a boolean: it is still there
};

// Between transactions only what outlives them is to be seen.
constexpr std::array<Question, 5> questions{{
    {PinReason::advisory_lock,
     "EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' "
     "AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid())"},
    // Every object of a schema depends on it, whatever kind it is.
    {PinReason::temp_object,
     "EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.refclassid OPERATOR(pg_catalog.=) "
     "'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid OPERATOR(pg_catalog.=) "
     "pg_catalog.pg_my_temp_schema())"},
    {PinReason::hold_cursor, "EXISTS (SELECT FROM pg_catalog.pg_cursors c WHERE c.is_holdable)"},
    {PinReason::sql_prepare,
     "EXISTS (SELECT FROM pg_catalog.pg_prepared_statements s WHERE s.from_sql AND s.name "
     "OPERATOR(pg_catalog.<>) 'weir_catalog')"},  // catalog_query_name
    {PinReason::listen, "EXISTS (SELECT FROM pg_catalog.pg_listening_channels())"},
}};

}  // namespace

std::string inquiry_text(const StateInquiry& inquiry) {
    std::string text = "SELECT ";
    auto add = [&, first = true](std::string_view column) mutable {
        if (!std::exchange(first, false)) text += ", ";
        text += column;
    };
    for (const auto& question : questions) {
        if ((inquiry.pins & pin_bit(question.pin)) != 0) add(question.sql);
    }
    for (const auto& name : inquiry.names) {
        const auto quoted = protocol::quote_literal(name);
        // Neither custom settings nor the role are among pg_settings.
        const bool shown = !protocol::is_custom_parameter(name) && name != "role";
        if (inquiry.only_own && shown) {
            std::string folded;
            for (const char c : name)
                folded.push_back(protocol::lower_ascii(c));
            add("(SELECT pg_catalog.current_setting(s.name) FROM pg_catalog.pg_settings s WHERE "
                "pg_catalog.lower(s.name) OPERATOR(pg_catalog.=) " +
                protocol::quote_literal(folded) +
                " AND s.source OPERATOR(pg_catalog.=) 'session')");
        } else {
            add("pg_catalog.current_setting(" + quoted + ", true)");
        }
    }
    return text;
}

std::optional<StateAnswer> read_state_answer(const StateInquiry& inquiry, Bytes row_body) {
    StateAnswer answer;
    protocol::FieldCursor row(row_body);
    auto columns_left = row.u16();
    const auto next = [&]() -> std::optional<std::string> {
        if (columns_left == 0) return std::nullopt;
        --columns_left;
        const auto size = row.i32();
        if (size < 0) return std::nullopt;
        return std::string(as_text(row.take(static_cast<std::size_t>(size))));
    };
    const auto wanted = static_cast<std::size_t>(columns_left);
    std::size_t asked = inquiry.names.size();
    for (const auto& question : questions) {
        if ((inquiry.pins & pin_bit(question.pin)) == 0) continue;
        ++asked;
        // Anything but "no" means that it may be there.
        if (next() != "f") answer.held |= pin_bit(question.pin);
    }
    if (asked != wanted) return std::nullopt;
    for (std::size_t i = 0; i < inquiry.names.size(); ++i)
        answer.values.push_back(next());
    if (!row.finished()) return std::nullopt;
    return answer;
}

}  // namespace weir::proxy
