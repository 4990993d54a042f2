// The bodies of a client's messages: the first byte is the type.
#include "protocol/backend_messages.h"
#include "protocol/frontend_messages.h"
#include "protocol/message.h"
#include "tests/fuzz/fuzz.h"

using namespace weir;
using namespace weir::protocol;

namespace {

void check_parse(Bytes body) {
    const auto parse = parse_parse(body);
    if (!parse) return;
    FUZZ_CHECK(parse->name.size() + 1 + parse->definition.size() == body.size());
    FUZZ_CHECK(parse->definition.size() >= parse->text.size() + 3);
    FUZZ_CHECK((parse->definition.size() - parse->text.size() - 3) % 4 == 0);
    MessageWriter out;
    out.begin(frontend::parse).c_string(parse->name).bytes(parse->definition).end();
    FUZZ_CHECK(as_text(out.view().subspan(message_header_size)) == as_text(body));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const auto text = fuzz::text_of(data, size);
    const auto body = as_bytes(text.substr(1));
    const auto limit = message_length_limit(text[0]);
    FUZZ_CHECK(!limit || *limit == 10000 || *limit == 0x3ffffffe);
    // Each parser must bear every body: nothing binds it to the type but its caller.
    check_parse(body);
    if (const auto bind = parse_bind(body)) {
        FUZZ_CHECK(
            bind->portal.size() + bind->statement.size() + 2 + bind->rest.size() == body.size()
        );
    }
    if (const auto target = parse_target(body)) {
        FUZZ_CHECK(target->kind == 'S' || target->kind == 'P');
        FUZZ_CHECK(target->name.size() + 2 == body.size());
    }
    if (const auto query = parse_query(body)) FUZZ_CHECK(query->size() + 1 == body.size());
    if (const auto password = parse_password_message(body)) {
        FUZZ_CHECK(password->size() + 1 == body.size());
    }
    if (const auto sasl = parse_sasl_initial_response(body)) {
        const auto data_size = sasl->initial_response ? sasl->initial_response->size() : 0;
        FUZZ_CHECK(sasl->mechanism.size() + 5 + data_size == body.size());
    }
    return 0;
}
