// The messages a client sends, in the manual's words (55.7). Views into the message's body.
//
// A parse function gives nothing if the body is not what the manual says up to the fields that it
// returns; PostgreSQL checks the rest itself.
#pragma once

#include "protocol/types.h"

#include <optional>
#include <string>

namespace weir::protocol {

struct Parse {
    std::string_view name;
    std::string_view text;
    // Text, its NUL and the parameter types: all behind the name.
    Bytes definition;
};

struct Bind {
    std::string_view portal;
    std::string_view statement;
    // All behind the statement's name.
    Bytes rest;
};

// Describe and Close.
struct Target {
    char kind = 'S';  // 'S' prepared statement, 'P' portal
    std::string_view name;
};

// The values of a Bind for people: $1 = 'text', $2 = NULL, $3 = 0x0a (binary). Each value is cut
// behind `limit` bytes. Empty if there are none, or the message is not well formed.
std::string describe_bind_values(Bytes body, std::size_t limit);

std::optional<Parse> parse_parse(Bytes body);
std::optional<Bind> parse_bind(Bytes body);
std::optional<Target> parse_target(Bytes body);
// Query: its text. The only NUL must be the last byte.
[[gnu::hot]] std::optional<std::string_view> parse_query(Bytes body);

// Largest length word PostgreSQL accepts for a message of this type (postgres.c, SocketBackend);
// nothing for a type that no client may send.
[[gnu::hot]] std::optional<std::uint32_t> message_length_limit(char frontend_type);

}  // namespace weir::protocol
