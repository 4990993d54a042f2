// What is known of pg_catalog without asking a server: its functions and operators by name, and
// which functions have an effect on the session.
#pragma once

#include "router/statement.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace weir::router {

struct BuiltinFunction {
    std::string_view name;
    bool is_volatile;  // one of its overloads, by pg_proc.provolatile
};

// What a call does beyond computing its result. What is not named here does nothing of the kind.
struct FunctionEffect {
    std::string_view name;
    PinReason pin = PinReason::none;
    bool may_write = false;  // or must run on the primary, whatever provolatile says
    bool reads_sequence_state = false;
    bool may_advance_sequence = false;
    bool reads_session_state = false;
    bool may_notify = false;
    bool unlocks_advisory = false;
    bool literals_matter = false;  // an argument names an object or is SQL
    bool harmless = false;         // volatile, yet may be run again and anywhere
};

// Null if pg_catalog has no such function (nor a type that could be called like one). Names as the
// parser gives them: case matters. Thread-safe, no allocation, logarithmic.
const BuiltinFunction* find_builtin_function(std::string_view name);

// Null if the function is not known to have an effect.
const FunctionEffect* find_function_effect(std::string_view name);

// All that find_builtin_function knows, by name.
std::span<const BuiltinFunction> known_builtin_functions();

// All that find_function_effect knows, by name.
std::span<const FunctionEffect> known_function_effects();

bool is_builtin_operator(std::string_view name);

}  // namespace weir::router
