// ClientSession: one logged-in client on its worker, from the welcome to the end.
//
// advance() makes all progress that is possible and returns; every event leads there. In short:
// client bytes -> groups of messages (up to Query, Sync or Flush) -> a server is lent -> settings
// it lacks and the group in one send -> replies, told apart by ExpectedReplies, in one send -> the
// server goes back. One group is under way at a time; what the client sends meanwhile waits in
// input_ (bounded) or in the kernel.
//
//   client_session.cc      life and bytes            session_welcome.cc   the first words
//   client_input.cc        messages to groups        group_plan.cc        what a group needs
//   local_answers.cc       answers without a server  server_lease.cc      getting a server
//   group_sender.cc        groups to the server      group_statements.cc  prepared statements
//   server_replies.cc      replies to the client     session_parameters.cc  settings
//   session_state.cc       what transactions leave behind
//   session_catalog.cc     what statements reach beyond their texts
//   session_sql_names.cc   PREPARE and EXECUTE of SQL
//   session_columns.cc     what prepared statements return
//   session_sequences.cc   currval and lastval
//   session_timers.cc      deadlines              session_pins.cc      keeping a server
//   session_listen.cc      LISTEN, by a connection that listens for all
//   session_notifications.cc  what it brings
//   session_cancel.cc     what operators end
//   session_routing.cc    which host of a cluster  session_retry.cc  reads that a replica refuses
//   session_meter.cc      what statements cost
//   session_trace.cc      what TRACE CLIENT sees
#pragma once

#include "protocol/backend_messages.h"
#include "protocol/field_cursor.h"
#include "protocol/message.h"
#include "proxy/own_query.h"
#include "proxy/pool_entry.h"
#include "proxy/seldom.h"
#include "proxy/session_listening.h"
#include "proxy/session_meter.h"
#include "proxy/session_routing.h"
#include "proxy/session_trace.h"
#include "proxy/state_inquiry.h"
#include "proxy/worker.h"
#include "router/statement.h"

#include <boost/container/small_vector.hpp>

#include <optional>

namespace weir::proxy {

struct SessionStart {
    std::uint64_t id = 0;
    pool::Transport transport;
    std::shared_ptr<PoolEntry> entry;
    std::string user;
    std::string database;
    std::vector<std::pair<std::string, std::string>> settings;  // of the start-up packet, in order
    protocol::CancelKey cancel_key;
    std::string address;
    int port = 0;
    std::string local_address;
    int local_port = 0;
    std::string tls;
    bool unix_socket = false;
    int peer_process = 0;  // of a client on a Unix socket, 0 = not known
    std::shared_ptr<void>
        permit;  // its place under max_client_conn, given back when it is destroyed
};

// What a session waits for.
enum class WaitsFor : std::uint8_t {
    nothing,
    server,    // in its pool's queue; which limit that is, the pool knows
    host,      // until a host of the cluster is known that may serve it
    listener,  // the connection that listens for all, until it has confirmed LISTEN
    prelude,   // what its server is asked first: check query, catalog, settings
    client,    // its own client, who does not take what is sent
};

std::string_view name_of(WaitsFor what);

// A row of SHOW CLIENTS.
struct SessionView {
    std::uint64_t id = 0;
    std::string user, database, address, local_address, tls, application_name;
    int port = 0, local_port = 0;
    std::string_view state;
    std::string_view pin;            // why it keeps its server, empty if it does not
    std::string pin_detail;          // the name this hangs on, if there is one
    std::string_view pin_statement;  // the kind of the statement that began it
    std::string_view activity;       // as pg_stat_activity calls its server's state
    pool::TimePoint pinned{};
    pool::TimePoint connected{}, request{};
    pool::Duration wait{};
    std::uint64_t server_id = 0;
    std::size_t prepared_statements = 0;
    std::size_t server_prepared_statements = 0;  // those its server has
    int peer_process = 0;
    protocol::ParameterSetRef parameters;          // what it has now
    protocol::ParameterSetRef startup_parameters;  // what it began with
    std::vector<std::string> startup_names;        // those that its start-up packet gave

    // Of the statement that runs or waits, else of the last one; null: none yet, or forgotten.
    router::FingerprintRef fingerprint;
    bool running = false;                   // the client waits for its answer
    pool::TimePoint query_started{};        // if it runs
    bool in_transaction = false;            // as the client sees it, also one that has failed
    pool::TimePoint transaction_started{};  // if in one
    pool::TimePoint idle_since{};           // when its last request ended
    WaitsFor waits_for = WaitsFor::nothing;
    pool::TimePoint wait_since{};      // if it waits
    std::uint32_t server_process = 0;  // of PostgreSQL, of the server it holds; 0 = none
    std::string server_address;
    int server_port = 0;
    unsigned host = 0;  // of a cluster: whose pool it waits in or has its server of
    bool on_replica = false;
    std::string traceparent;  // of the statement; empty: not traced
};

class ClientSession final : public pool::ChannelHandler, public pool::TimerHandler {
public:
    ClientSession(Worker& worker, SessionStart start);
    ClientSession(const ClientSession&) = delete;
    ClientSession& operator=(const ClientSession&) = delete;
    ~ClientSession();

    // Begins with the welcome. Call once.
    void begin();
    // The client asked to cancel by its key.
    void cancel();
    // Ends what the client has open and idle for at least that long: its server rolls back, and the
    // client, who lives, is told by the answer to its next statement. False: there is no such
    // transaction, or it hangs on a server that the client keeps (a pin, session mode).
    bool cancel_transaction(const protocol::Error& why, pool::Duration idle_for);
    // Ends the session with this error, now or (when `after_transaction`) as soon as it holds no
    // server for a transaction.
    void end(const protocol::Error& why);
    // Takes the limits that are in force now; the pool mode stays what it was at login.
    void refresh_limits();
    // What the connection that listens for this session has to say.
    void notified(const NotificationRef& notification);
    void listener_answered(const ListenerAnswer& answer);
    void listener_lost(const ListenerLost& lost);
    // The hosts of this cluster have other roles or states now.
    void topology_changed(const Cluster* cluster);
    // Its messages are noted from now on, until end_trace() or its end. False: they are already.
    bool begin_trace(std::shared_ptr<SessionTrace> trace);
    void end_trace();
    SessionView view() const;

