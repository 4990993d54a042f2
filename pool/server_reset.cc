#include "pool/server_reset.h"

#include "protocol/field_cursor.h"
#include "protocol/message.h"
#include "protocol/message_writer.h"

namespace weir::pool {

namespace {

namespace backend = protocol::backend;
namespace frontend = protocol::frontend;

// A backend that is cancelled ends within milliseconds; one that does not is not worth the place.
constexpr auto reset_timeout = std::chrono::seconds(10);
constexpr std::size_t message_limit = 1 << 20;
constexpr int turns_at_once = 16;

// Owns itself while it works; its registration on the loop is the server's.
class Reset final : public ChannelHandler, public TimerHandler {
public:
    Reset(ServerConnection& server, unsigned worker, EventLoop& loop, ResetWork work)
        : server_(server),
          worker_(worker),
          loop_(loop),
          work_(std::move(work)),
          timer_(*this),
          unsent_(std::move(work_.unsent)),
          skip_(work_.unread) {}

    void begin() {
        server_.channel.set_handler(*this);
        loop_.timers().set(timer_, loop_.now() + reset_timeout);
        end_copy_and_sync();
        advance();
    }

    void on_ready(std::uint64_t) override { advance(); }

    void on_wake(std::uint64_t) override { advance(); }

    void on_timer(TimePoint) override { fail(CloseReason::reset_failed, false); }

private:
    void end_copy_and_sync() {
        if (server_.expected.copy_in()) {
            out_.begin(frontend::copy_fail).c_string("client has left").end();
            server_.expected.copy_input_ended();
        }
        if (server_.expected.in_sync() && !work_.group_open) return;
        // Sync alone would commit what the client never asked to commit. Outside of a block
        // ROLLBACK ends the implicit transaction of the messages before it; after an error all but
        // Sync is skipped.
        if (work_.group_open && !server_.expected.needs_sync()) query("ROLLBACK");
        // Behind an open extended query only Sync brings ReadyForQuery.
        protocol::write_empty(frontend::sync, out_);
        server_.expected.sent({protocol::Request::sync, protocol::Reply::swallow, 0});
    }

    void query(std::string_view text) {
        out_.begin(frontend::query).c_string(text).end();
        server_.expected.sent({protocol::Request::query, protocol::Reply::swallow, 0});
    }

    void advance() {
        for (int turn = 0; turn < turns_at_once; ++turn) {
            if (!flush()) return;
            if (server_.expected.in_sync() && server_.partial.empty() && skip_ == 0) {
                if (next_step()) continue;
                return;
            }
            // Not the loop's buffer: the next request of who gave the server up may lie there.
            const auto result = server_.channel.read(buffer_);
            if (result.status == IoStatus::want_read) return;
            if (result.status != IoStatus::ok) return fail(CloseReason::server_closed, true);
            if (!take(Bytes(buffer_).first(result.size))) {
                return fail(CloseReason::protocol_violation, false);
            }
            // A COPY that began after its client had left ignores the Sync that was sent.
            if (server_.expected.copy_in()) return fail(CloseReason::reset_failed, false);
        }
        loop_.resume_later(server_.channel.key());
    }

    // True if something was sent; false if the work is done and this object is gone.
    bool next_step() {
        if (failed_ || server_.expected.sync_in_doubt()) {
            return fail(CloseReason::reset_failed, false), false;
        }
        if (server_.status != protocol::TransactionStatus::idle) {
            if (rolled_back_) return fail(CloseReason::reset_failed, false), false;
            rolled_back_ = true;
            query("ROLLBACK");
            return true;
        }
        if (work_.query.empty() && work_.is_doubtful && work_.is_doubtful()) {
            work_.query = "DISCARD ALL";
        }
        if (!work_.query.empty() && !reset_sent_) {
            reset_sent_ = true;
            query(work_.query);
            return true;
        }
        server_.unnamed_owner = 0;
        auto& server = server_;
        const auto worker = worker_;
        const auto now = loop_.now();
        delete this;
        server.pool().give_back(server, worker, now);
        return false;
    }

    // What a reset query did, by its own word for it.
    void note_done(std::string_view tag) {
        if (tag == "DISCARD ALL" || tag == "DEALLOCATE ALL") {
            server_.prepared.keep_only({});
            server_.named.clear();
            server_.catalog_query.names_dropped();
        }
        if (tag == "DISCARD ALL" || tag == "DISCARD SEQUENCES") server_.sequence_user = 0;
        if (tag == "DISCARD ALL") forget_settings();
        if (tag == "RESET") doubt_settings();
    }

