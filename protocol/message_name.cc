#include "protocol/message_name.h"

#include "protocol/message.h"

namespace weir::protocol {

std::string_view frontend_message_name(char type) {
    switch (type) {
        case frontend::bind:
            return "Bind";
        case frontend::close:
            return "Close";
        case frontend::describe:
            return "Describe";
        case frontend::execute:
            return "Execute";
        case frontend::function_call:
            return "FunctionCall";
        case frontend::flush:
            return "Flush";
        case frontend::parse:
            return "Parse";
        case frontend::query:
            return "Query";
        case frontend::sync:
            return "Sync";
        case frontend::terminate:
            return "Terminate";
        case frontend::copy_done:
            return "CopyDone";
        case frontend::copy_data:
            return "CopyData";
        case frontend::copy_fail:
            return "CopyFail";
        case frontend::password:
            return "PasswordMessage";
        default:
            return "unknown";
    }
}

std::string_view backend_message_name(char type) {
    switch (type) {
        case backend::parse_complete:
            return "ParseComplete";
        case backend::bind_complete:
            return "BindComplete";
        case backend::close_complete:
            return "CloseComplete";
        case backend::notification_response:
            return "NotificationResponse";
        case backend::command_complete:
            return "CommandComplete";
        case backend::data_row:
            return "DataRow";
        case backend::error_response:
            return "ErrorResponse";
        case backend::copy_in_response:
            return "CopyInResponse";
        case backend::copy_out_response:
            return "CopyOutResponse";
        case backend::copy_both_response:
            return "CopyBothResponse";
        case backend::empty_query_response:
            return "EmptyQueryResponse";
        case backend::backend_key_data:
            return "BackendKeyData";
        case backend::notice_response:
            return "NoticeResponse";
        case backend::authentication:
            return "Authentication";
        case backend::parameter_status:
            return "ParameterStatus";
        case backend::row_description:
            return "RowDescription";
        case backend::function_call_response:
            return "FunctionCallResponse";
        case backend::ready_for_query:
            return "ReadyForQuery";
        case backend::copy_done:
            return "CopyDone";
        case backend::copy_data:
            return "CopyData";
        case backend::no_data:
            return "NoData";
        case backend::portal_suspended:
            return "PortalSuspended";
        case backend::parameter_description:
            return "ParameterDescription";
        case backend::negotiate_protocol_version:
            return "NegotiateProtocolVersion";
        default:
            return "unknown";
    }
}

}  // namespace weir::protocol