    std::uint64_t id() const { return start_.id; }

    // Its transport and settings are with the session by now.
    const SessionStart& start() const { return start_; }

    const PoolEntry& entry() const { return *start_.entry; }

    bool has_server() const { return server_ != nullptr; }

    void on_ready(std::uint64_t channel) override;
    void on_wake(std::uint64_t channel) override;
    void on_timer(pool::TimePoint now) override;

private:
    enum class Phase : std::uint8_t { welcoming, serving, ended };

    // Settings that go back to what they were when the session began.
    struct Resets {
        SeldomVector<std::string> names;
        SeldomVector<std::string> set_again;  // behind RESET ALL
        SeldomVector<std::string> local;      // SET LOCAL x TO DEFAULT, in the block under way
        bool all = false;                     // RESET ALL
        bool identity = false;                // DISCARD ALL: role and session_authorization, too
        bool answered = false;  // PostgreSQL has done it, and nothing was rolled back since
        bool restored = false;  // what the client started with was brought back in the block

        bool none() const { return names.empty() && local.empty() && !all; }
    };

    // What a group may change in the session. Most change nothing.
    struct Changes {
        // What happens to settings, in order. A name that is not `asked` for is one that
        // PostgreSQL reports.
        struct Setting {
            enum class What : std::uint8_t { set, reset, reset_local, reset_all, discard_all };

            What what = What::set;
            std::string name;
            bool asked = true;
        };

        std::vector<Setting> settings;
        // Statements of which the catalog, which is not there, has more to say.
        std::vector<router::StatementPtr> unresolved;
        // Those of which the tags say what becomes of LISTEN and UNLISTEN.
        std::vector<router::StatementPtr> followed;
        bool outdates_catalog = false;  // DDL
        router::ChangedNames changed;   // ... of this
        std::vector<router::NewSessions> new_sessions;
        // State that pins may be gone after it: DROP, DEALLOCATE, unlocking ...
        bool frees_state = false;
        // Names of statements prepared by SQL, or to be, that the group uses.
        std::vector<std::string> names;
        // The PREPARE that the group consists of.
        router::StatementPtr prepare;
        std::string_view prepare_text;
    };

    // What one group of messages needs.
    struct Plan {
        PinSet pins = 0;
        router::PinReason pin = router::PinReason::none;  // the first of them
        std::string pin_detail;
        router::StatementKind pin_statement = router::StatementKind::unknown;
        bool needs_server = false;
        bool reads_sequences = false;
        bool may_read_sequences = false;  // where nobody sees it: in a function
        bool may_advance_sequences = false;
        router::StatementPtr uses_sequences;  // the last statement that does either
        bool may_notify = false;
        bool reads_session_state = false;  // pg_listening_channels(), pg_prepared_statements ...
        bool reads_prepared = false;       // ... of these the latter
        bool ends_transaction = false;
        bool deallocates = false;  // DEALLOCATE of one name is among its texts
        bool begins_transaction = false;
        bool may_commit = false;  // in a procedure or DO
        bool several = false;     // statements in one of its texts
        bool large = false;       // the beginning of a message that is passed on in pieces
        // Nothing that a request behind it could get in the way of: no COPY.
        bool short_and_known = false;
        // Of a cluster: may all of it run on a replica? Only where that is to be decided.
        router::ReadVerdict read{router::ReadTarget::any, router::ReadReason::empty, true};
        router::StatementPtr read_statement;  // the only one
        bool read_judged = false;
        router::FingerprintRef executes;  // what the EXECUTE that is looked at runs, if known
        std::string_view host;            // by a hint; of the group's bytes
        std::optional<pool::Consistency> consistency;
        std::unique_ptr<Changes> changes;
        // The group's own Parse messages: name and text.
        boost::container::small_vector<std::pair<std::string_view, std::string_view>, 4> parsed;
        // Statements bound in it of which the client was told what they return.
        boost::container::small_vector<const protocol::ClientStatements::Entry*, 2> described;
        // What its Parse messages' types have against a replica; empty: nothing.
        router::ReadReason parsed_types = router::ReadReason::empty;
        bool chains = false;      // COMMIT or ROLLBACK AND CHAIN
        bool sets_modes = false;  // of transactions
        std::size_t texts = 0;    // whose effects were looked at
        bool only_parse_and_close = true;
        // The group is one Query with one statement of this kind.
        std::optional<router::StatementKind> lone_query;
        // What its last Bind is of, if that is one statement and more than a plain SELECT.
        std::optional<router::StatementKind> lone_bound;
        std::string_view lone_text;               // of lone_bound, until Parse
        const router::Statement* lone = nullptr;  // of either, until the next look-up
        // A text has LISTEN and UNLISTEN only; until the next look-up.
        const router::Statement* listens = nullptr;

        Changes& change() {
            if (changes == nullptr) changes = std::make_unique<Changes>();
            return *changes;
        }

        bool has_unresolved() const { return changes != nullptr && !changes->unresolved.empty(); }
    };

    // The catalog, while it is read on the session's server.
    struct CatalogReading {
        std::uint64_t epoch = 0;
        pool::TimePoint at{};
        std::vector<router::CatalogRow> rows;
        std::size_t bytes = 0;
        bool prepared = false;  // by catalog_query_name
        bool refused = false;
        bool too_large = false;
        bool building = false;  // on another thread; see catalog_built()
    };

    // DDL of the transaction that may bring effects, and statements behind it which may have had
    // them: what the catalog says after it is not all that was.
    enum class Ddl : std::uint8_t { none, defined, used };

    // A stretch of input: whole messages, ended or not; or the beginning of one large message.
    struct Group {
        Bytes bytes;
        char terminator = 0;        // type of its last message if that ends a group
        std::uint64_t missing = 0;  // bytes of its last message that were not read yet
    };