    // All are as in a fresh session, but for the names of custom ones, which nothing removes.
    void forget_settings() {
        std::vector<protocol::Parameter> left;
        for (const auto& parameter : server_.parameters->parameters()) {
            if (parameter.reported) {
                left.push_back(parameter);
            } else if (protocol::is_custom_parameter(parameter.name)) {
                left.push_back({parameter.name, "", false, true});
            }
        }
        for (const auto& name : std::exchange(server_.uncertain, {})) {
            if (!protocol::is_custom_parameter(name)) continue;
            std::erase_if(left, [&](const protocol::Parameter& parameter) {
                return protocol::same_parameter_name(parameter.name, name);
            });
            left.push_back({name, "", false, true});
        }
        server_.parameters = protocol::ParameterSet::make(std::move(left));
    }

    // RESET of which?
    void doubt_settings() {
        for (const auto& parameter : server_.parameters->parameters()) {
            if (!parameter.reported) server_.make_uncertain(parameter.name);
        }
    }

    bool flush() {
        unsent_.append(as_text(out_.view()));
        out_.clear();
        while (!unsent_.empty()) {
            const auto result = server_.channel.write(as_bytes(unsent_));
            if (result.status == IoStatus::failed) return fail(CloseReason::io_error, false), false;
            if (result.status != IoStatus::ok) return true;
            unsent_.erase(0, result.size);
        }
        return true;
    }

    bool take(Bytes bytes) {
        if (skip_ > 0) {
            const auto skipped = std::min<std::uint64_t>(skip_, bytes.size());
            skip_ -= skipped;
            bytes = bytes.subspan(skipped);
        }
        server_.partial.append(as_text(bytes));
        std::string_view left = server_.partial;
        bool fine = true;
        while (fine && left.size() >= protocol::message_header_size) {
            protocol::FieldCursor header(as_bytes(left.substr(1, 4)));
            const auto length = header.u32();
            if (length < 4) return false;
            const std::uint64_t whole = std::uint64_t{length} + 1;
            const bool row = left[0] == backend::data_row || left[0] == backend::copy_data;
            if (left.size() < whole && !row) {
                if (length > message_limit) return false;
                break;
            }
            const auto step = server_.expected.on_message(left[0]);
            fine = step.verdict != protocol::ExpectedReplies::Verdict::violation;
            if (left.size() < whole) {
                skip_ = whole - left.size();
                left = {};
                break;
            }
            note(left[0], as_bytes(left.substr(5, length - 4)), step);
            left.remove_prefix(whole);
        }
        server_.partial.erase(0, server_.partial.size() - left.size());
        return fine;
    }

    void note(char type, Bytes body, const protocol::ExpectedReplies::Step& step) {
        protocol::FieldCursor cursor(body);
        if (type == backend::ready_for_query) {
            server_.status = static_cast<protocol::TransactionStatus>(cursor.u8());
        } else if (type == backend::parameter_status) {
            const auto name = cursor.c_string();
            server_.report_parameter(name, cursor.c_string());
        } else if (type == backend::command_complete) {
            if (is_ours(step.about)) note_done(cursor.c_string());
        } else if (type == backend::error_response) {
            if (is_ours(step.about)) failed_ = true;
            if (step.about && step.about->request == protocol::Request::parse) {
                server_.prepared.remove(step.about->tag);
            }
        }
        while (server_.expected.next_invented()) {
        }
        while (const auto dropped = server_.expected.next_dropped()) {
            if (dropped->request == protocol::Request::parse) {
                server_.prepared.remove(dropped->tag);
            }
            // A statement that was evicted but not closed: its name is taken.
            if (dropped->request == protocol::Request::close) failed_ = true;
        }
    }

    static bool is_ours(const std::optional<protocol::Expected>& request) {
        return request && request->request == protocol::Request::query &&
               request->reply == protocol::Reply::swallow;
    }

    void fail(CloseReason reason, bool gone) {
        auto& server = server_;
        delete this;
        server.pool().retire(server, reason, gone);
    }

    ServerConnection& server_;
    const unsigned worker_;
    EventLoop& loop_;
    ResetWork work_;
    Timer timer_;
    protocol::MessageWriter out_;
    std::string unsent_;
    std::uint64_t skip_;
    bool rolled_back_ = false;
    bool reset_sent_ = false;
    bool failed_ = false;
    std::array<std::byte, 8 * 1024> buffer_;
};

}  // namespace

void reset_server(ServerConnection& server, unsigned worker, EventLoop& loop, ResetWork work) {
    (new Reset(server, worker, loop, std::move(work)))->begin();
}

}  // namespace weir::pool
