// The proxy's side of client logins on a Bench, and the bytes of a client.
#pragma once

#include "protocol/backend_messages.h"
#include "protocol/startup.h"
#include "proxy/client_login.h"
#include "tests/unit/support/certificates.h"
#include "tests/unit/support/login_bench.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weir::test {

using namespace weir::protocol;

inline std::string text(const char* characters, std::size_t size) {
    return {characters, size};
}

#define BYTES(literal) text(literal, sizeof(literal) - 1)

inline const std::string version_3_0 = BYTES("\0\3\0\0");

inline std::string written(const MessageWriter& out) {
    return std::string(as_text(out.view()));
}

inline std::string packet(const std::string& after_length) {
    MessageWriter out;
    out.begin(0).text(after_length).end();
    return written(out);
}

inline std::string message(char type, const std::string& body) {
    MessageWriter out;
    out.begin(type).text(body).end();
    return written(out);
}

inline std::string startup(Settings parameters, ProtocolVersion version = {3, 0}) {
    MessageWriter out;
    write_startup_message(version, parameters, out);
    return written(out);
}

inline std::string ssl_request() {
    MessageWriter out;
    write_ssl_request(out);
    return written(out);
}

inline std::string gssenc_request() {
    MessageWriter out;
    write_gssenc_request(out);
    return written(out);
}

// The proxy's side of logins, with users, and what comes of them.
class LoginBench : public Bench {
public:
    using LoginRequest = proxy::LoginRequest;
    using LoggedInClient = proxy::LoggedInClient;

    LoginBench() {
        settings->auth_type = conf::AuthType::trust;
        settings->log_connections = false;
        settings->log_pooler_errors = false;
        users["bob"] = "secret";
        policy.settings = [this] {
            return settings;
        };
        policy.tls = [this] {
            return tls;
        };
        policy.secret_of = [this](const std::string& user) -> std::optional<std::string> {
            const auto found = users.find(user);
            return found == users.end() ? std::nullopt : std::optional(found->second);
        };
        policy.admit = [this](const LoginRequest&) -> Result<std::shared_ptr<void>> {
            if (full) return fatal(sqlstate::too_many_connections, "no more connections allowed");
            ++permits;
            return std::shared_ptr<void>(this, [this](void*) { --permits; });
        };
        policy.authorize = [](const LoginRequest& request) -> Result<void> {
            if (request.database != "missing") return {};
            return fatal(sqlstate::invalid_database, "no such database: missing");
        };
        policy.deliver = [this](LoggedInClient client) {
            delivered.push_back(std::move(client));
        };
        policy.cancel = [this](CancelKey key) {
            return take_cancel(std::move(key));
        };
    }

    // What is still under way holds permits of this.
    ~LoginBench() {
        settled();
        delivered.clear();
    }

    // A new connection to the proxy; the test plays the client.
    int connect() {
        const auto [near, far] = tcp_pair();
        logins.start(pool::Transport(far));
        return near;
    }

    int connect_unix() {
        const auto [near, far] = unix_pair();
        logins.start(pool::Transport(far));
        return near;
    }

    bool settled() {
        return run_until([this] { return logins.under_way() == 0; });
    }

    void use_tls(conf::SslMode mode, bool ask_certificate = false) {
        const auto& files = Certificates::shared();
        pool::TlsSettings own;
        own.mode = ask_certificate ? conf::SslMode::verify_full : mode;
        own.cert_file = files.cert_file;
        own.key_file = files.key_file;
        own.ca_file = files.ca_file;
        settings->client_tls_sslmode = own.mode;
        tls = *pool::TlsContext::for_clients(own);
    }

    std::shared_ptr<conf::Settings> settings = std::make_shared<conf::Settings>();
    std::shared_ptr<const pool::TlsContext> tls;
    std::map<std::string, std::string> users;
    bool full = false;
    int permits = 0;
    std::vector<LoggedInClient> delivered;
    std::vector<CancelKey> cancels;
    pool::ScramKeys learnt;
    proxy::Authenticator authenticator{threads, learnt};
    proxy::LoginPolicy policy;
    proxy::ClientLogins logins{io.get_executor(), policy, authenticator};

private:
    asio::awaitable<void> take_cancel(CancelKey key) {
        cancels.push_back(std::move(key));
        co_return;
    }
};

// The code of an ErrorResponse that stands first in `bytes`; "" if there is none.
inline std::string error_code(const std::string& bytes) {
    if (bytes.empty() || bytes[0] != 'E') return {};
    const auto at = bytes.find(BYTES("\0C"), 5);  // behind the length word
    return at == std::string::npos ? "?" : bytes.substr(at + 2, 5);
}

inline bool contains(const std::string& bytes, std::string_view part) {
    return bytes.find(part) != std::string::npos;
}

inline const std::string authentication_ok = BYTES("R\0\0\0\x08\0\0\0\0");

}  // namespace weir::test
