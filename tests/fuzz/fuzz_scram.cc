// Both sides of SCRAM. Lines: client-first, client-final, server-first, server-final, a secret.
#include "protocol/saslprep.h"
#include "protocol/scram.h"
#include "tests/fuzz/fuzz.h"

using namespace weir;
using namespace weir::protocol;

namespace {

// RFC 7677's exchange; no PBKDF2 in here.
const std::string client_nonce = "rOprNGfwEbeRWgbNEkqO";
const std::string server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

ScramKeyPair some_keys(std::string_view salt, unsigned iterations) {
    ScramKeyPair keys;
    keys.iterations = iterations;
    keys.salt = salt;
    keys.client_key.fill(std::byte{7});
    keys.server_key.fill(std::byte{9});
    return keys;
}

void serve(std::string_view first, std::string_view final_message) {
    ScramServer server(server_nonce);
    if (!server.challenge(first, "salt", 4096)) return;
    if (!server.take_final(final_message)) return;
    FUZZ_CHECK(!server.verify(std::nullopt));
    // A proof without the keys would be a forgery.
    FUZZ_CHECK(!server.verify(some_keys("salt", 4096).secret()));
}

void log_in(std::string_view challenge, std::string_view final_message) {
    ScramClient client(client_nonce);
    (void)client.first();
    if (!client.take_challenge(challenge)) return;
    FUZZ_CHECK(client.iterations() > 0 && client.iterations() <= max_scram_iterations);
    const auto keys = some_keys(client.salt(), client.iterations());
    const auto sent = client.final_message(keys);
    FUZZ_CHECK(!client.verify(final_message));
    // This side's own server takes it, if the nonce could be its own.
    const auto full = challenge.substr(2 + client_nonce.size());
    ScramServer server(std::string(full.substr(0, full.find(','))));
    const auto again = server.challenge(client.first(), client.salt(), client.iterations());
    if (!again || *again != challenge) return;
    FUZZ_CHECK(server.take_final(sent).has_value());
    const auto answer = server.verify(keys.secret());
    FUZZ_CHECK(answer.has_value() && client.verify(*answer).has_value());
    FUZZ_CHECK(server.keys() == keys);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto text = fuzz::text_of(data, size);
    const auto client_first = fuzz::next_part(text, '\n');
    const auto client_final = fuzz::next_part(text, '\n');
    const auto server_first = fuzz::next_part(text, '\n');
    const auto server_final = fuzz::next_part(text, '\n');
    serve(client_first, client_final);
    log_in(server_first, server_final);
    if (const auto secret = ScramSecret::parse(text)) {
        FUZZ_CHECK(ScramSecret::parse(secret->text()) == secret);
        FUZZ_CHECK(is_scram_secret(text));
    }
    if (const auto bytes = base64_decode(text)) {
        // As PostgreSQL it does not mind bits behind the last byte.
        const auto encoded = base64_encode(as_bytes(*bytes));
        FUZZ_CHECK(encoded.size() == text.size() && base64_decode(encoded) == bytes);
    }
    const auto prepared = saslprep(text);
    FUZZ_CHECK(saslprep(text) == prepared);
    return 0;
}
