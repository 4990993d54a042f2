#include "pool/io/tls.h"

#include "conf/tls_options.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>

namespace weir::pool {

using protocol::Result;

namespace {

// ALPN's list: one name with its length (RFC 7301).
constexpr std::array<unsigned char, 11> alpn_postgresql{
    10, 'p', 'o', 's', 't', 'g', 'r', 'e', 's', 'q', 'l'};

std::string openssl_error() {
    const auto code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return "no reason given";
    const char* const reason = ERR_reason_error_string(code);
    return reason != nullptr ? reason : "error " + std::to_string(code);
}

protocol::Error bad_file(const char* what, const std::string& file) {
    return protocol::error(
        protocol::sqlstate::config_file_error,
        std::string("could not load TLS ") + what + " \"" + file + "\": " + openssl_error()
    );
}

protocol::Error bad_value(const char* what, const std::string& value) {
    return protocol::error(
        protocol::sqlstate::config_file_error,
        std::string("invalid TLS ") + what + " \"" + value + "\""
    );
}

bool verifies(conf::SslMode mode) {
    return mode == conf::SslMode::verify_ca || mode == conf::SslMode::verify_full;
}

// Never below TLS 1.2, whatever is configured.
Result<void> set_versions(SSL_CTX* context, const std::string& protocols) {
    const auto versions = conf::read_tls_versions(protocols);
    if (!versions || !(versions->tls1_2 || versions->tls1_3)) {
        return bad_value("protocols", protocols);
    }
    SSL_CTX_set_min_proto_version(context, versions->tls1_2 ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_max_proto_version(context, versions->tls1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    return {};
}

void set_common_options(SSL_CTX* context) {
    SSL_CTX_set_mode(
        context,
        SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
    );
    SSL_CTX_set_options(
        context,
        SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
            SSL_OP_CIPHER_SERVER_PREFERENCE
    );
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
}

Result<void> load_files(SSL_CTX* context, const TlsSettings& settings) {
    if (!settings.cert_file.empty() &&
        SSL_CTX_use_certificate_chain_file(context, settings.cert_file.c_str()) != 1) {
        return bad_file("certificate", settings.cert_file);
    }
    if (!settings.key_file.empty() &&
        (SSL_CTX_use_PrivateKey_file(context, settings.key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
         SSL_CTX_check_private_key(context) != 1)) {
        return bad_file("key", settings.key_file);
    }
    if (!settings.ca_file.empty() &&
        SSL_CTX_load_verify_locations(context, settings.ca_file.c_str(), nullptr) != 1) {
        return bad_file("CA", settings.ca_file);
    }
    return {};
}

// Everything both sides have in common. On failure the caller frees `context`.
Result<void> configure(SSL_CTX* context, const TlsSettings& settings) {
    set_common_options(context);
    if (auto set = set_versions(context, settings.protocols); !set) return set;
    const auto ciphers = conf::openssl_ciphers(settings.ciphers);
    if (ciphers && SSL_CTX_set_cipher_list(context, ciphers->c_str()) != 1) {
        return bad_value("ciphers", settings.ciphers);
    }
    if (!settings.tls13_ciphers.empty() &&
        SSL_CTX_set_ciphersuites(context, settings.tls13_ciphers.c_str()) != 1) {
        return bad_value("1.3 ciphers", settings.tls13_ciphers);
    }
    const auto groups = conf::openssl_groups(settings.ecdh_curve);
    if (groups && SSL_CTX_set1_groups_list(context, groups->c_str()) != 1) {
        return bad_value("curve", settings.ecdh_curve);
    }
    return load_files(context, settings);
}

// Refuses a client that names other protocols only, as PostgreSQL 17 does.
int select_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered, unsigned offered_size, void*) {
    const int chosen = SSL_select_next_proto(
        const_cast<unsigned char**>(out),
        out_size,
        alpn_postgresql.data(),
        static_cast<unsigned>(alpn_postgresql.size()),
        offered,
        offered_size
    );
    return chosen == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool is_address(const std::string& host) {
    std::array<unsigned char, 16> address{};
    return inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
           inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

protocol::Error no_session() {
    return protocol::fatal(
        protocol::sqlstate::out_of_memory, "could not create a TLS session: " + openssl_error()
    );
}

// REQUIRES: transport has no session. Nothing is attached on failure.
SSL* new_session(SSL_CTX* context, const Transport& transport) {
    SSL* const ssl = SSL_new(context);
    if (ssl != nullptr && SSL_set_fd(ssl, transport.descriptor()) != 1) {
        SSL_free(ssl);
        return nullptr;
    }
    return ssl;
}

// What the certificate of a server must be for.
bool expect_host(SSL* ssl, const std::string& host) {
    auto* const parameters = SSL_get0_param(ssl);
    if (is_address(host)) return X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str()) == 1;
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host.c_str()) == 1;
}

}  // namespace

TlsSettings client_tls_settings(const conf::Settings& settings) {
    return {
        settings.client_tls_sslmode,
        settings.client_tls_key_file,
        settings.client_tls_cert_file,
        settings.client_tls_ca_file,
        settings.client_tls_protocols,
        settings.client_tls_ciphers,
        settings.client_tls13_ciphers,
        settings.client_tls_ecdhcurve};
}

TlsSettings http_tls_settings(const conf::Settings& settings) {
    TlsSettings tls;
    if (settings.http_tls_cert_file.empty()) return tls;
    tls.mode = conf::SslMode::require;
    tls.key_file = settings.http_tls_key_file;
    tls.cert_file = settings.http_tls_cert_file;
    return tls;
}

TlsSettings server_tls_settings(const conf::Settings& settings) {
    return {
        settings.server_tls_sslmode,
        settings.server_tls_key_file,
        settings.server_tls_cert_file,
        settings.server_tls_ca_file,
        settings.server_tls_protocols,
        settings.server_tls_ciphers,
        settings.server_tls13_ciphers,
        "auto"};
}

Result<std::shared_ptr<const TlsContext>> TlsContext::for_clients(const TlsSettings& settings) {
    if (settings.cert_file.empty() || settings.key_file.empty()) {
        return protocol::error(
            protocol::sqlstate::config_file_error,
            "TLS for clients needs client_tls_cert_file and client_tls_key_file"
        );
    }
    auto owner = for_http(settings);
    if (owner) SSL_CTX_set_alpn_select_cb((*owner)->context_, select_alpn, nullptr);
    return owner;
}

Result<std::shared_ptr<const TlsContext>> TlsContext::for_http(const TlsSettings& settings) {
    SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
    if (context == nullptr) return no_session();
    std::shared_ptr<const TlsContext> owner(new TlsContext(context, settings.mode));
    if (settings.cert_file.empty() || settings.key_file.empty()) {
        return protocol::error(
            protocol::sqlstate::config_file_error, "TLS needs a certificate file and a key file"
        );
    }
    if (auto configured = configure(context, settings); !configured) return configured.error();
    if (verifies(settings.mode)) {
        if (settings.ca_file.empty()) return bad_value("CA file", "");
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
        SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(settings.ca_file.c_str()));
    }
    return owner;
}

Result<std::shared_ptr<const TlsContext>> TlsContext::for_servers(const TlsSettings& settings) {
    SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
    if (context == nullptr) return no_session();
    std::shared_ptr<const TlsContext> owner(new TlsContext(context, settings.mode));
    if (auto configured = configure(context, settings); !configured) return configured.error();
    if (SSL_CTX_set_alpn_protos(
            context, alpn_postgresql.data(), static_cast<unsigned>(alpn_postgresql.size())
        ) != 0) {
        return no_session();
    }
    if (verifies(settings.mode)) {
        if (settings.ca_file.empty() && SSL_CTX_set_default_verify_paths(context) != 1) {
            return bad_value("CA file", "");
        }
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    }
    return owner;
}

TlsContext::~TlsContext() {
    SSL_CTX_free(context_);
}

std::optional<std::chrono::system_clock::time_point> TlsContext::certificate_expiry() const {
    const X509* const certificate = SSL_CTX_get0_certificate(context_);
    std::tm parts{};
    if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) {
        return std::nullopt;
    }
    return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

Result<void> TlsContext::accept(Transport& transport) const {
    SSL* const ssl = new_session(context_, transport);
    if (ssl == nullptr) return no_session();
    SSL_set_accept_state(ssl);
    transport.start_tls(ssl);
    return {};
}

Result<void> TlsContext::connect(Transport& transport, const std::string& host) const {
    SSL* const ssl = new_session(context_, transport);
    if (ssl == nullptr) return no_session();
    SSL_set_connect_state(ssl);
    const bool named = is_address(host) || SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
    if (!named || (mode_ == conf::SslMode::verify_full && !expect_host(ssl, host))) {
        SSL_free(ssl);
        return no_session();
    }
    transport.start_tls(ssl);
    return {};
}

IoResult tls_handshake(Transport& transport) {
    ERR_clear_error();
    errno = 0;
    const int returned = SSL_do_handshake(transport.tls());
    if (returned == 1) return {IoStatus::ok};
    switch (SSL_get_error(transport.tls(), returned)) {
        case SSL_ERROR_WANT_READ:
            return {IoStatus::want_read};
        case SSL_ERROR_WANT_WRITE:
            return {IoStatus::want_write};
        case SSL_ERROR_SYSCALL:
            return {IoStatus::failed, 0, errno};
        default:
            return {IoStatus::failed};
    }
}

std::string tls_failure_text(const Transport& transport) {
    const auto verified = SSL_get_verify_result(transport.tls());
    if (verified != X509_V_OK) {
        ERR_clear_error();
        return std::string("certificate verify failed: ") + X509_verify_cert_error_string(verified);
    }
    return openssl_error();
}

bool negotiated_postgresql(const Transport& transport) {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(transport.tls(), &name, &size);
    return size == alpn_postgresql.size() - 1 &&
           std::memcmp(name, alpn_postgresql.data() + 1, size) == 0;
}

std::string tls_text(const Transport& transport) {
    SSL* const ssl = transport.tls();
    if (ssl == nullptr) return {};
    std::string text = std::string(SSL_get_version(ssl)) + "/" + SSL_get_cipher_name(ssl);
    const auto group = SSL_get_negotiated_group(ssl);
    if (const char* const name = OBJ_nid2sn(static_cast<int>(group)); group > 0 && name) {
        text.append("/ECDH=").append(name);
    }
    return text;
}

}  // namespace weir::pool