    // Above this much unsent output no more replies are read for a client, nor requests of it.
    static constexpr std::size_t output_limit = 64 * 1024;
    // Tags of requests of ours, by which their failure is recognised.
    static constexpr std::uint32_t injected_begin = 1;
    static constexpr std::uint32_t injected_discard = 2;
    // ... and by which the answers to what is asked about the session are.
    static constexpr std::uint32_t state_inquiry = 3;
    static constexpr std::uint32_t catalog_rows = 4;
    // PREPARE or DEALLOCATE of a name, and a Parse of one: see bring_name().
    static constexpr std::uint32_t injected_name = 5;
    // Of a Parse that fails on purpose, or a DEALLOCATE of a name that SQL has given: none of our
    // statements has this number.
    static constexpr std::uint32_t no_statement = ~std::uint32_t{0};
    // As the former, and the client is told refusal_ in its place.
    static constexpr std::uint32_t refused_parse = no_statement - 1;
    static constexpr std::uint32_t parse_of_name = no_statement - 2;
    // Of send_guard().
    static constexpr std::uint32_t guard_statement = no_statement - 3;
    static constexpr std::uint32_t brought_sync = 6;
    // Takes away what another client has set.
    static constexpr std::uint32_t injected_reset = 7;
    static constexpr std::string_view guard_name = "weir_go";

    // --- client_session.cc ---
    [[gnu::hot]] void advance();
    [[gnu::hot]] bool advance_once();
    [[gnu::cold]] void finish(std::string_view reason);
    [[gnu::cold]] void finish_with(const protocol::Error& error);
    [[gnu::hot]] bool read_server();
    [[gnu::hot]] bool read_client();
    [[gnu::hot]] bool may_move_again() const;

    bool flush_client() {
        if (is_holding()) hold_output();
        return !(output_.empty() && worker_.to_client().empty()) && send_output();
    }

    [[gnu::hot]] bool send_output();
    [[gnu::hot]] bool send_server_output();

    bool flush_server() {
        return !server_output_.empty() && server_ != nullptr && send_server_output();
    }

    [[gnu::hot]] void send_to_server();

    void write_to_server() {
        if (!worker_.to_server().empty()) send_to_server();
    }

    [[gnu::cold]] void client_gone();
    void release_retained();
    // Gives the room of an empty buffer back if it is more than an idle session should keep.
    static void release_if_large(std::string& buffer);

    bool session_mode() const { return limits_->pool_mode == conf::PoolMode::session; }

    bool keeps_server() const { return session_mode() || pins_ != 0; }

    protocol::TransactionStatus local_status() const;

    // --- session_timers.cc ---
    void arm(pool::Duration timeout);
    void check_deadlines(pool::TimePoint now);

    // --- server_lease.cc ---
    [[gnu::hot]] bool acquire();
    [[gnu::hot]] void server_granted(pool::ServerConnection& server);
    bool server_is_alive();
    [[gnu::hot]] void give_server_back();
    void let_server_go();
    [[gnu::cold]] void drop_transaction(pool::CloseReason reason, const protocol::Error& why);
    [[gnu::cold]] void lose_server(
        const protocol::Error& error, pool::CloseReason reason, bool gone
    );

    // --- session_pins.cc ---
    [[gnu::cold]] void pin(router::PinReason reason, std::string_view detail);
    [[gnu::cold]] void pin(const Plan& plan);
    [[gnu::cold]] void pin_begins(
        router::PinReason reason, std::string_view detail, router::StatementKind statement
    );
    [[gnu::cold]] void pin_lifted(std::string_view why);
    [[gnu::cold]] void leave_pinned();
    [[gnu::cold]] std::size_t refuse_pin(const Group& group, const Plan& plan);
    [[gnu::cold]] std::size_t refuse(const Group& group, const protocol::Error& error);
    [[gnu::cold]] void tell_refusal();
    [[gnu::cold]] protocol::Error idle_pin_error() const;
    std::string_view activity() const;

    // --- session_routing.cc ---
    // Where a text may run has to be known: it is to be routed, or was routed to a replica.
    bool judges_reads() const {
        return routing_ != nullptr &&
               (server_ == nullptr || routing_->on_replica || routing_->flushed);
    }

    [[gnu::hot]] void begin_read_plan();
    [[gnu::hot]] void plan_read(
        const router::StatementPtr& statement, std::string_view text, Plan& plan
    );
    [[gnu::cold]] void follow_parameters();
    [[gnu::cold]] void warn_of_setting(std::string_view name, std::string_view value);
    [[gnu::hot]] bool may_go_to_replica(const Plan& plan, const Group& group) const;
    [[gnu::hot]] bool choose_host(const Plan& plan, const Group& group);
    [[gnu::hot]] bool choose_host_of(const pool::Topology& topology, const Plan& plan, bool reads);
    [[gnu::cold]] bool choose_host_for_welcome();
    pool::TimePoint may_wait_until(pool::TimePoint now, pool::Consistency consistency) const;
    [[gnu::cold]] void prefer_host(
        const pool::Topology& topology,
        const std::optional<pool::LsnToken>& need,
        std::string_view named,
        pool::HostChoice& choice
    ) const;
    std::optional<std::size_t> primary_of(const pool::Topology& topology) const;
    [[gnu::hot]] void take_host(const pool::Topology& topology, std::size_t host);
    [[gnu::cold]] void wait_for_host();
    [[gnu::hot]] void host_chosen();
    [[gnu::hot]] bool must_not_run_on_replica(const Plan& plan) const;
    [[gnu::hot]] bool leaves_chain(const Plan& plan);
    [[gnu::cold]] bool leaves_flushed(const Plan& plan, const Group& group);
    [[gnu::hot]] bool was_routed_wrongly(const Plan& plan, const Group& group);
    [[gnu::cold]] std::size_t refuse_on_replica(const Group& group, const Plan& plan);
    [[gnu::hot]] void begin_on_host(const Group& group, const Plan& plan);
    [[gnu::hot]] void request_ended_on_host(bool in_transaction);
    [[gnu::cold]] void lose_primary();
    [[gnu::cold]] void host_suspected();
    [[gnu::cold]] void leave_host();
    enum class Answered : std::uint8_t { no, yes, later };

    [[nodiscard]] Answered answer_about_routing(const Group& group, const Plan& plan);
    [[gnu::cold]] std::string last_route_text();
    [[gnu::cold]] Answered answer_own_group(const Group& group);
    [[gnu::cold]] bool is_own_group(const Group& group);
    [[gnu::cold]] bool take_own_message(const protocol::MessageView& message, OwnNames& names)
        const;
    [[gnu::cold]] void answer_own_message(const protocol::MessageView& message, OwnNames& names);
    [[gnu::cold]] bool deallocates_own(const Plan& plan);
    [[gnu::cold]] std::optional<std::vector<std::string>> own_rows(const OwnQuery& own);
    [[gnu::cold]] void describe_own(const OwnQuery& own);
    [[gnu::cold]] void write_own_rows(const OwnQuery& own, const std::vector<std::string>& rows);

