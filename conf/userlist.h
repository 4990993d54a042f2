// userlist.txt: who may log in, and with which secret.
#pragma once

#include "conf/problem.h"
#include "conf/secret.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace weir::conf {

enum class SecretKind {
    none,   // empty: no password login is possible
    plain,  // the password itself
    md5,    // "md5" and 32 hexadecimal digits
    scram,  // "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>"
};

struct UserSecret {
    SecretKind kind = SecretKind::none;
    Secret text;  // as written in the file

    bool operator==(const UserSecret&) const = default;
};

// By PostgreSQL's rules (get_password_type): a text that only nearly looks like a hash is a plain
// password.
UserSecret classify_secret(std::string text);

using UserList = std::map<std::string, UserSecret, std::less<>>;

struct LoadedUsers {
    std::optional<UserList> users;  // there exactly if there are no errors
    Problems problems;
};

// Lines of `"user" "secret"`; "" inside quotes stands for one quote, what follows on a line is
// ignored as in PgBouncer, ";" or "#" starts a comment line. A name has up to 127 bytes, a secret
// up to 2047. If a name appears twice the last line counts, with a warning. Never quotes a secret.
LoadedUsers read_userlist(std::string_view text, const std::string& file);
LoadedUsers load_userlist(const std::string& path);

}  // namespace weir::conf
