// Certificates for unit tests, made in memory by OpenSSL and written to a temporary directory.
#pragma once

#include <string>

namespace weir::test {

// A CA, and a certificate it has signed for 127.0.0.1 and localhost; a second CA that has signed
// nothing. Made once per test program; the directory goes away with it.
class Certificates {
public:
    static const Certificates& shared();

    std::string ca_file;
    std::string foreign_ca_file;
    std::string cert_file;
    std::string key_file;

    ~Certificates();

private:
    Certificates();

    std::string directory_;
};

}  // namespace weir::test
