// The packet a client sends first, and all that follows from it.
#include "protocol/startup.h"
#include "tests/fuzz/fuzz.h"

using namespace weir;
using namespace weir::protocol;

namespace {

void check_startup(const StartupMessage& startup) {
    FUZZ_CHECK(!startup.user.empty() && startup.user.size() <= max_name_length);
    FUZZ_CHECK(!startup.database.empty() && startup.database.size() <= max_name_length);
    MessageWriter out;
    if (const auto negotiated = negotiate_protocol(startup)) {
        FUZZ_CHECK(negotiated->version <= newest_protocol);
        write_negotiate_protocol_version(*negotiated, out);
    }
    (void)startup_settings(startup, {"extra_float_digits", "options"});
    if (const auto settings = startup_settings(startup, {})) {
        for (const auto& [name, value] : *settings) {
            FUZZ_CHECK(!name.empty());
            FUZZ_CHECK(name.find_first_of("\"'; ") == std::string::npos);
        }
    }
    // What was understood, written again, means the same.
    Settings all{{"user", startup.user}, {"database", startup.database}};
    for (const auto& parameter : startup.parameters)
        all.push_back(parameter);
    for (const auto& name : startup.protocol_options)
        all.emplace_back(name, "");
    out.clear();
    write_startup_message(startup.version, all, out);
    if (out.size() > 10000) return;
    const auto again = parse_startup_packet(out.view());
    FUZZ_CHECK(again.has_value());
    const auto* same = std::get_if<StartupMessage>(&*again);
    FUZZ_CHECK(same != nullptr && same->user == startup.user);
    FUZZ_CHECK(same->database == startup.database && same->parameters == startup.parameters);
    FUZZ_CHECK(same->protocol_options == startup.protocol_options);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);
    (void)parse_options(text);
    const auto length = startup_packet_size(as_bytes(text));
    if (length && *length > 0) FUZZ_CHECK(*length >= 8 && *length <= 10000);
    (void)parse_startup_packet(as_bytes(text));
    // With a length word that is right, so that the rest is reached.
    MessageWriter out;
    out.begin(0).text(text).end();
    const auto packet = parse_startup_packet(out.view());
    if (!packet) {
        FUZZ_CHECK(packet.error().severity == Severity::fatal && !packet.error().message.empty());
        return 0;
    }
    if (const auto* startup = std::get_if<StartupMessage>(&*packet)) check_startup(*startup);
    if (const auto* cancel = std::get_if<CancelRequest>(&*packet)) {
        FUZZ_CHECK(cancel->key.secret.size() >= min_cancel_secret);
        FUZZ_CHECK(cancel->key.secret.size() <= max_cancel_secret);
    }
    return 0;
}