    // --- session_explain.cc ---
    [[gnu::cold]] std::vector<std::string> explain_route_lines(const std::string& sql);
    [[gnu::cold]] void explain_host(
        const router::ReadVerdict& verdict, std::vector<std::string>& lines
    );

    // --- session_routing.cc ---
    [[gnu::cold]] void look_for_host_again();
    [[gnu::cold]] bool may_go_on_elsewhere();

    bool waits_for_host() const { return routing_ != nullptr && routing_->parked; }

    // --- session_retry.cc ---
    bool is_holding() const { return routing_ != nullptr && routing_->holding; }

    bool is_retrying() const {
        return routing_ != nullptr && routing_->retrying != router::ReplicaRefusal::none;
    }

    [[gnu::cold]] void hold_output();
    void release_held();

    // A message of this type goes to the client: what cannot be taken back does not stay.
    void release_before(char type) {
        if (is_holding() && type != protocol::backend::row_description &&
            type != protocol::backend::parse_complete && type != protocol::backend::bind_complete &&
            type != protocol::backend::no_data && type != protocol::backend::notice_response &&
            type != protocol::backend::parameter_description &&
            type != protocol::backend::copy_out_response) {
            release_held();
        }
    }

    [[gnu::cold]] void refused_in_transaction(const protocol::ErrorResponse& response);
    [[gnu::cold]] bool refused_by_replica(const protocol::ErrorResponse& response);
    [[gnu::cold]] bool settings_refused_by_replica();
    [[gnu::cold]] bool goes_on_primary();
    [[gnu::cold]] void retry_on_primary();
    [[gnu::cold]] bool read_is_complete() const;
    [[gnu::cold]] bool server_is_spare() const;
    [[gnu::cold]] bool lost_behind_read(pool::CloseReason reason, bool gone);
    [[gnu::cold]] void leave_lost_server(pool::CloseReason reason, bool gone);
    [[gnu::cold]] bool lost_while_reading(pool::CloseReason reason, bool gone);
    [[gnu::cold]] void send_again();

    // --- session_listen.cc ---
    [[gnu::cold]] bool is_one_execution(const Group& group);
    [[gnu::cold]] bool listens_here(const Group& group, Plan& plan);
    [[gnu::cold]] std::size_t take_listen(const Group& group, const Plan& plan);
    [[gnu::cold]] void answer_listen(const Group& group, const Plan& plan);
    [[gnu::cold]] void note_parse(const protocol::MessageView& message);
    [[gnu::cold]] void ask_listener(Listening::Wait wait, std::vector<std::string> channels);
    [[gnu::cold]] void let_channels_go(std::vector<std::string> channels);
    [[gnu::cold]] void drop_channels();
    [[gnu::cold]] void stop_listening();
    [[gnu::cold]] void follow_listening(const Plan& plan);
    [[gnu::cold]] void listening_transaction_ended(bool committed);
    bool may_notify_now();
    [[gnu::cold]] bool holds_ready(protocol::TransactionStatus status, bool failed);
    [[gnu::cold]] void tell_held_ready();
    [[gnu::cold]] bool is_ready_held() const;

    bool server_listens() const {
        return listening_ != nullptr && listening_->shown != Listening::Shown::no;
    }

    [[gnu::cold]] void show_channels();
    [[gnu::cold]] bool hides_channels();

    // --- session_notifications.cc ---
    [[gnu::cold]] void deliver_next();
    [[gnu::cold]] void doom(const protocol::Error& why);
    void deliver_before_ready();
    [[gnu::cold]] bool is_idle() const;
    [[gnu::cold]] void settle_listening();
    [[gnu::cold]] void on_server_notification(const protocol::MessageView& message);

    // --- session_welcome.cc ---
    [[gnu::cold]] void prepare_welcome();
    [[gnu::cold]] bool advance_welcome();
    [[gnu::cold]] void send_welcome();
    [[gnu::cold]] void welcome_finished();

    // --- client_input.cc ---
    std::size_t input_limit() const;
    [[gnu::hot]] std::size_t process(Bytes input);
    [[gnu::hot]] bool may_start_group() const;
    [[gnu::hot]] std::optional<Group> next_group(Bytes input);
    [[gnu::hot]] std::size_t take_group(const Group& group);
    std::size_t taken(const Group& group);
    [[gnu::cold]] std::size_t refuse_group(const Group& group);
    [[gnu::cold]] std::size_t skip_group(const Group& group);
    [[gnu::cold]] std::size_t end_copy(const Group& group);
    std::size_t take_stream(Bytes input);
    std::size_t take_copy_message(Bytes input);
    bool copy_is_extended() const;
    [[gnu::hot]] bool check_header(char type, std::uint32_t length);
    [[gnu::cold]] void violation(std::string message);

    // --- local_answers.cc ---
    [[gnu::hot]] bool answer_locally(const Group& group, const Plan& plan);
    bool answer_query_locally(const Group& group, const Plan& plan);
    bool answer_execution_locally(const Group& group, const Plan& plan);
    std::optional<std::string_view> control_transaction(
        router::StatementKind kind, std::string_view text, const router::Statement& statement
    );
    void answer_parse_and_close(const Group& group);
    [[gnu::cold]] protocol::ParameterSetRef after_reset(const router::Statement& statement) const;
    [[gnu::cold]] protocol::ParameterSetRef started_with_custom_names() const;
    [[gnu::cold]] void go_back_to(const protocol::ParameterSetRef& settings);
    [[gnu::cold]] void fail_group(const Group& group, const protocol::Error& error);

