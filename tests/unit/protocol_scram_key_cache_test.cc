#include "protocol/scram_key_cache.h"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

using namespace weir::protocol;

namespace {

ScramKeyPair keys(std::string salt, unsigned iterations, int mark = 0) {
    ScramKeyPair pair;
    pair.iterations = iterations;
    pair.salt = std::move(salt);
    pair.client_key.fill(static_cast<std::byte>(mark));
    return pair;
}

}  // namespace

TEST_CASE("ScramKeyCache: keys are found by password, salt and iterations together") {
    ScramKeyCache cache;
    CHECK_FALSE(cache.find("secret", "salt", 4096).has_value());
    cache.remember("secret", keys("salt", 4096, 1));
    CHECK(cache.find("secret", "salt", 4096) == keys("salt", 4096, 1));
    CHECK_FALSE(cache.find("Secret", "salt", 4096).has_value());
    CHECK_FALSE(cache.find("secret", "Salt", 4096).has_value());
    CHECK_FALSE(cache.find("secret", "salt", 4097).has_value());
    // Bytes that only change sides, or look like a number and a colon.
    CHECK_FALSE(cache.find("tsecret", "sal", 4096).has_value());
    CHECK_FALSE(cache.find("ret", "saltsec", 4096).has_value());
    cache.remember("x", keys("1:2", 3, 2));
    CHECK_FALSE(cache.find(":x", "1:2", 3).has_value());
    CHECK_FALSE(cache.find("x", "2", 31).has_value());
    CHECK(cache.find("x", "1:2", 3).has_value());
}

TEST_CASE("ScramKeyCache: what is remembered twice is one entry") {
    ScramKeyCache cache(2);
    cache.remember("a", keys("s", 1, 1));
    cache.remember("a", keys("s", 1, 2));
    CHECK(cache.size() == 1);
    cache.remember("b", keys("s", 1, 3));
    CHECK(cache.size() == 2);
    CHECK(cache.find("a", "s", 1).has_value());
}

TEST_CASE("ScramKeyCache: the oldest go when it is full") {
    ScramKeyCache cache(3);
    for (int i = 0; i < 10; ++i) {
        cache.remember("p" + std::to_string(i), keys("s", 1, i));
        CHECK(cache.size() <= 3);
    }
    for (int i = 0; i < 10; ++i) {
        CAPTURE(i);
        CHECK(cache.find("p" + std::to_string(i), "s", 1).has_value() == (i >= 7));
    }
    ScramKeyCache none(0);
    none.remember("a", keys("s", 1));
    CHECK(none.size() == 0);
    CHECK_FALSE(none.find("a", "s", 1).has_value());
}

TEST_CASE("ScramKeyCache: several threads at once") {
    ScramKeyCache cache(50);
    std::vector<std::thread> threads;
    std::vector<int> wrong(4);
    for (std::size_t t = 0; t < 4; ++t) {
        threads.emplace_back([&cache, &wrong, t] {
            for (int i = 0; i < 300; ++i) {
                const auto password = "p" + std::to_string(i % 70);
                cache.remember(password, keys("s", 1, i % 70));
                const auto found = cache.find(password, "s", 1);
                if (found && *found != keys("s", 1, i % 70)) ++wrong[t];
            }
        });
    }
    for (auto& thread : threads)
        thread.join();
    CHECK(wrong == std::vector<int>(4));
    CHECK(cache.size() == 50);
}
