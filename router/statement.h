// Statement: what one text of a Query or Parse message is and what it may do to the session.
//
// Independent of catalog, session and topology: a function of the text alone, so it is remembered
// by text (statement_cache.h). Immutable once made and shared between threads by StatementPtr.
#pragma once

#include "router/fingerprint.h"
#include "router/read_facts.h"
#include "router/sequence_habit.h"

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::router {

// What a statement is, in the words of its command tag where it has one.
enum class StatementKind : std::uint8_t {
    unknown,  // not parsed: syntax error, newer syntax, refused by a limit
    empty,    // no statement: "", ";", a comment
    select,   // SELECT, VALUES, TABLE, also SELECT INTO (see Statement::creates_relation)
    insert,
    update,
    delete_,
    merge,
    begin,     // BEGIN, START TRANSACTION
    commit,    // COMMIT, END
    rollback,  // ROLLBACK, ABORT
    savepoint,
    release,
    rollback_to,
    prepare_transaction,
    commit_prepared,    // COMMIT PREPARED
    rollback_prepared,  // ROLLBACK PREPARED
    set,                // SET x, SET LOCAL x, SET ROLE ..., SET SESSION CHARACTERISTICS
    set_transaction,    // SET TRANSACTION, also SNAPSHOT
    set_constraints,
    reset,  // RESET x, RESET ALL, SET x TO DEFAULT
    show,
    prepare,  // SQL PREPARE
    execute,  // SQL EXECUTE
    deallocate,
    discard,
    declare_cursor,
    fetch,         // FETCH, MOVE
    close_portal,  // CLOSE
    listen,
    unlisten,
    notify,
    lock,
    load,
    do_,
    call,
    copy_in,    // COPY FROM STDIN
    copy_out,   // COPY TO STDOUT
    copy_file,  // COPY from or to a file or program of the server
    explain,
    create_table,     // also foreign tables
    create_table_as,  // also materialized views
    create_view,
    create_sequence,
    create_index,
    create_function,
    truncate,
    vacuum,  // VACUUM, ANALYZE
    reindex,
    cluster,
    refresh,  // REFRESH MATERIALIZED VIEW
    checkpoint,
    alter_system,
    ddl,            // every other CREATE, ALTER, DROP, COMMENT, GRANT ...
    utility_other,  // known to the parser, none of the above
    last = utility_other,
};

std::string_view text(StatementKind kind);

// Why a client must keep its server: the text has, or may have, an effect on the session beyond
// the transaction.
enum class PinReason : std::uint8_t {
    none,
    set_setting,    // a setting whose value could not be read, or that is too large to be carried
    set_config,     // set_config of a name that is not in the text; UPDATE pg_settings
    temp_object,    // a temporary table, view, sequence, function ...
    advisory_lock,  // a session-level advisory lock
    listen,
    sql_prepare,  // PREPARE
    sql_execute,  // EXECUTE: what it runs is not in this text
    hold_cursor,  // DECLARE ... WITH HOLD
    load,         // LOAD, CREATE EXTENSION, a function in C: code in the server process
    do_block,
    call,
    setseed,
    dblink,
    replication_origin,
    replication_slot,  // may be a temporary slot
    backup,            // pg_backup_start
    dynamic_sql,       // query_to_xml, ts_stat ...: runs SQL that is not in this text
    unknown_function,  // not a built-in name, or under another schema
    unknown_operator,
    unparsable,         // syntax error or syntax newer than the parser
    too_long,           // longer than the parser's cap and not harmless by its words
    too_deep,           // nested deeper than the walker goes
    unknown_encoding,   // client_encoding or standard_conforming_strings forbid reading it
    unknown_node,       // the parser knows it, the walker does not
    protocol_prepare,   // a prepared statement that is not followed: max_prepared_statements = 0
    internal_function,  // of PostgreSQL's own, for its tools; FunctionCall
    last = internal_function,
};

std::string_view text(PinReason reason);

// One SET, RESET or constant set_config.
struct SettingChange {
    enum class Action : std::uint8_t {
        set,         // to `value`, or to something not constant if there is none
        to_default,  // RESET x, SET x TO DEFAULT
    };

    std::string name;  // lower case, as PostgreSQL compares it; "role", "session_authorization"
    std::optional<std::string> value;  // as set_config would take it; a list is joined by ", "
    Action action = Action::set;
    bool is_local = false;        // SET LOCAL, set_config(..., true): ends with the transaction
    bool by_function = false;     // set_config(): happens per row, may not happen
    std::uint16_t statement = 0;  // index into Statement::kinds

    bool operator==(const SettingChange&) const = default;
};

enum class Isolation : std::uint8_t {
    read_uncommitted,
    read_committed,
    repeatable_read,
    serializable,
};

// One LISTEN, UNLISTEN, SAVEPOINT, RELEASE or ROLLBACK TO.
struct ScopeChange {
    StatementKind kind = StatementKind::listen;
    std::string name;  // as PostgreSQL folds and truncates it; empty for UNLISTEN *

    bool operator==(const ScopeChange&) const = default;
};

// Whose sessions begin otherwise after ALTER ROLE, ALTER DATABASE and the like. Empty: all.
struct NewSessions {
    std::string role;
    std::string database;

    bool operator==(const NewSessions&) const = default;
};

// Options of BEGIN, START TRANSACTION, SET TRANSACTION, SET SESSION CHARACTERISTICS; and CHAIN.
struct TransactionOptions {
    std::optional<Isolation> isolation;
    std::optional<bool> read_only;
    std::optional<bool> deferrable;
    bool chain = false;          // COMMIT/ROLLBACK AND CHAIN
    bool snapshot = false;       // SET TRANSACTION SNAPSHOT
    bool contradictory = false;  // one option twice with different values: the last one is above

    bool any() const { return isolation || read_only || deferrable; }

    bool operator==(const TransactionOptions&) const = default;
};

struct Statement {
    // The statements of the text in order; the empty ones between semicolons do not count. Empty
    // for an empty text; {unknown} when nothing is known.
    std::vector<StatementKind> kinds;

    std::vector<SettingChange> settings;  // in order of appearance

    std::vector<ScopeChange> scopes;  // in order of appearance

    std::vector<NewSessions> new_sessions;  // see changes_new_sessions

    // Options of the first BEGIN/SET TRANSACTION/COMMIT ... in the text that has any place for
    // them. Without options it is there and empty for BEGIN, COMMIT and ROLLBACK.
    std::optional<TransactionOptions> transaction;

    // The name in PREPARE, EXECUTE, DEALLOCATE, DECLARE, FETCH, CLOSE, SAVEPOINT, RELEASE,
    // ROLLBACK TO, LISTEN, UNLISTEN, NOTIFY, SHOW, PREPARE TRANSACTION, LOAD of the first statement
    // that has one. Empty for the ALL forms: see the flags.
    std::string name;

    // The name of the function, operator, relation ... of the first pin; for the log.
    std::string pin_detail;

    // The reasons for which this text pins, and the first of them.
    std::bitset<static_cast<std::size_t>(PinReason::last) + 1> pins;
    PinReason pin = PinReason::none;

    // Names, without schemas, of what only the catalog knows: functions and procedures that are
    // called and not PostgreSQL's own (the pins unknown_function and call are theirs), and all
    // relations. Each once.
    std::vector<std::string> functions;
    std::vector<std::string> relations;
    std::vector<std::string> operators;  // in use and not PostgreSQL's own
    // Names in a DO's body that may be functions (tables, types, words of the grammar, too), and
    // those of (expression).name: one that the catalog does not know counts for nothing.
    std::vector<std::string> possible_functions;
    // PostgreSQL's own functions that are called without a schema: a user's of that name may be
    // meant. They view static memory.
    std::vector<std::string_view> builtin_functions;

    // For an error position to be trusted and a text to be answered locally: exactly one.
    StatementKind kind() const { return kinds.empty() ? StatementKind::empty : kinds.front(); }

    bool is_single() const { return kinds.size() == 1; }

    bool contains(StatementKind wanted) const {
        for (const StatementKind kind : kinds)
            if (kind == wanted) return true;
        return false;
    }

    bool parsed = false;  // false: everything below is the cautious answer
    // One SELECT that only reads and neither calls nor leaves anything that this header has a word
    // for: no pin, function of the user's, setting, sequence, notification or state of the session.
    // Set last, by what the other members say; for those who look at each request.
    bool is_plain_select = false;
    bool defines = false;  // DDL, or unknown: event triggers may fire
    // What router::Catalog says may be something else after it: DDL that makes or changes anything
    // with an effect, COMMIT PREPARED, or unknown. Only if `defines`, and then as well if
    // the statement itself reaches an effect.
    bool changes_catalog_effects = false;
    // ... and something with an effect may be in it, even if nothing in the database has one: a
    // function's body, a view or default that calls set_config().
    bool defines_effects = false;
    // Of what `defines`: hashes (name_hash, changed_names.h) of whatever may be something else
    // after it. False: anything may, also what is met without being named (operators, casts).
    bool changes_only_names = false;
    std::vector<std::uint32_t> changed_names;
    // `relations` has all of them. Not so for VACUUM, ANALYZE, CLUSTER and REINDEX of a schema or
    // the database.
    bool knows_relations = false;
    bool truncates = false;  // see Catalog::truncating()
    // COMMIT or ROLLBACK within it: CALL, DO, or unknown.
    bool may_end_transaction = false;
    // Something runs behind a COMMIT, ROLLBACK or PREPARE TRANSACTION of the same text, or that is
    // AND CHAIN. Of what was not parsed: the words for it are there.
    bool goes_on_after_end = false;
    // Only reads, with functions known to be harmless, as far as a text can tell: a view, cast or
    // overloaded name may still call anything (that is the catalog's to say).
    bool is_read_only = false;
    bool may_write = false;             // DML, DDL, anything unknown; !is_read_only is weaker
    bool has_locking_clause = false;    // SELECT ... FOR UPDATE and the like
    bool creates_relation = false;      // without a schema in its name: under search_path
    bool temp_search_path = false;      // may put pg_temp in search_path (creates_relation, then,
                                        // may create a temporary one)
    bool reads_sequence_state = false;  // currval, lastval
    bool may_advance_sequence = false;  // nextval, setval, INSERT, COPY FROM, opaque things
    bool reads_session_state =
        false;                      // pg_prepared_statements, pg_cursors, pg_listening_channels()
    bool may_notify = false;        // NOTIFY, pg_notify, opaque things
    bool only_listens = false;      // LISTEN and UNLISTEN, one at least, and nothing else
    bool unlocks_advisory = false;  // pg_advisory_unlock*, DISCARD ALL
    // PostgreSQL refuses it after another statement of the same implicit transaction (25001), or
    // that is not known: settings it needs must have had their own Sync.
    bool not_in_pipeline = false;
    bool reset_all = false;       // RESET ALL, DISCARD ALL
    bool deallocate_all = false;  // DEALLOCATE ALL, DISCARD ALL
    bool discard_all = false;
    bool discard_temp = false;       // DISCARD TEMP, DISCARD ALL
    bool discard_sequences = false;  // DISCARD SEQUENCES, DISCARD ALL
    bool close_all = false;          // CLOSE ALL, DISCARD ALL
    bool unlisten_all = false;       // UNLISTEN *, DISCARD ALL
    // ALTER ROLE, ALTER DATABASE ... SET and the like: holds for new sessions, so pooled servers
    // must be recycled.
    bool changes_new_sessions = false;
    // Its meaning hangs on a literal: it is remembered by its exact text only.
    bool literals_matter = false;

    // What is_plain_select has to be.
    bool is_found_plain() const;

    // One for each of `kinds`, or one for all of them (fingerprint.h); given by StatementCache, at
    // least one then.
    std::vector<FingerprintRef> fingerprints;
    // Of the statement that a single PREPARE prepares: EXECUTE runs that one.
    FingerprintRef prepares;
    // A traceparent in one of its comments (masked_text.h); empty if there is none.
    std::string traceparent;

    mutable SequenceHabit sequence_habit;
    ReadFacts reads;  // whether a replica may run it: see read_route.h
};

using StatementPtr = std::shared_ptr<const Statement>;

// A text about which nothing is known but why. Those for each reason are made once and shared.
const StatementPtr& opaque_statement(PinReason reason, bool goes_on_after_end = true);

}  // namespace weir::router