    // --- group_plan.cc ---
    [[gnu::hot]] Plan plan(const Group& group);
    [[gnu::cold]] Plan plan_large(const Group& group);
    [[gnu::hot]] const router::StatementPtr& plan_text(
        std::string_view text, Plan& plan, bool followed
    );
    [[gnu::hot]] void plan_effects(const router::StatementPtr& known, Plan& plan, PinSet pins);
    [[gnu::cold]] void plan_settings(const router::Statement& statement, Plan& plan);
    [[gnu::cold]] void plan_setting(const router::SettingChange& change, Plan& plan);
    [[gnu::cold]] bool may_be_temporary(const router::Statement& statement) const;
    [[gnu::hot]] void plan_message(const protocol::MessageView& message, Plan& plan);
    void plan_parse(const protocol::MessageView& message, Plan& plan);
    void plan_bind(const protocol::MessageView& message, Plan& plan);
    router::ReadReason judge_types(std::string_view definition);
    router::ReadReason judge_bound_types(std::string_view name, const Plan& plan);
    void plan_describe(const protocol::MessageView& message, Plan& plan);
    std::optional<std::string_view> text_of(std::string_view name, const Plan& plan) const;
    bool is_taken(std::string_view name, const Plan& plan) const;
    [[gnu::hot]] const router::StatementPtr& knowledge_of(std::string_view text);
    protocol::TextRules text_rules() const;
    std::string_view statement_scope();

    // --- group_sender.cc ---
    [[gnu::hot]] bool send_prelude(const Plan& plan);
    [[gnu::hot]] bool check_server();
    [[gnu::cold]] bool send_prelude_apart();
    [[gnu::cold]] void send_guard();
    [[gnu::hot]] void send_settings();
    void send_injected(std::string_view sql, std::uint32_t mark);
    [[gnu::cold]] void send_own_sync();
    [[gnu::cold]] bool refuses_foreign_settings(const Plan& plan);
    [[gnu::cold]] void send_failed_transaction();
    [[gnu::cold]] void send_failing_parse(std::string_view text, std::uint32_t tag);
    [[gnu::hot]] void send_group(const Group& group);
    [[gnu::hot]] void send_message(const protocol::MessageView& message);
    [[gnu::hot]] void send_query(const protocol::MessageView& message);
    [[gnu::hot]] void forward(const protocol::MessageView& message, protocol::Request request);
    [[gnu::cold]] bool resend_after_heal();

    // --- group_statements.cc ---
    bool may_prepare_more();
    void send_parse(const protocol::MessageView& message);
    void send_bind(const protocol::MessageView& message);
    void send_describe(const protocol::MessageView& message);
    void send_execute(const protocol::MessageView& message);
    void send_close(const protocol::MessageView& message);
    // The server's name for a statement of the client, prepared there if need be.
    std::string_view server_name_of(std::string_view client_name);
    std::uint32_t tag_of(std::string_view client_name, std::string_view server_name) const;
    void change_name(std::string_view name, protocol::StatementRef statement);
    void ensure_prepared(const protocol::StatementRef& statement);
    void ensure_unnamed();
    [[gnu::cold]] void evict_statements();
    [[gnu::cold]] void close_prepared_over(std::size_t limit);
    protocol::StatementRef deallocated_by(std::string_view text);
    [[gnu::cold]] void prepare_to_deallocate(const protocol::StatementRef& statement);
    [[gnu::cold]] bool send_deallocate(const protocol::MessageView& message, std::string_view text);
    [[gnu::cold]] bool deallocates_another(std::string_view text);
    [[gnu::cold]] bool send_parse_of_deallocate(std::string_view text);
    [[gnu::hot]] void name_settled(const protocol::Expected& expected);
    [[gnu::cold]] void all_names_dropped();
    [[gnu::cold]] void undo(const protocol::Expected& request);
    [[gnu::cold]] void undo_all(const std::vector<protocol::Expected>& dropped);

    // --- session_meter.cc ---
    void meter_group_begins();
    QueryEntry* meter_row(const router::FingerprintRef& fingerprint);
    void meter_text(
        const router::Statement& statement,
        std::size_t bytes,
        const router::FingerprintRef& executed
    );
    void meter_bind(
        const router::Statement& statement,
        const router::FingerprintRef& executed,
        std::string_view text
    );
    [[gnu::cold]] QueryEntry* meter_new_bind(
        const router::FingerprintRef& fingerprint, std::string_view text
    );
    [[gnu::cold]] void meter_types(
        QueryEntry& entry, protocol::FieldCursor& fields, std::size_t count
    );
    [[gnu::cold]] void meter_described(
        const protocol::MessageView& message, const protocol::Expected& request
    );
    void meter_portal(std::string_view portal);
    void meter_execute(Bytes body);
    [[gnu::cold]] void meter_session_mode(const protocol::MessageView& message);
    [[gnu::cold]] void meter_large(char type);
    [[gnu::hot]] void meter_begin(const Group& group);
    [[gnu::cold]] void meter_application();
    [[gnu::hot]] QueryExecution meter_measure(std::size_t last_message);
    [[gnu::hot]] void meter_next();
    void meter_rests();
    [[gnu::hot]] void meter_completed(std::string_view tag, std::size_t last_message);
    [[gnu::cold]] void meter_suspended(std::size_t last_message);
    [[gnu::cold]] void meter_failed(std::string_view sqlstate, bool from_server);
    [[gnu::cold]] void meter_failed_unsent(const PlannedUse& use);
    [[gnu::cold]] void meter_settled();
    void meter_copied(std::uint64_t bytes);
    void meter_answered_here();
    [[gnu::cold]] void meter_retried();
    [[gnu::cold]] void meter_pinned();
    [[gnu::cold]] void meter_blocked();
    [[gnu::cold]] void meter_unblocked();
    [[gnu::hot]] void meter_repeats(QueryEntry& entry, std::uint64_t time, pool::TimePoint now);
    [[gnu::cold]] void meter_trace(QueryEntry& entry);
    [[gnu::cold]] std::string meter_values() const;
    [[gnu::cold]] void meter_noticed(
        const QueryEntry* entry, const QueryExecution& done, std::string_view sqlstate
    );
    [[gnu::cold]] void meter_unsent(const QueryEntry& entry, std::string_view sqlstate);
    [[gnu::cold]] bool meter_is_traced();
    [[gnu::cold]] SlowStatement meter_describe(
        const QueryEntry* entry, const QueryExecution& done, std::string_view sqlstate
    ) const;
    [[gnu::cold]] void view_statement(SessionView& view) const;

