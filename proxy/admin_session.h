// AdminSession: the conversation with one client on the console. Bytes in, bytes out; no sockets.
// (admin_session.cc: framing and simple protocol; admin_session_extended.cc: the extended one.)
//
// Simple and extended protocol, results as text and binary. One command runs at a time and may take
// as long as it likes (PAUSE); what the client sends meanwhile waits.
#pragma once

#include "proxy/admin_parser.h"
#include "proxy/admin_result.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace weir::proxy {

struct AdminNotice {
    std::string message;
    std::string detail;
};

struct AdminReply {
    AdminReply() = default;

    explicit AdminReply(std::string tag_) : tag(std::move(tag_)) {}

    std::string tag;
    // What the command makes of the client's transaction; there is nothing in it to be undone.
    std::optional<protocol::TransactionStatus> transaction;
    std::optional<Table> table;
    std::vector<AdminNotice> notices;
    // These are the first rows; `done` is called again.
    bool more = false;
};

using AdminOutcome = protocol::Result<AdminReply>;

struct AdminDescription {
    ColumnsRef columns;                     // none: it has no rows
    std::vector<protocol::Oid> parameters;  // types of $1, $2 ...
};

// What a session can have done.
class AdminCommands {
public:
    using Done = std::function<void(AdminOutcome)>;

    virtual ~AdminCommands() = default;

    // An Error: there is no such command.
    virtual protocol::Result<AdminDescription> describe(const AdminCommand& command) = 0;
    // Calls `done` once (with AdminReply::more: and again), now or later; never after the session
    // is gone. REQUIRES: describe() had no error.
    virtual void run(const AdminCommand& command, Done done) = 0;
};

class AdminSession {
public:
    // Largest message; its bound is that of the session's memory, too.
    static constexpr std::size_t max_message = 256 * 1024;
    // With more unsent output than this no further message is looked at.
    static constexpr std::size_t max_output = 64 * 1024;
    static constexpr std::size_t max_statements = 1000;
    static constexpr std::size_t max_portals = 64;

    explicit AdminSession(AdminCommands& commands) : commands_(commands) {}

    AdminSession(const AdminSession&) = delete;
    AdminSession& operator=(const AdminSession&) = delete;

    // The first words after AuthenticationOk.
    void welcome(const protocol::CancelKey& key);
    // Takes what the client sent and goes as far as possible.
    void receive(std::string_view bytes);
    // The same without new bytes: output was taken.
    void advance();

    // What is to be sent; the caller takes it.
    protocol::MessageWriter& output() { return out_; }

    // Ends the session with this error.
    void end(const protocol::Error& why);

    // Nothing is read any more: the client has said goodbye, or was sent a FATAL error.
    bool ended() const { return ended_; }

    // A command runs.
    bool busy() const { return running_; }

    // Received and not used yet.
    std::size_t unread() const { return input_.size(); }

private:
    struct Statement {
        std::optional<AdminCommand> command;  // none: an empty text
        AdminDescription description;
    };

    struct Portal {
        Statement statement;
        ResultFormats formats;
        std::optional<AdminReply> reply;  // once it has run
        std::size_t next_row = 0;
    };

    bool step();
    bool next_message();
    void on_message(char type, Bytes body);
    void on_query(Bytes body);
    void on_parse(Bytes body);
    void on_bind(Bytes body);
    void on_describe(Bytes body);
    void on_execute(Bytes body);
    void on_close(Bytes body);
    void on_sync();

    void start(const AdminCommand& command);
    void finished(AdminOutcome outcome);
    void take_rows(Table& table);
    void next_of_query();
    void finish_query();
    void continue_portal(Portal& portal);
    void write_columns(const Statement& statement, const ResultFormats& formats);
    void write_notices(const AdminReply& reply);
    void ready();
    // An Error if the transaction has failed and the command does not end it.
    std::optional<protocol::Error> refused_by_transaction(const AdminCommand& command) const;
    void command_failed(const protocol::Error& error);
    void fail(const protocol::Error& error);
    void malformed();
    Statement* find_statement(std::string_view name);
    Portal* find_portal(std::string_view name);

    AdminCommands& commands_;
    protocol::MessageWriter out_;
    std::string input_;
    std::size_t used_ = 0;  // of input_, while advance() runs
    std::map<std::string, Statement, std::less<>> statements_;
    std::map<std::string, Portal, std::less<>> portals_;
    // Of a simple Query: what is still to be run, last first.
    std::vector<AdminCommand> query_;
    std::string executing_;  // name of the portal that runs
    std::uint32_t execute_rows_ = 0;
    std::optional<AdminOutcome> outcome_;
    bool columns_written_ = false;     // of the simple Query's command that runs
    std::vector<Row> rows_until_now_;  // of the portal that runs
    bool in_query_ = false;
    bool running_ = false;
    bool advancing_ = false;
    protocol::TransactionStatus status_ = protocol::TransactionStatus::idle;
    bool skip_to_sync_ = false;
    bool ended_ = false;
};

}  // namespace weir::proxy
