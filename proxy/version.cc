#include "proxy/version.h"

#include <boost/version.hpp>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <spdlog/version.h>

#ifndef WEIR_VERSION
#error "WEIR_VERSION comes from CMake"
#endif

namespace weir::proxy {

std::string_view version() {
    return WEIR_VERSION;
}

std::string version_text() {
    return fmt::format(
        "pgweir {} (commit {})\nBoost {}.{}.{}, {}, spdlog {}.{}.{}, fmt {}, libpg_query for "
        "PostgreSQL 15",
        WEIR_VERSION,
        WEIR_COMMIT,
        BOOST_VERSION / 100000,
        BOOST_VERSION / 100 % 1000,
        BOOST_VERSION % 100,
        OpenSSL_version(OPENSSL_VERSION),
        SPDLOG_VER_MAJOR,
        SPDLOG_VER_MINOR,
        SPDLOG_VER_PATCH,
        FMT_VERSION
    );
}

}  // namespace weir::proxy
