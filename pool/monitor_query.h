// The SQL that asks a server what it is, and its answers as a HostSample (routing.md 3.1).
//
// Two statements, both read only and in one round trip each: once per connection what the server
// has and lets this user see, then one statement made of just that. A function that is missing
// (Aurora, PG-wire relatives) or refused (no pg_monitor) is a NULL in it, never an error.
#pragma once

#include "pool/host_sample.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::pool {

// One row of a simple query's answer; absent = NULL.
using MonitorRow = std::vector<std::optional<std::string>>;

// What a server has for this user.
struct MonitorAbilities {
    bool recovery = false;        // pg_is_in_recovery()
    bool insert_lsn = false;      // pg_current_wal_insert_lsn()
    bool walfile_name = false;    // pg_walfile_name() and pg_current_wal_lsn()
    bool receive_lsn = false;     // pg_last_wal_receive_lsn()
    bool replay_lsn = false;      // pg_last_wal_replay_lsn()
    bool replay_paused = false;   // pg_is_wal_replay_paused()
    bool control_system = false;  // pg_control_system()
    bool control_recovery = false;
    bool wal_receiver = false;  // pg_stat_wal_receiver with its columns of PostgreSQL 11
    bool replication = false;   // pg_stat_replication
    std::uint32_t wal_segment_size = default_wal_segment_size;

    // What the statement made of these can tell.
    Knowledge knowledge() const;
};

// Asks for the abilities: one row. Runs on PostgreSQL 10 and later.
std::string_view ability_statement();
// nullopt: the row is not what was asked for.
std::optional<MonitorAbilities> read_abilities(const MonitorRow& row);

// One row. `brief`: only what changes from moment to moment, for checks every few milliseconds.
std::string check_statement(const MonitorAbilities& abilities, bool brief);
// Everything but the times. nullopt: the row is not what was asked for.
std::optional<HostSample> read_check(
    const MonitorRow& row, const MonitorAbilities& abilities, bool brief
);

}  // namespace weir::pool
