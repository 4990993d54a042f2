// Certificates for the tests, made with the openssl command.
#pragma once

#include "tests/support/temp_dir.h"

#include <filesystem>

namespace weir::test {

class TlsFiles {
public:
    // Made once per test program.
    static const TlsFiles& shared();

    TlsFiles();

    std::filesystem::path ca() const { return directory_ / "ca.crt"; }

    // For localhost, 127.0.0.1 and ::1.
    std::filesystem::path server_certificate() const { return directory_ / "server.crt"; }

    std::filesystem::path server_key() const { return directory_ / "server.key"; }

    // For other.example: signed by the same CA, wrong for verify-full.
    std::filesystem::path other_certificate() const { return directory_ / "other.crt"; }

    std::filesystem::path other_key() const { return directory_ / "other.key"; }

    // A CA that has signed none of these.
    std::filesystem::path foreign_ca() const { return directory_ / "foreign.crt"; }

private:
    void make_ca(const std::string& name) const;
    void make_certificate(const std::string& name, const std::string& subject_names) const;

    TempDir directory_{"tls"};
};

}  // namespace weir::test
