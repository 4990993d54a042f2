// TLS: contexts made from settings, and the handshake of one Transport, both without a loop.
//
// OpenSSL works on the descriptor itself (SSL_set_fd); an idle session gives its buffers back.
// REQUIRES of the process: SIGPIPE is ignored, since OpenSSL writes with write(2).
#pragma once

#include "conf/settings.h"
#include "pool/io/transport.h"
#include "protocol/error.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace weir::pool {

// One side's settings in one place.
struct TlsSettings {
    conf::SslMode mode = conf::SslMode::disable;
    std::string key_file;
    std::string cert_file;
    std::string ca_file;
    std::string protocols = "secure";  // never below TLS 1.2, whatever stands here
    std::string ciphers = "default";   // for TLS 1.2
    std::string tls13_ciphers;
    std::string ecdh_curve = "auto";
};

TlsSettings client_tls_settings(const conf::Settings& settings);
TlsSettings server_tls_settings(const conf::Settings& settings);
// Mode `disable` without http_tls_cert_file.
TlsSettings http_tls_settings(const conf::Settings& settings);

// Immutable once made, and shared by its sessions; a reload makes a new one. All methods may be
// called from any thread.
class TlsContext {
public:
    // What clients meet: presents the certificate, asks for theirs with verify_ca and verify_full.
    static protocol::Result<std::shared_ptr<const TlsContext>> for_clients(
        const TlsSettings& settings
    );
    // The same for HTTP: whatever protocols they name by ALPN.
    static protocol::Result<std::shared_ptr<const TlsContext>> for_http(const TlsSettings& settings
    );
    // What servers meet: checks their certificate with verify_ca and verify_full.
    static protocol::Result<std::shared_ptr<const TlsContext>> for_servers(
        const TlsSettings& settings
    );
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    conf::SslMode mode() const { return mode_; }

    // When our own certificate ends; none without one.
    std::optional<std::chrono::system_clock::time_point> certificate_expiry() const;

    // Puts a session on `transport` that will accept or connect; tls_handshake() then runs it.
    // `host` is the name or address a server was reached by: sent as SNI if it is a name, and with
    // verify_full what its certificate must be for.
    protocol::Result<void> accept(Transport& transport) const;
    protocol::Result<void> connect(Transport& transport, const std::string& host) const;

private:
    TlsContext(ssl_ctx_st* context, conf::SslMode mode) : context_(context), mode_(mode) {}

    ssl_ctx_st* context_;
    conf::SslMode mode_;
};

// One step of the handshake: ok when it is complete, want_read or want_write, else failed.
IoResult tls_handshake(Transport& transport);

// After a failure: what OpenSSL says about it. Empties this thread's error queue.
std::string tls_failure_text(const Transport& transport);

// The peer asked by ALPN for "postgresql" and got it.
bool negotiated_postgresql(const Transport& transport);

// "TLSv1.3/TLS_AES_256_GCM_SHA384/ECDH=X25519", as SHOW CLIENTS has it; empty without TLS.
std::string tls_text(const Transport& transport);

}  // namespace weir::pool
