#include "tests/support/tls_files.h"

#include "tests/support/child_process.h"

#include <filesystem>

namespace weir::test {
namespace {

void openssl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "openssl");
    run_or_throw(CommandLine{.arguments = std::move(arguments), .environment = {}, .user = ""});
}

}  // namespace

const TlsFiles& TlsFiles::shared() {
    static const TlsFiles files;
    return files;
}

TlsFiles::TlsFiles() {
    make_ca("ca");
    make_ca("foreign");
    make_certificate("server", "DNS:localhost,IP:127.0.0.1,IP:::1");
    make_certificate("other", "DNS:other.example");
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
        // PostgreSQL refuses a key that others can read.
        std::filesystem::permissions(entry.path(), std::filesystem::perms{0600});
        give_to_server_user(entry.path());
    }
    for (const auto& certificate : {ca(), foreign_ca()}) {
        std::filesystem::permissions(certificate, std::filesystem::perms{0644});
    }
}

void TlsFiles::make_ca(const std::string& name) const {
    openssl(
        {"req",
         "-x509",
         "-newkey",
         "ec",
         "-pkeyopt",
         "ec_paramgen_curve:P-256",
         "-nodes",
         "-days",
         "30",
         "-subj",
         "/CN=weir test " + name,
         "-keyout",
         directory_ / (name + ".key"),
         "-out",
         directory_ / (name + ".crt")}
    );
}

void TlsFiles::make_certificate(const std::string& name, const std::string& subject_names) const {
    const std::string request = directory_ / (name + ".csr");
    const std::string extensions = directory_ / (name + ".ext");
    write_file(extensions, "subjectAltName=" + subject_names + "\n");
    openssl(
        {"req",
         "-newkey",
         "ec",
         "-pkeyopt",
         "ec_paramgen_curve:P-256",
         "-nodes",
         "-subj",
         "/CN=" + name,
         "-keyout",
         directory_ / (name + ".key"),
         "-out",
         request}
    );
    openssl(
        {"x509",
         "-req",
         "-in",
         request,
         "-CA",
         ca(),
         "-CAkey",
         directory_ / "ca.key",
         "-CAcreateserial",
         "-days",
         "30",
         "-extfile",
         extensions,
         "-out",
         directory_ / (name + ".crt")}
    );
}

}  // namespace weir::test
