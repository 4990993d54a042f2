// Who may look: token, basic authentication, and a guard against pages of others in a browser here.
#pragma once

#include "conf/settings.h"
#include "proxy/http_request.h"

namespace weir::proxy {

enum class HttpAccess {
    granted,
    no_credentials,     // 401: none were brought
    wrong_credentials,  // 401, after a pause
    foreign_host,       // 421: the Host field is a name that does not mean this machine
};

// Without token and user, a browser's user could be made to look by a page of anybody's whose name
// resolves to loopback (DNS rebinding): such requests have that name as their Host.
HttpAccess check_access(const conf::Settings& settings, const HttpRequest& request);

// Same time for any two texts.
bool same_secret(std::string_view one, std::string_view other);

}  // namespace weir::proxy
