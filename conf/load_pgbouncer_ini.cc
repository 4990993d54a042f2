#include "conf/load_pgbouncer_ini.h"

#include <set>

namespace weir::conf {

namespace {

class IniLoader {
public:
    explicit IniLoader(std::string file) { loading_.origins[""] = Place{std::move(file), 0}; }

    Loaded load(const IniFile& file) && {
        loading_.settings.pool_mode = PoolMode::session;
        loading_.problems.errors = file.errors;
        for (const IniEntry& entry : file.entries) {
            if (entry.section == "pgbouncer") {
                global(entry);
            } else if (entry.section == "databases") {
                database(entry);
            } else if (entry.section == "users") {
                user(entry);
            } else if (entry.section == "peers") {
                warn_once(
                    entry.place, "peers", "peers do not exist here yet; the section is left out"
                );
            } else {
                unknown_section(entry);
            }
        }
        return std::move(loading_).finish();
    }

private:
    void warn_once(const Place& place, const std::string& key, std::string text) {
        if (warned_.insert(key).second) loading_.warn(place, key, std::move(text));
    }

    void unknown_section(const IniEntry& entry) {
        if (!warned_.insert("[" + entry.section + "]").second) return;
        loading_.error(
            entry.place,
            entry.section,
            "unknown section; allowed: [pgbouncer], [databases], [users], [peers]"
        );
    }

    // True if `name` is one of PgBouncer's that do not act, which is then said once.
    bool inactive(
        const Place& place,
        std::string_view name,
        std::string_view section,
        std::span<const InactiveKey> keys
    ) {
        for (const InactiveKey& key : keys) {
            if (key.name != name) continue;
            std::string path = std::string(section) + '.' + std::string(name);
            warn_once(place, path, "accepted, but does not act: " + std::string(key.why));
            return true;
        }
        return false;
    }

    void global(const IniEntry& entry) {
        std::string name = to_lower(entry.key);
        std::string path = "pgweir." + name;
        if (const Key<Settings>* key = find_global_key(name)) {
            Read<Value> read = read_value(key->rule, entry.value);
            return loading_.store(loading_.settings, *key, std::move(read), entry.place, path);
        }
        if (inactive(entry.place, name, "pgbouncer", inactive_global_keys())) return;
        std::string hint = suggestion(name, names_of(global_keys()));
        loading_.error(entry.place, "pgbouncer." + name, "unknown key" + hint);
    }

    // One pair of a connect string into `owner`.
    template <class Owner>
    void pair(
        const Pair& pair,
        const Place& place,
        Owner& owner,
        const std::string& path,
        std::span<const Key<Owner>> keys,
        bool after_password
    ) {
        std::string name = to_lower(pair.key);
        if (name == "reserve_pool") name = "reserve_pool_size";
        for (const Key<Owner>& key : keys) {
            if (key.name != name) continue;
            Read<Value> read = read_value(key.rule, pair.value);
            return loading_.store(owner, key, std::move(read), place, path + '.' + name);
        }
        bool is_database = std::is_same_v<Owner, DatabaseSettings>;
        std::span<const InactiveKey> others =
            is_database ? inactive_database_keys() : inactive_user_keys();
        if (inactive(place, name, is_database ? "databases" : "users", others)) return;
        std::string hint = suggestion(name, names_of(keys));
        if (after_password && hint.empty()) {
            // May be the rest of a password with a blank in it: not to be repeated in a log.
            loading_.error(
                place, path, "unknown key after password; is a '...' around it missing?"
            );
        } else {
            loading_.error(place, path + '.' + name, "unknown key" + hint);
        }
    }

    template <class Owner>
    Owner connect_string(
        const IniEntry& entry, const std::string& path, std::span<const Key<Owner>> keys
    ) {
        Owner owner;
        loading_.origins.insert_or_assign(path, entry.place);
        ConnectString string = read_connect_string(entry.value);
        bool after_password = false;
        for (const Pair& each : string.pairs) {
            pair(each, entry.place, owner, path, keys, after_password);
            after_password = to_lower(each.key) == "password";
        }
        if (!string.wrong.empty()) loading_.error(entry.place, path, std::move(string.wrong));
        return owner;
    }

    void database(const IniEntry& entry) {
        std::string path = "databases." + entry.key;
        DatabaseSettings database = connect_string(entry, path, database_keys());
        std::size_t comma = database.host.find(',');
        if (comma != std::string::npos) {
            database.host = trim(std::string_view(database.host).substr(0, comma));
            loading_.warn(
                entry.place,
                path + ".host",
                "host lists do not exist here yet: only the first host is used"
            );
        }
        // A later line for the same name replaces the earlier one as a whole.
        loading_.settings.databases.insert_or_assign(entry.key, std::move(database));
    }

    void user(const IniEntry& entry) {
        UserSettings user = connect_string(entry, "users." + entry.key, user_keys());
        loading_.settings.users.insert_or_assign(entry.key, user);
    }

    Loading loading_;
    std::set<std::string> warned_;
};

}  // namespace

Loaded load_pgbouncer_ini(std::string_view text, const std::string& file, const FileReader& read) {
    return IniLoader(file).load(read_ini(text, file, read));
}

Loaded load_pgbouncer_ini(std::string_view text, const std::string& file) {
    return load_pgbouncer_ini(text, file, [](const std::string& path, auto& into, auto& wrong) {
        Read<std::string> read = read_file(path);
        into = std::move(read.value);
        wrong = std::move(read.wrong);
        return wrong.empty();
    });
}

}  // namespace weir::conf
