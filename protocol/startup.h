// Startup: the packets a client may send first (manual 55.2.1, 55.7) and what follows from them.
//
// Flow: startup_packet_size() until a whole packet is there, parse_startup_packet(), and for a
// StartupMessage negotiate_protocol() and startup_settings().
#pragma once

#include "protocol/error.h"
#include "protocol/message_writer.h"

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace weir::protocol {

using Settings = std::vector<std::pair<std::string, std::string>>;

inline constexpr ProtocolVersion newest_protocol{3, 2};
// PgBouncer's MAX_USERNAME and the bound it uses for database names, less the NUL.
inline constexpr std::size_t max_name_length = 127;
inline constexpr std::size_t min_cancel_secret = 4;
inline constexpr std::size_t max_cancel_secret = 256;

struct SSLRequest {};

struct GSSENCRequest {};

struct CancelRequest {
    CancelKey key;
};

struct StartupMessage {
    ProtocolVersion version;  // as the client asked for
    std::string user;         // never empty; the last one counts, as in PostgreSQL
    std::string database;     // the user name if the client named none
    Settings parameters;      // the others, in the client's order, duplicates and all
    std::vector<std::string> protocol_options;  // names of _pq_.* parameters
};

using StartupPacket = std::variant<StartupMessage, SSLRequest, GSSENCRequest, CancelRequest>;

// The length of the packet that `begun` starts, 0 while fewer than 4 bytes are there; an Error if
// no startup packet can have that length (also for HTTP, SSH and the like).
Result<std::size_t> startup_packet_size(Bytes begun);

// `packet` is one whole packet, with its length word.
Result<StartupPacket> parse_startup_packet(Bytes packet);

struct NegotiateProtocolVersion {
    ProtocolVersion version;           // what is spoken from now on
    std::vector<std::string> unknown;  // the _pq_.* options not known here
};

// What must be told to the client, once, before authentication; nothing if the client asked only
// for what exists.
std::optional<NegotiateProtocolVersion> negotiate_protocol(const StartupMessage& startup);

// The settings a session starts with: every run-time parameter of the packet and of `options`,
// in order. Names in `ignored` (lower case; "options" drops all of those) are left out.
// Replication is refused with 0A000. Names are checked for the characters of a setting's name;
// whether it exists, and its value, are for PostgreSQL to judge.
Result<Settings> startup_settings(
    const StartupMessage& startup, const std::vector<std::string>& ignored
);

// The `options` of a startup packet: `-c k=v`, `-ck=v` and `--k=v`, with PostgreSQL's splitting at
// white space, backslash escapes and `-` for `_` in names.
Result<Settings> parse_options(std::string_view options);

// The side of a client.
void write_startup_message(ProtocolVersion version, const Settings& parameters, MessageWriter& out);
void write_ssl_request(MessageWriter& out);
void write_gssenc_request(MessageWriter& out);
void write_cancel_request(const CancelKey& key, MessageWriter& out);
// The side of a server.
void write_negotiate_protocol_version(
    const NegotiateProtocolVersion& negotiated, MessageWriter& out
);

}  // namespace weir::protocol
