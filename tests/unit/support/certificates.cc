#include "tests/unit/support/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>

namespace weir::test {

namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Key make_key() {
    return {EVP_EC_gen("P-256"), EVP_PKEY_free};
}

void add_extension(X509* certificate, int name, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    auto* const extension = X509V3_EXT_conf_nid(nullptr, &context, name, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

Certificate make_certificate(const char* name, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key) {
    static long serial = 1;
    Certificate certificate(X509_new(), X509_free);
    X509_set_version(certificate.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 86400);
    auto* const subject = X509_get_subject_name(certificate.get());
    X509_NAME_add_entry_by_txt(
        subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name), -1, -1, 0
    );
    X509_set_issuer_name(
        certificate.get(), issuer == nullptr ? subject : X509_get_subject_name(issuer)
    );
    X509_set_pubkey(certificate.get(), key);
    if (issuer == nullptr) {
        add_extension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
    } else {
        add_extension(certificate.get(), NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
    }
    X509_sign(certificate.get(), issuer_key, EVP_sha256());
    return certificate;
}

template <class Write>
void write(const std::string& path, Write write_to) {
    std::FILE* const file = std::fopen(path.c_str(), "w");
    if (file == nullptr || write_to(file) != 1) throw std::runtime_error("cannot write " + path);
    std::fclose(file);
}

void write_certificate(const std::string& path, X509* certificate) {
    write(path, [&](std::FILE* file) { return PEM_write_X509(file, certificate); });
}

}  // namespace

const Certificates& Certificates::shared() {
    static const Certificates all;
    return all;
}

Certificates::Certificates() {
    std::string pattern = "/tmp/weir-unit-tls.XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
    directory_ = pattern;
    ca_file = directory_ + "/ca.crt";
    foreign_ca_file = directory_ + "/foreign.crt";
    cert_file = directory_ + "/server.crt";
    key_file = directory_ + "/server.key";
    const auto ca_key = make_key();
    const auto ca = make_certificate("weir unit ca", ca_key.get(), nullptr, ca_key.get());
    const auto foreign_key = make_key();
    const auto foreign =
        make_certificate("weir foreign ca", foreign_key.get(), nullptr, foreign_key.get());
    const auto key = make_key();
    const auto certificate = make_certificate("server", key.get(), ca.get(), ca_key.get());
    write_certificate(ca_file, ca.get());
    write_certificate(foreign_ca_file, foreign.get());
    write_certificate(cert_file, certificate.get());
    write(key_file, [&](std::FILE* file) {
        return PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
}

Certificates::~Certificates() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

}  // namespace weir::test