    // --- session_columns.cc ---
    [[gnu::hot]] bool checks_columns(const Plan& plan);
    [[gnu::cold]] void send_columns_check(const protocol::ClientStatements::Entry& entry);
    void columns_told(const protocol::MessageView& message, const protocol::Expected& request);
    [[gnu::cold]] std::size_t refuse_other_columns(const Group& group);
    [[gnu::cold]] bool tells_other_columns(
        const protocol::ErrorResponse& response, const protocol::Expected& failed
    );

    // --- session_sql_names.cc ---
    [[gnu::cold]] void plan_sql_names(
        const router::StatementPtr& known, std::string_view text, Plan& plan, bool followed
    );
    [[gnu::cold]] void plan_execute(const router::StatementPtr& known, Plan& plan);
    [[gnu::cold]] void plan_prepared(const protocol::SharedStatement& statement, Plan& plan);
    [[gnu::cold]] void remember_unfollowed(const router::StatementPtr& prepare);
    [[gnu::cold]] void settle_plan_of_names(Plan& plan);

    bool may_bring_names(const Plan& plan) const {
        return plan.changes != nullptr || plan.reads_session_state || !server_->named.empty() ||
               (statements_ != nullptr && statements_->has_sql());
    }

    [[gnu::cold]] void bring_names(const Plan& plan);
    [[gnu::cold]] void bring_name(std::string_view name);
    [[gnu::cold]] void drop_name(std::string_view name);
    [[gnu::cold]] void bring_all_names();
    [[gnu::cold]] void drop_others_names();
    [[gnu::cold]] void show_own_names();
    [[gnu::cold]] void make_room_for_names(const std::vector<std::string>& needed);
    [[gnu::cold]] void stop_following_names();

    // A PREPARE, DEALLOCATE or Parse of ours: see bring_name().
    static bool is_brought_name(const protocol::Expected& expected) {
        return expected.tag == injected_name && expected.request == protocol::Request::execute
                   ? true
                   : expected.tag == parse_of_name;
    }

    [[gnu::cold]] void prepares_by_sql(const Changes& changes);
    [[gnu::cold]] void send_prepare(const protocol::MessageView& message);
    [[gnu::cold]] void name_brought();
    [[gnu::cold]] void name_not_brought();
    [[gnu::cold]] bool names_in_flight() const;

    // --- server_replies.cc ---
    [[gnu::hot]] std::size_t process_replies(Bytes bytes);
    [[gnu::hot]] void on_message(const protocol::MessageView& message);
    static bool is_answer(const protocol::ExpectedReplies::Step& step);
    [[gnu::cold]] void on_error(
        const protocol::MessageView& message, const protocol::ExpectedReplies::Step& step
    );
    [[gnu::hot]] void on_ready_for_query(
        const protocol::MessageView& message, const protocol::ExpectedReplies::Step& step
    );
    [[gnu::hot]] void on_command_complete(
        const protocol::MessageView& message, const protocol::Expected& request
    );
    [[gnu::cold]] void injected_failed(std::uint32_t mark);
    [[gnu::cold]] void broken_server(std::string_view what);

    // Replies that are due now without the server, and requests that it skips.
    void after_message() {
        if (server_ != nullptr && (sync_owed_ || server_->expected.has_more())) settle_skipped();
    }

    [[gnu::cold]] void settle_skipped();
    [[gnu::cold]] bool starts_healing(
        const protocol::ErrorResponse& response, const protocol::Expected& failed
    );
    [[gnu::hot]] void pass_on(Bytes bytes);
    [[gnu::hot]] void send_passed();

    void flush_passed() {
        if (!passing_.empty()) send_passed();
    }

    [[gnu::hot]] void request_ended(bool in_transaction);
    [[gnu::hot]] void settle_request();

    // Is the server free, is something waiting for it? After each batch of replies, and whenever
    // something went to the server.
    void request_finished() {
        if (server_ != nullptr && server_->expected.in_sync() && phase_ == Phase::serving) {
            settle_request();
        }
    }

    // --- session_trace.cc ---
    [[gnu::cold]] void trace(TracedWay way, Bytes bytes);
    [[gnu::cold]] void trace_drained(TracedWay way);
    [[gnu::cold]] void trace_session_ended();

    // --- session_parameters.cc ---
    void on_parameter_status(const protocol::MessageView& message);

    [[gnu::hot]] void settle_parameters() {
        if (reported_.empty() && resets_.none() && injected_.empty()) {
            if (server_->status == protocol::TransactionStatus::idle) unit_ended();
            return;
        }
        settle_changed_parameters();
    }

    [[gnu::cold]] void settle_changed_parameters();
    void tell_parameter(std::string_view name, std::string_view value);
    [[gnu::cold]] void settle_brought();
    [[gnu::cold]] void settle_injected(bool failed);

    // --- session_catalog.cc ---
    // Whether there is a snapshot that is not outdated; its `catalog` may be null all the same.
    bool has_catalog() {
        return (catalog_.epoch == catalog_state_.epoch() &&
                catalog_.version == catalog_state_.version()) ||
               take_catalog();
    }

    [[gnu::cold]] bool take_catalog();
    [[gnu::cold]] bool still_holds(const router::Statement& statement) const;
    static void note_definition(const router::Statement& statement, Changes& changes);
    static std::string_view name_reached(const router::Statement& statement);
    [[gnu::cold]] PinSet plan_reached(const router::StatementPtr& known, Plan& plan, PinSet pins);

    // What a replica has may be older than DDL that was seen.
    bool may_read_catalog() const {
        if (routing_ != nullptr && routing_->on_replica && unresolved_.empty()) return false;
        return !unresolved_.empty() || outdates_catalog_ || catalog_state_.refresh_wanted();
    }

    [[gnu::cold]] bool knows_names(const router::Statement& statement) const;
    [[gnu::hot]] void note_run(const Plan& plan);
    [[gnu::cold]] bool uses_what_it_defines() const;
    [[gnu::cold]] void note_ddl(const Plan& plan);
    [[gnu::cold]] void begin_catalog_change(const Plan& plan);
    [[gnu::cold]] void end_catalog_change();

