// What operators end: an idle transaction, without the client that has it.
#include "proxy/client_session.h"

namespace weir::proxy {

// Its server is closed, which rolls back: nothing of the transaction was committed, and the client
// hears of it before anything else.
void ClientSession::drop_transaction(pool::CloseReason reason, const protocol::Error& why) {
    auto& server = *std::exchange(server_, nullptr);
    server.ran.clear();
    pool_->retire(server, reason, false);
    end_catalog_change();
    unresolved_.clear();
    new_sessions_.clear();
    touched_.clear();
    touched_at_end_.clear();
    resets_ = {};
    scope_mark_ = 0;
    scope_for_.reset();
    local_failed_ = true;
    lost_transaction_ = std::make_unique<protocol::Error>(why);
}

bool ClientSession::cancel_transaction(const protocol::Error& why, pool::Duration idle_for) {
    if (phase_ != Phase::serving || !in_transaction_ || waiting_ || waits_for_host()) return false;
    if (server_ == nullptr || worker_.loop().now() - idle_since_ < idle_for) return false;
    const bool idle = server_->expected.in_sync() && !group_open_ && stream_left_ == 0 &&
                      reply_left_ == 0 && !skip_to_sync_ && !prelude_pending_;
    const bool hangs_on_server = keeps_server() || begin_sent_ || server_listens() ||
                                 inquiry_ != nullptr || reading_catalog_ != nullptr;
    if (!idle || hangs_on_server) return false;
    if (routing_ != nullptr) leave_host();
    drop_transaction(pool::CloseReason::killed, why);
    return true;
}

}  // namespace weir::proxy
