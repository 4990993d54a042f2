#include "protocol/md5_password.h"

#include <doctest/doctest.h>

using namespace weir::protocol;

TEST_CASE("MD5: the secret PostgreSQL stores") {
    // SELECT 'md5' || md5('secret' || 'bob')
    CHECK(*md5_secret("bob", "secret") == "md521f3163f8f86fa10bdefbfbd502a8f06");
}

TEST_CASE("MD5: what is a secret and what is a password that looks like one") {
    CHECK(is_md5_secret("md5d41d8cd98f00b204e9800998ecf8427e"));
    CHECK_FALSE(is_md5_secret("md5D41D8CD98F00B204E9800998ECF8427E"));
    CHECK_FALSE(is_md5_secret("md5d41d8cd98f00b204e9800998ecf8427"));
    CHECK_FALSE(is_md5_secret("md5d41d8cd98f00b204e9800998ecf8427g"));
    CHECK_FALSE(is_md5_secret(""));
    CHECK_FALSE(is_md5_secret("md5"));
}

TEST_CASE("MD5: the answer to a salt") {
    const Md5Salt salt{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
    CHECK(
        *md5_response(*md5_secret("bob", "secret"), salt) == "md5f21dfe33ff3a9e03dbc3e008251fe5cc"
    );
}