    // The transaction has ended: was it planned by the catalog that was there when it ran?
    void settle_run() {
        if (server_->ran.empty() && ddl_ == Ddl::none) return;
        if (!catalog_state_.is_changing() && !outdates_catalog_ && ddl_ == Ddl::none &&
            catalog_state_.epoch() == ran_epoch_) {
            server_->ran.clear();
            return;
        }
        look_up_run_again();
    }

    [[gnu::cold]] void look_up_run_again();
    [[gnu::cold]] bool reads_catalog();
    [[gnu::cold]] bool read_catalog_first();
    [[gnu::cold]] PinSet resolved(const router::Statement& statement);
    [[gnu::cold]] void changes_anything();
    [[gnu::cold]] void resolve();
    [[gnu::cold]] void resolve_for_leaving();
    [[gnu::cold]] void forget_unread();
    [[gnu::cold]] void pin_reached(PinSet pins, const router::Statement& statement);
    [[gnu::cold]] void note_unresolved(const Changes& changes);
    [[gnu::cold]] void send_catalog_query(bool undisturbed);
    [[gnu::cold]] void take_catalog_row(const protocol::MessageView& message);
    [[gnu::cold]] void settle_catalog();
    void build_aside();
    void take_read(CatalogState::Snapshot snapshot);
    void catalog_built(const CatalogState::Snapshot& snapshot);

    // All rows are there, but no catalog yet.
    bool is_building_catalog() const {
        return reading_catalog_ != nullptr && reading_catalog_->building;
    }

    // --- session_sequences.cc ---
    // By its text, or by what it reaches (a default that is currval()).
    static bool asks_for_sequences(const Plan& plan) {
        const bool reached = plan.may_read_sequences && plan.pins == 0 && !plan.has_unresolved();
        return plan.reads_sequences || reached;
    }

    // Or this is not known yet, and others do.
    bool may_ask_for_sequences(const Plan& plan) const {
        if (asks_for_sequences(plan)) return true;
        return plan.has_unresolved() &&
               start_.entry->sequence_state_read.load(std::memory_order_relaxed);
    }

    [[gnu::hot]] void guard_sequences(const Plan& plan);
    [[gnu::cold]] void settle_sequences(const Plan& plan);
    [[gnu::cold]] bool is_held_for_sequences();

    // --- session_state.cc ---
    [[gnu::cold]] void note_changes(const Plan& plan, const Changes& changes);
    [[gnu::cold]] void note_setting(const Changes::Setting& setting, bool behind_end);
    [[gnu::cold]] void touch(std::string_view name);
    [[gnu::cold]] bool is_touched(std::string_view name) const;
    [[gnu::cold]] bool may_ask_behind(const Plan& plan, const Group& group, bool was_idle) const;
    [[gnu::cold]] bool asks_state() const;
    [[gnu::cold]] void send_inquiry();
    [[gnu::cold]] void take_answer(const protocol::MessageView& message, std::uint32_t tag);
    bool only_inquiry_owed() const;

    [[gnu::hot]] void unit_ended() {
        if (!unit_failed_ && !unit_committed_ && !unit_may_commit_) return;
        unit_with_end_ended();
    }

    [[gnu::cold]] void tell_new_sessions();
    [[gnu::cold]] void keep_touched();
    [[gnu::cold]] void unit_with_end_ended();
    [[gnu::cold]] const protocol::Parameter* reset_to(std::string_view name) const;
    [[gnu::cold]] void restore_startup();
    [[gnu::cold]] void forget_rolled_back();
    [[gnu::cold]] void settle_inquiry();
    [[gnu::cold]] void settle_value(const std::string& name, std::optional<std::string>& value);
    [[gnu::cold]] void unpin(PinSet gone);
    [[gnu::cold]] void settle_resets();
    [[gnu::cold]] void settle_reset(const std::string& name, const Resets& resets);

    // Changes of names by messages under way, oldest first; undone when those fail.
    struct NameChange {
        std::string name;
        protocol::StatementRef before;
        protocol::StatementRef now;
    };

    // --- what nearly every turn looks at: side by side, so that it is few lines of the cache ---

    Worker& worker_;
    pool::Channel client_;
    pool::ServerConnection* server_ = nullptr;
    // Of the host that serves it next, or that has lent server_.
    pool::ServerPool* pool_;
    pool::PoolCounters& counters_;
    CatalogState& catalog_state_;
    SessionLimitsRef limits_;
    protocol::ParameterSetRef parameters_ = protocol::ParameterSet::none();
    protocol::ParameterSetRef rules_for_;  // whose rules_ these are
    protocol::TextRules rules_;

    Phase phase_ = Phase::welcoming;
    bool advancing_ = false;
    bool waiting_ = false;             // in the pool's queue
    bool listener_wait_ = false;       // for an answer of the listening connection
    bool client_ended_ = false;        // the client has closed its side
    bool prelude_pending_ = false;     // the group waits for what we ask this server first
    bool bringing_ = false;            // what went ahead of the group, until its Sync; send_guard()
    bool bringing_failed_ = false;     // ... was refused
    bool columns_changed_ = false;     // a statement of the group returns what was not told
    bool settings_owed_ = false;       // ... and the server that is kept lacks them still
    bool group_open_ = false;          // sent without a terminator: more of it follows, same server
    bool skip_to_sync_ = false;        // an error was answered here: ignore until Sync
    bool own_failed_ = false;          // the last error was about a message of ours
    bool sync_owed_ = false;           // an injected message failed before a Query: Sync for it
    bool lease_fresh_ = false;         // nothing was sent to this server since it was lent
    bool state_may_be_gone_ = false;   // what pins is to be asked for
    bool settings_stay_here_ = false;  // some cannot be carried: the pin is for good
    bool temp_search_path_ = false;    // pg_temp may be in search_path in this transaction
    bool catalog_is_plain_ = false;  // catalog_ knows of nothing that a text could reach by itself
    bool outdates_catalog_ = false;  // DDL in this transaction, of changed_names_
    // DDL under way that the group in flight may commit.
    std::shared_ptr<CatalogChange> catalog_change_;
    bool reads_anew_ = false;    // whatever catalog there is
    bool ran_too_much_ = false;  // more statements in this transaction than are remembered
    Ddl ddl_ = Ddl::none;
    bool unit_committed_ = false;       // a COMMIT since the server was in sync and idle
    bool unit_may_commit_ = false;      // a procedure or DO since then may have made one, unseen
    bool rolled_back_in_part_ = false;  // ... of a unit whose settings are still to be asked for
    bool checking_ = false;             // the check query is under way
    bool server_doomed_ = false;        // not fit for others: closed when it would be given back
    bool begin_sent_ = false;           // the group's BEGIN was deferred until now
    bool begin_failed_ = false;         // ... and was never run
    bool canceled_ = false;             // the client's request is refused before it is sent
    bool group_deallocates_ = false;
    bool portal_deallocates_ = false;        // the unnamed portal is a DEALLOCATE
    bool retain_ = false;                    // the group uses statements prepared earlier
    bool sequences_in_transaction_ = false;  // some were advanced in this transaction
    bool held_for_sequences_ = false;  // idle, and its server is kept in case it asks for them
    bool server_fatal_ = false;        // its last words were passed on
    bool has_unnamed_ = false;
    bool local_failed_ = false;  // a deferred BEGIN whose transaction failed before it had a server
    bool healing_ = false;
    bool pin_by_text_ = false;  // the pin hangs on the only text of the group under way
    bool forwarded_in_group_ = false;
    bool unit_failed_ = false;  // an error or ROLLBACK since the server was in sync and idle
    bool in_transaction_ = false;
    bool wait_noticed_ = false;
    bool stream_discard_ = false;  // what stream_left_ counts is thrown away
    bool reply_swallowed_ = false;
    bool pin_noticed_ = false;
    bool traced_ = false;                              // there is an entry in worker_.traces()
    router::PinReason pin_ = router::PinReason::none;  // the first of pins_
    PinSet pins_ = 0;

