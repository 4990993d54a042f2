// The bodies of a server's messages.
#include "protocol/backend_messages.h"
#include "protocol/message.h"
#include "tests/fuzz/fuzz.h"

using namespace weir;
using namespace weir::protocol;

namespace {

void check_error(const ErrorResponse& response) {
    const auto error = response.to_error();
    FUZZ_CHECK(!error.message.empty());
    MessageWriter out;
    write_error(error, out);
    const auto again = parse_error_response(out.view().subspan(message_header_size));
    FUZZ_CHECK(again.has_value());
    FUZZ_CHECK(again->to_error() == error);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto body = as_bytes(fuzz::text_of(data, size));
    if (const auto response = parse_error_response(body)) check_error(*response);
    if (const auto status = parse_parameter_status(body)) {
        FUZZ_CHECK(!status->name.empty());
        FUZZ_CHECK(status->name.size() + status->value.size() + 2 == body.size());
    }
    if (const auto key = parse_backend_key_data(body)) {
        MessageWriter out;
        write_backend_key_data(*key, out);
        FUZZ_CHECK(as_text(out.view().subspan(message_header_size)) == as_text(body));
    }
    if (const auto authentication = parse_authentication(body)) {
        if (const auto* sasl = std::get_if<AuthenticationSASL>(&*authentication)) {
            FUZZ_CHECK(sasl->mechanisms.size() <= 16);
        }
    }
    if (const auto status = parse_ready_for_query(body)) FUZZ_CHECK(body.size() == 1);
    return 0;
}
