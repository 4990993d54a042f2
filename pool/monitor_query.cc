#include "pool/monitor_query.h"

#include <array>
#include <charconv>

namespace weir::pool {

namespace {

// Between the fields of a replica, and between replicas: no name can have them (PostgreSQL makes
// application_name printable ASCII).
constexpr char field_end = '\x1f';
constexpr char row_end = '\x1e';

// The columns of a check.
enum Column : std::size_t {
    in_recovery,
    insert_lsn,
    primary_timeline,  // hexadecimal
    replica_timeline,
    receive_lsn,
    replay_lsn,
    replay_paused,
    system_identifier,
    receiver,  // t: connected, f: not
    upstream_end,
    upstream,
    name_upstream,
    downstreams,
    columns,
};

// `yes` where the server has it, else NULL.
std::string if_able(bool able, std::string_view yes) {
    return able ? std::string(yes) : "NULL";
}

std::string in_primary(bool able, std::string_view expression) {
    if (!able) return "NULL";
    return "CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL ELSE " + std::string(expression) +
           " END";
}

bool is_true(const std::optional<std::string>& value) {
    return value && (*value == "t" || *value == "true" || *value == "1");
}

template <class Number>
Number number_or(const std::optional<std::string>& value, int base, Number missing) {
    if (!value) return missing;
    Number number{};
    const char* const end = value->data() + value->size();
    const auto [stop, code] = std::from_chars(value->data(), end, number, base);
    return code == std::errc() && stop == end ? number : missing;
}

Lsn lsn_of(const std::optional<std::string>& value) {
    if (!value) return {};
    return parse_lsn(*value).value_or(Lsn());
}

SyncState sync_state_of(std::string_view word) {
    for (const SyncState state :
         {SyncState::async, SyncState::potential, SyncState::sync, SyncState::quorum}) {
        if (word == text(state)) return state;
    }
    return SyncState::unknown;
}

std::string_view take(std::string_view& rest, char end) {
    const std::size_t at = rest.find(end);
    const std::string_view part = rest.substr(0, at);
    rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
    return part;
}

std::vector<Downstream> read_downstreams(std::string_view rows) {
    std::vector<Downstream> replicas;
    while (!rows.empty()) {
        std::string_view row = take(rows, row_end);
        Downstream replica;
        replica.application_name = take(row, field_end);
        replica.client_address = take(row, field_end);
        replica.streaming = take(row, field_end) == "streaming";
        replica.sync_state = sync_state_of(take(row, field_end));
        replica.replay_lsn = parse_lsn(take(row, field_end)).value_or(Lsn());
        replicas.push_back(std::move(replica));
    }
    return replicas;
}

constexpr std::string_view downstream_rows =
    "coalesce((SELECT string_agg(coalesce(application_name, '') || chr(31) || "
    "coalesce(host(client_addr), '') || chr(31) || coalesce(state, '') || chr(31) || "
    "coalesce(sync_state, '') || chr(31) || coalesce(replay_lsn::text, ''), chr(30)) "
    "FROM pg_catalog.pg_stat_replication), '')";

// The name that the receiver shows upstream: its own setting, else cluster_name, else its default.
constexpr std::string_view shown_name =
    "coalesce(substring(r.conninfo from '(?:^| )application_name=([^ '']+)'), "
    "substring(r.conninfo from '(?:^| )fallback_application_name=([^ '']+)'))";

}  // namespace

Knowledge MonitorAbilities::knowledge() const {
    if (!recovery) return Knowledge::none;
    return insert_lsn && replay_lsn && walfile_name ? Knowledge::positions : Knowledge::role;
}

std::string_view ability_statement() {
    // to_regprocedure and to_regclass give NULL for what is not there, and so does the privilege.
    return "SELECT pg_catalog.to_regprocedure('pg_catalog.pg_is_in_recovery()') IS NOT NULL, "
           "has_function_privilege(to_regprocedure('pg_catalog.pg_current_wal_insert_lsn()'), "
           "'execute'), "
           "has_function_privilege(to_regprocedure('pg_catalog.pg_walfile_name(pg_lsn)'), "
           "'execute') AND "
           "has_function_privilege(to_regprocedure('pg_catalog.pg_current_wal_lsn()'), 'execute'), "
           "has_function_privilege(to_regprocedure('pg_catalog.pg_last_wal_receive_lsn()'), "
           "'execute'), "
           "has_function_privilege(to_regprocedure('pg_catalog.pg_last_wal_replay_lsn()'), "
           "'execute'), "
           "has_function_privilege(to_regprocedure('pg_catalog.pg_is_wal_replay_paused()'), "
           "'execute'), "
           "has_function_privilege(to_regprocedure('pg_catalog.pg_control_system()'), 'execute'), "
           "has_function_privilege(to_regprocedure('pg_catalog.pg_control_recovery()'), "
           "'execute'), "
           "has_table_privilege(to_regclass('pg_catalog.pg_stat_wal_receiver'), 'select') AND "
           "current_setting('server_version_num')::int >= 110000, "
           "has_table_privilege(to_regclass('pg_catalog.pg_stat_replication'), 'select'), "
           "(SELECT setting::bigint * CASE unit WHEN '8kB' THEN 8192 ELSE 1 END "
           "FROM pg_catalog.pg_settings WHERE name = 'wal_segment_size')";
}

std::optional<MonitorAbilities> read_abilities(const MonitorRow& row) {
    MonitorAbilities able;
    const std::array<bool*, 10> flags{
        &able.recovery,
        &able.insert_lsn,
        &able.walfile_name,
        &able.receive_lsn,
        &able.replay_lsn,
        &able.replay_paused,
        &able.control_system,
        &able.control_recovery,
        &able.wal_receiver,
        &able.replication};
    if (row.size() != flags.size() + 1) return std::nullopt;
    for (std::size_t i = 0; i < flags.size(); ++i)
        *flags[i] = is_true(row[i]);
    const auto size = number_or<std::uint32_t>(row.back(), 10, default_wal_segment_size);
    // PostgreSQL: a power of two from 1 MB to 1 GB.
    const bool sensible = size >= 1 << 20 && size <= 1 << 30 && (size & (size - 1)) == 0;
    able.wal_segment_size = sensible ? size : default_wal_segment_size;
    return able;
}

std::string check_statement(const MonitorAbilities& able, bool brief) {
    if (!able.recovery) return "SELECT 1";
    const bool full = !brief;
    const bool timelines = full && able.wal_receiver;
    std::string replica_timeline = if_able(timelines, "r.received_tli");
    if (full && able.control_recovery) {
        replica_timeline = "CASE WHEN pg_catalog.pg_is_in_recovery() THEN coalesce(" +
                           replica_timeline +
                           ", nullif((SELECT min_recovery_end_timeline FROM "
                           "pg_catalog.pg_control_recovery()), 0)) END";
    }
    std::string sql = "SELECT pg_catalog.pg_is_in_recovery(), ";
    sql += in_primary(able.insert_lsn, "pg_catalog.pg_current_wal_insert_lsn()") + ", ";
    sql += in_primary(
        able.walfile_name,
        "substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)"
    );
    sql += ", " + replica_timeline + ", ";
    sql += if_able(able.receive_lsn, "pg_catalog.pg_last_wal_receive_lsn()") + ", ";
    sql += if_able(able.replay_lsn, "pg_catalog.pg_last_wal_replay_lsn()") + ", ";
    // It raises an error outside recovery.
    sql += full && able.replay_paused ? "CASE WHEN pg_catalog.pg_is_in_recovery() THEN "
                                        "pg_catalog.pg_is_wal_replay_paused() END, "
                                      : "NULL, ";
    sql += if_able(
               full && able.control_system,
               "(SELECT system_identifier FROM pg_catalog.pg_control_system())"
           ) +
           ", ";
    sql +=
        if_able(timelines, "r.pid IS NOT NULL AND coalesce(r.status, 'streaming') = 'streaming'");
    sql += ", " + if_able(timelines, "r.latest_end_lsn") + ", ";
    sql += if_able(timelines, "r.sender_host || ':' || r.sender_port") + ", ";
    sql += if_able(timelines, shown_name) + ", ";
    sql += if_able(full && able.replication, downstream_rows);
    if (timelines) {
        sql += " FROM (SELECT 1) AS one LEFT JOIN pg_catalog.pg_stat_wal_receiver AS r ON true";
    }
    return sql;
}

std::optional<HostSample> read_check(
    const MonitorRow& row, const MonitorAbilities& able, bool brief
) {
    HostSample sample;
    sample.knowledge = able.knowledge();
    sample.brief = brief;
    sample.wal_segment_size = able.wal_segment_size;
    if (!able.recovery) return row.size() == 1 ? std::optional(sample) : std::nullopt;
    if (row.size() != columns) return std::nullopt;
    if (row[in_recovery]) sample.in_recovery = is_true(row[in_recovery]);
    const bool replica = sample.in_recovery == true;
    sample.insert_lsn = lsn_of(row[insert_lsn]);
    sample.timeline = replica ? number_or<Timeline>(row[replica_timeline], 10, 0)
                              : number_or<Timeline>(row[primary_timeline], 16, 0);
    if (replica) {
        // A primary that was a replica still has the last of these.
        sample.receive_lsn = lsn_of(row[receive_lsn]);
        sample.replay_lsn = lsn_of(row[replay_lsn]);
        sample.upstream_end = lsn_of(row[upstream_end]);
        sample.replay_paused = is_true(row[replay_paused]);
        if (row[receiver]) sample.receiving = is_true(row[receiver]);
        sample.upstream = row[upstream].value_or("");
        sample.name_upstream = row[name_upstream].value_or("");
    }
    // It is an unsigned number that PostgreSQL shows as a signed one.
    sample.system_identifier =
        static_cast<std::uint64_t>(number_or<std::int64_t>(row[system_identifier], 10, 0));
    if (row[downstreams]) sample.downstreams = read_downstreams(*row[downstreams]);
    return sample;
}

}  // namespace weir::pool
