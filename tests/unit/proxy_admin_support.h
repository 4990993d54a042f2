// A console session on scripted commands: what a client sends, and what comes back.
#pragma once

#include "protocol/field_cursor.h"
#include "proxy/admin_session.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

namespace weir::proxy::test {

using namespace std::string_literals;

inline const Columns two_columns{{"name", ColumnType::text}, {"n", ColumnType::int4}};

// SHOW rows: three rows. SHOW help: a notice. PAUSE: waits until the test ends it. RELOAD: fails.
class ScriptedCommands final : public AdminCommands {
public:
    protocol::Result<AdminDescription> describe(const AdminCommand& command) override {
        if (command.verb != AdminVerb::show) return AdminDescription{};
        if (command.argument == "rows") return AdminDescription{constant_columns(two_columns), {}};
        if (command.argument == "help") return AdminDescription{};
        return invalid_command(command.text);
    }

    void run(const AdminCommand& command, Done done) override {
        ++runs;
        if (command.verb == AdminVerb::pause) {
            pausing = std::move(done);
            return;
        }
        if (command.verb == AdminVerb::reload) {
            return done(protocol::error(protocol::sqlstate::config_file_error, "bad"));
        }
        AdminReply reply(command.verb == AdminVerb::show ? "SHOW" : "RESUME");
        if (command.argument == "help") reply.notices.push_back({"usage", "detail"});
        if (command.argument == "rows") {
            reply.table = Table{constant_columns(two_columns), {}};
            for (std::int64_t i = 1; i <= 3; ++i)
                reply.table->rows.push_back({"r"s, i});
        }
        done(std::move(reply));
    }

    int runs = 0;
    Done pausing;
};

inline std::string message(char type, const std::string& body) {
    protocol::MessageWriter out;
    out.begin(type).text(body).end();
    return std::string(as_text(out.view()));
}

inline std::string u16(unsigned value) {
    return {static_cast<char>(value >> 8U), static_cast<char>(value & 255U)};
}

inline std::string query(const std::string& text) {
    return message('Q', text + '\0');
}

inline std::string parse(const std::string& text, const std::string& name = "") {
    return message('P', name + '\0' + text + '\0' + u16(0));
}

inline std::string bind_message(
    const std::string& statement = "", const std::string& portal = "", std::string formats = u16(0)
) {
    return message('B', portal + '\0' + statement + '\0' + u16(0) + u16(0) + formats);
}

inline std::string execute(unsigned rows = 0, const std::string& portal = "") {
    return message('E', portal + '\0' + u16(0) + u16(rows));
}

inline std::string describe(char kind, const std::string& name = "") {
    return message('D', kind + name + '\0');
}

inline std::string close(char kind, const std::string& name = "") {
    return message('C', kind + name + '\0');
}

inline const std::string sync_message = message('S', "");

struct Sent {
    char type;
    std::string body;
};

inline std::vector<Sent> split(std::string_view bytes) {
    std::vector<Sent> messages;
    while (!bytes.empty()) {
        const std::size_t length = protocol::FieldCursor(as_bytes(bytes.substr(1))).u32();
        REQUIRE(length >= 4);
        REQUIRE(bytes.size() > length);
        messages.push_back({bytes[0], std::string(bytes.substr(5, length - 4))});
        bytes.remove_prefix(length + 1);
    }
    return messages;
}

struct Bench {
    ScriptedCommands commands;
    AdminSession session{commands};
    std::string out;

    void send(std::string_view bytes, std::size_t piece = 1 << 20) {
        while (!bytes.empty()) {
            session.receive(bytes.substr(0, piece));
            bytes.remove_prefix(std::min(piece, bytes.size()));
            take();
        }
    }

    void take() {
        while (!session.output().empty()) {
            out.append(as_text(session.output().view()));
            session.output().clear();
            session.advance();
        }
    }

    std::vector<Sent> messages() { return split(std::exchange(out, {})); }

    std::string types() {
        std::string text;
        for (const auto& sent : messages())
            text.push_back(sent.type);
        return text;
    }
};

inline std::string code_of(const Sent& error) {
    const auto at = error.body.find("\0C"s);
    return error.body.substr(at + 2, 5);
}

inline bool is_fatal(const Sent& error) {
    return error.type == 'E' && error.body.starts_with("SFATAL");
}

}  // namespace weir::proxy::test
