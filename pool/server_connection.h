// ServerConnection: one authenticated session on a PostgreSQL server.
//
// Its state is guarded by its pool's lock. Everything about the conversation belongs to whoever
// holds it: the session it is lent to, on that session's worker; or nobody, while it is idle.
#pragma once

#include "pool/io/event_loop.h"
#include "protocol/expected_replies.h"
#include "protocol/parameter_set.h"
#include "protocol/statement_catalog.h"

#include <boost/intrusive/list.hpp>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weir::pool {

class ServerPool;

enum class ServerState : std::uint8_t {
    idle,
    active,          // lent to a session, or being reset after one
    testing,         // idle, and something came from it
    being_canceled,  // given back, but a cancel of ours may still be under way to it
    closing,         // told to leave; PostgreSQL may still have the backend
};

std::string_view text(ServerState state);

// Why a server was closed. For log, console and metrics alike.
enum class CloseReason : std::uint8_t {
    lifetime,
    idle_timeout,
    server_closed,
    client_pinned,
    protocol_violation,
    io_error,
    reset_failed,
    reconnect,
    configuration_changed,
    over_limit,
    check_failed,
    cancel_uncertain,
    killed,
    shutdown,
    used_once,
    room_for_other_pool,
    role_changed,
    foreign_settings,  // strict_custom_settings
    last = foreign_settings,
};

std::string_view text(CloseReason reason);

// How many servers were closed, by reason.
using CloseCounts = std::array<std::uint64_t, static_cast<std::size_t>(CloseReason::last) + 1>;

// What a login learnt about a server; immutable afterwards.
struct ServerIdentity {
    std::string address;
    int port = 0;
    std::string local_address;
    int local_port = 0;
    std::string tls;  // "TLSv1.3/..." or empty
    protocol::CancelKey cancel_key;
    // ParameterStatus in the order they came, the server's facts among them.
    std::vector<std::pair<std::string, std::string>> welcome;
};

class ServerConnection final : public ChannelHandler,
                               public std::enable_shared_from_this<ServerConnection>,
                               public boost::intrusive::list_base_hook<> {
public:
    ServerConnection(ServerPool& pool, ServerIdentity identity, Transport transport);

    ServerPool& pool() const { return *pool_; }

    const ServerIdentity& identity() const { return identity_; }

    // Its session_authorization when it was opened; empty if it did not say.
    std::string_view login_user() const;

    std::uint64_t id() const { return id_; }

    TimePoint connected_at() const { return connected_at_; }

    // Holder: puts the stream on `loop` for `handler`, registering it there if it is not yet.
    [[gnu::hot]] void attach(EventLoop& loop, ChannelHandler& handler);

    bool attached() const { return static_cast<bool>(channel); }

    // Holder: takes the stream off its loop.
    void detach();
    // Makes the parameters that PostgreSQL reported the server's own; for a new value of one.
    void report_parameter(std::string_view name, std::string_view value);

    // Holder: a client with these parameters needs nothing set or reset here.
    bool fits(const protocol::ParameterSetRef& client) const {
        if (!uncertain.empty()) return false;
        return parameters == client || (client == fit_client_ && parameters == fit_own_);
    }

    // Holder: a comparison has shown that they differ in nothing that can be changed.
    void remember_fit(const protocol::ParameterSetRef& client) {
        fit_client_ = client;
        fit_own_ = parameters;
    }

    // Adds a name to `uncertain` if it is not there.
    void make_uncertain(std::string_view name);

    // --- the holder's ---
    Channel channel;
    protocol::ExpectedReplies expected;
    protocol::PreparedSet prepared;
    // What it has under names of clients' own, for PREPARE and EXECUTE of SQL.
    protocol::ClientStatements named;
    protocol::ParameterSetRef parameters;
    // Settings of which it is not known whether they hold: the transaction they joined failed. Each
    // name once; see make_uncertain().
    std::vector<std::string> uncertain;
    protocol::TransactionStatus status = protocol::TransactionStatus::idle;
    // An incomplete message that was read.
    std::string partial;
    // Whose unnamed statement it has: (session id, serial); 0 = none of ours.
    std::uint64_t unnamed_owner = 0;
    std::uint64_t unnamed_serial = 0;
    // The last session that may have advanced a sequence here: lastval() would tell its value.
    // 0 = nobody, mixed_sequences = several.
    static constexpr std::uint64_t mixed_sequences = ~std::uint64_t{0};
    std::uint64_t sequence_user = 0;
    // The same of notifications, which may still be on their way to those that listen.
    static constexpr std::uint64_t several_notify = ~std::uint64_t{0};
    std::uint64_t notify_user = 0;

    // How the query that reads the catalog is sent: see proxy/session_catalog.cc. Planning it takes
    // PostgreSQL many times as long as running it, so a server that reads often has it prepared.
    struct CatalogQuery {
        std::uint8_t sent_as_text = 0;
        bool prepared = false;
        bool refused = false;  // it cannot be prepared, or was lost

        // DEALLOCATE ALL, DISCARD ALL.
        void names_dropped() { prepared = false; }
    };

    CatalogQuery catalog_query;

    // What its holder wants to remember of the transaction under way; cleared before it is given
    // back. Here, so that its room is that of a server, and not of each idle client.
    std::vector<std::shared_ptr<const void>> ran;

    // Held until it is lent again or gone: what must last as long as a transaction that nobody
    // waits for any more may still end.
    std::shared_ptr<void> until_settled;

    // --- the holder's, read by the console ---
    std::atomic<std::uint64_t> client_id{0};
    std::atomic<TimePoint::rep> request_since{0};

    // --- guarded by the pool's lock ---
    ServerState state = ServerState::active;
    CloseReason close_reason = CloseReason::lifetime;
    unsigned home = 0;                  // worker on whose idle list it is
    std::uint64_t epoch = 0;            // counts changes of state or holder
    std::uint64_t generation = 0;       // of the pool when it was opened; older ones are dirty
    unsigned cancels = 0;               // cancel connections of ours under way
    bool used = false;                  // a session had it
    std::optional<CloseReason> doomed;  // closed as soon as it is given back
    Duration lifetime{};
    TimePoint last_used{};
    Transport floating;  // the stream while it is on no loop

    // Idle: something came from the server.
    void on_ready(std::uint64_t key) override;

    void on_wake(std::uint64_t key) override { on_ready(key); }

    // Holder, while nothing is owed: takes what the server says by itself. False: it is leaving, or
    // has left.
    bool read_while_idle();

private:
    protocol::ParameterSetRef fit_client_;
    protocol::ParameterSetRef fit_own_;
    ServerPool* pool_;
    ServerIdentity identity_;
    std::uint64_t id_;
    TimePoint connected_at_;
};

using ServerRef = std::shared_ptr<ServerConnection>;

}  // namespace weir::pool