    StatementMeter meter_;

    std::string input_;              // read and not yet used
    std::string output_;             // to the client, not taken yet
    std::string server_output_;      // to the server, not taken yet
    Bytes passing_;                  // run of reply bytes to pass on, in the read buffer
    std::size_t scanned_ = 0;        // leading bytes of the input: whole messages of the group
    std::uint64_t stream_left_ = 0;  // of a large message that is on its way to the server
    std::uint64_t reply_left_ = 0;   // of a reply that is passed on in pieces
    pool::TimePoint request_at_{};
    pool::TimePoint idle_since_{};
    std::uint64_t transactions_ = 0;  // that have ended; for the log
    // Why what was asked first failed.
    std::unique_ptr<protocol::Error> prelude_error_;
    std::unique_ptr<OwnNames> own_names_;  // null: there are none
    SeldomString deferred_begin_;          // its text, while BEGIN has not been sent
    SeldomString retained_group_;          // what was sent, while it may have to be sent again
    SeldomVector<std::pair<std::string, std::string>> reported_;  // ParameterStatus until Ready
    SeldomVector<std::string> injected_;        // names set by us, not answered yet
    SeldomVector<std::string> touched_;         // may have another value now
    SeldomVector<std::string> touched_at_end_;  // ... behind a COMMIT or ROLLBACK
    SeldomVector<std::string> touched_before_;  // by transactions that have ended
    Resets resets_;                             // under way
    CatalogState::Snapshot catalog_;
    std::unique_ptr<router::ChangedNames> changed_names_;  // null: none
    std::uint64_t ran_epoch_ = 0;     // of the catalog that server_->ran was planned by
    std::uint64_t failed_epoch_ = 0;  // of a catalog that could not be read on this server
    SeldomVector<router::StatementPtr> unresolved_;    // see Plan
    std::unique_ptr<CatalogReading> reading_catalog_;  // sent, not yet settled
    // Servers of these are to be renewed when the transaction has ended.
    SeldomVector<router::NewSessions> new_sessions_;
    std::unique_ptr<StateInquiry> inquiry_;  // sent, not yet settled
    std::unique_ptr<Listening> listening_;   // from its first LISTEN on
    std::unique_ptr<Routing> routing_;       // of a cluster's sessions
    SeldomVector<NameChange> name_changes_;
    std::size_t names_settled_ = 0;
    // What the server is to have under names of SQL, sent and not answered; oldest first.
    SeldomVector<NameChange> names_brought_;

    // --- the rest ---

    pool::Timer timer_;
    pool::Waiter waiter_;
    std::uint64_t sequence_server_ = 0;  // where a statement of its own last advanced a sequence
    // The last statement of the session, if it has used sequences.
    router::StatementPtr used_sequences_;
    pool::TimePoint connected_at_{};
    pool::TimePoint transaction_at_{};
    std::string unnamed_parse_;  // definition of the client's unnamed statement
    std::uint64_t unnamed_serial_ = 0;
    protocol::StatementRef unnamed_deallocates_;     // what the unnamed statement deallocates
    SeldomString deallocated_name_;                  // ... and what the client calls it
    SeldomVector<protocol::StatementRef> evicting_;  // Close was sent and is not answered yet
    std::uint32_t heal_statement_ = 0;
    std::uint64_t columns_wanted_ = 0;  // of the statement that is asked what it returns
    SeldomString pin_detail_;
    router::StatementKind pin_statement_ = router::StatementKind::unknown;
    pool::TimePoint pinned_at_{};
    std::uint64_t pinned_transactions_ = 0;  // of transactions_, those that ended while pinned
    // Why a transaction ended that the client believes to be open.
    std::unique_ptr<protocol::Error> lost_transaction_;
    std::unique_ptr<protocol::Error> refusal_;  // see refused_parse, guard_statement
    SeldomString unknown_name_;
    std::unique_ptr<protocol::ClientStatements> statements_;
    protocol::ParameterSetRef startup_parameters_ = protocol::ParameterSet::none();
    // PREPAREs that are not followed, since the pin for the first of them.
    SeldomVector<router::StatementPtr> unfollowed_;
    // What the only text of the group under way prepares by SQL, and what the unnamed portal does.
    protocol::StatementRef group_prepares_;
    protocol::StatementRef portal_prepares_;
    SeldomString scope_;
    protocol::ParameterSetRef scope_for_;
    // Counts what changes the meaning of texts and is not in parameters_ (yet); 0 = nothing does.
    std::uint64_t scope_mark_ = 0;
    std::uint64_t next_scope_mark_ = 1;
    SessionStart start_;
};

}  // namespace weir::proxy
