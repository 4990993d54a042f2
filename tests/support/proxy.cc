#include "tests/support/proxy.h"

#include "tests/support/tls_files.h"

#include <arpa/inet.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <netinet/in.h>
#include <set>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace weir::test {
namespace {

int late_failure_count = 0;

std::string environment(const char* name, const std::string& otherwise) {
    const char* value = std::getenv(name);
    return value == nullptr || *value == '\0' ? otherwise : value;
}

std::string program() {
    return environment(
        "WEIR_BINARY", proxy_is_pgbouncer() ? "/usr/sbin/pgbouncer" : WEIR_DEFAULT_BINARY
    );
}

bool all_may_reach(std::filesystem::path path) {
    for (; path.has_relative_path(); path = path.parent_path()) {
        const auto permissions = std::filesystem::status(path).permissions();
        if ((permissions & std::filesystem::perms::others_exec) == std::filesystem::perms::none) {
            return false;
        }
    }
    return true;
}

// The program where server_user() can run it: a build tree below /root needs a copy.
std::string find_runnable_program() {
    const std::filesystem::path original = std::filesystem::absolute(program());
    if (!std::filesystem::exists(original)) {
        throw std::runtime_error(
            "there is no " + original.string() + "; build it, or set WEIR_BINARY"
        );
    }
    if (server_user().empty() || all_may_reach(original)) return original;
    static const TempDir directory{"binary"};
    const std::filesystem::path copy = directory / original.filename();
    std::filesystem::copy_file(original, copy, std::filesystem::copy_options::skip_existing);
    return copy;
}

std::string toml_quoted(const std::string& text) {
    std::string quoted = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += c;
    }
    return quoted + '"';
}

// The value as TOML and ini write it, but for the quotes of texts.
std::string plain(const SettingValue& value) {
    if (const auto* text = std::get_if<std::string>(&value)) return *text;
    if (const auto* number = std::get_if<int>(&value)) return std::to_string(*number);
    if (const auto* number = std::get_if<double>(&value)) return std::to_string(*number);
    return "";
}

std::string toml_value(const SettingValue& value) {
    if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
    if (std::holds_alternative<std::string>(value)) return toml_quoted(plain(value));
    return plain(value);
}

std::string ini_value(const SettingValue& value) {
    if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "1" : "0";
    return plain(value);
}

// In [databases] and [users] of an ini, all of a section stands in one line.
std::string ini_line(const std::string& name, const Section& section) {
    std::string line = name + " =";
    for (const auto& [key, value] : section) {
        std::string quoted;
        for (const char c : ini_value(value))
            quoted += c == '\'' ? "''" : std::string(1, c);
        line += " " + key + "='" + quoted + "'";
    }
    return line + "\n";
}

std::string toml_table(const std::string& name, const Section& section) {
    std::string text = "[" + name + "]\n";
    for (const auto& [key, value] : section)
        text += key + " = " + toml_value(value) + "\n";
    return text + "\n";
}

// What Debian's PgBouncer 1.18 does not know.
bool only_ours(const std::string& key) {
    static const std::set<std::string> keys{
        "workers", "defer_begin", "lend_policy", "max_prepared_statements"};
    return keys.contains(key);
}

std::string userlist_text(const std::vector<std::pair<std::string, std::string>>& users) {
    std::string text;
    const auto quoted = [](const std::string& value) {
        std::string result = "\"";
        for (const char c : value)
            result += c == '"' ? "\"\"" : std::string(1, c);
        return result + "\"";
    };
    for (const auto& [name, secret] : users)
        text += quoted(name) + " " + quoted(secret) + "\n";
    return text;
}

// What a sanitizer wrote, from its first line on; "" if nothing.
std::string sanitizer_report(const std::string& log) {
    for (const char* mark :
         {"ERROR: AddressSanitizer",
          "ERROR: LeakSanitizer",
          "WARNING: ThreadSanitizer",
          "ERROR: ThreadSanitizer",
          ": runtime error: "}) {
        const auto at = log.find(mark);
        if (at != std::string::npos) return log.substr(log.rfind('\n', at) + 1);
    }
    return "";
}

}  // namespace

bool proxy_is_pgbouncer() {
    return environment("WEIR_PROXY", "pgweir") == "pgbouncer";
}

std::string proxy_program() {
    static const std::string path = find_runnable_program();
    return path;
}

int late_failures() {
    return late_failure_count;
}

ProxyConfig ProxyConfig::for_database(const Database& database) {
    ProxyConfig config;
    config.settings = {
        {"pool_mode", "transaction"},
        {"auth_type", "trust"},
        {"admin_users", "admin"},
        {"max_client_conn", 1000},
        {"workers", std::atoi(environment("WEIR_WORKERS", "2").c_str())},
    };
    config.databases[database.name()] = {
        {"host", "127.0.0.1"},
        {"port", database.cluster().port()},
        {"dbname", database.name()},
    };
    for (const char* role : {role_trust, role_clear, role_md5, role_scram}) {
        config.userlist.emplace_back(role, role_password);
    }
    config.userlist.emplace_back("admin", role_password);
    return config;
}

ProxyConfig ProxyConfig::for_database(const Database& database, int pool_size) {
    ProxyConfig config = for_database(database);
    config.settings["default_pool_size"] = pool_size;
    return config;
}

void ProxyConfig::use_client_tls(const std::string& sslmode) {
    const TlsFiles& tls = TlsFiles::shared();
    settings["client_tls_sslmode"] = sslmode;
    settings["client_tls_cert_file"] = tls.server_certificate().string();
    settings["client_tls_key_file"] = tls.server_key().string();
}

std::string ProxyConfig::toml() const {
    std::string text = toml_table("pgweir", settings);
    for (const auto& [name, section] : databases) {
        text += toml_table("databases." + toml_quoted(name), section);
    }
    for (const auto& [name, section] : users) {
        text += toml_table("users." + toml_quoted(name), section);
    }
    return text;
}

std::string ProxyConfig::ini() const {
    std::string text = "[databases]\n";
    for (const auto& [name, section] : databases)
        text += ini_line(name, section);
    text += "[users]\n";
    for (const auto& [name, section] : users)
        text += ini_line(name, section);
    text += "[pgbouncer]\n";
    for (const auto& [key, value] : settings) {
        if (!proxy_is_pgbouncer() || !only_ours(key)) text += key + " = " + ini_value(value) + "\n";
    }
    return text;
}

Proxy::Proxy(ProxyConfig config) : config_(std::move(config)), port_(free_port()) {
    if (!config_.databases.empty()) database_ = config_.databases.begin()->first;
    config_.settings.emplace("listen_addr", "127.0.0.1");
    config_.settings.emplace("listen_port", port_);
    config_.settings.emplace("unix_socket_dir", socket_dir());
    config_.settings.emplace("auth_file", (directory_ / "userlist.txt").string());
    write_config_file();
    start();
}

Proxy::~Proxy() {
    if (checked_) return;
    try {
        stop();
    } catch (const std::exception& error) {
        ++late_failure_count;
        std::fprintf(stderr, "\nFAILED: %s\n", error.what());
    }
}

void Proxy::write_config_file() {
    write_file(directory_ / "userlist.txt", userlist_text(config_.userlist));
    rewrite(proxy_is_pgbouncer() ? config_.ini() : config_.toml());
}

void Proxy::rewrite() {
    write_config_file();
}

void Proxy::rewrite(const std::string& text) {
    // As a whole: the proxy may be reading it at this moment, for the reload before.
    const auto path = directory_ / (proxy_is_pgbouncer() ? "pgweir.ini" : "pgweir.toml");
    const auto written = path.string() + ".new";
    write_file(written, text);
    std::filesystem::rename(written, path);
}

void Proxy::start() {
    CommandLine command{.arguments = {proxy_program()}, .environment = {}, .user = server_user()};
    command.arguments.push_back(directory_ / (proxy_is_pgbouncer() ? "pgweir.ini" : "pgweir.toml"));
    process_ = std::make_unique<ChildProcess>(std::move(command), directory_ / "log");
    wait_until("the proxy accepts connections", [this] {
        if (process_->ended()) {
            checked_ = true;
            throw std::runtime_error("the proxy ended at its start:\n" + log());
        }
        return accepts();
    });
}

bool Proxy::accepts() const {
    const auto connects = [](int family, const auto& address) {
        const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
        const bool ok = ::connect(fd, generic, sizeof address) == 0;
        ::close(fd);
        return ok;
    };
    sockaddr_in loopback{};
    loopback.sin_family = AF_INET;
    loopback.sin_port = htons(static_cast<std::uint16_t>(port_));
    loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    socket_path().copy(local.sun_path, sizeof local.sun_path - 1);
    return connects(AF_INET, loopback) && connects(AF_UNIX, local);
}

std::string Proxy::conninfo(
    const std::string& user, const std::string& more, const std::string& database
) const {
    return "host=127.0.0.1 port=" + std::to_string(port_) +
           " dbname=" + (database.empty() ? database_ : database) + " user=" + user + " " + more;
}

std::string Proxy::unix_conninfo(const std::string& user) const {
    return "host=" + socket_dir() + " port=" + std::to_string(port_) + " dbname=" + database_ +
           " user=" + user;
}

void Proxy::reload() {
    rewrite();
    signal(SIGHUP);
}

void Proxy::stop() {
    signal(proxy_is_pgbouncer() ? SIGINT : SIGTERM);
    wait_for_good_end();
}

void Proxy::wait_for_good_end() {
    checked_ = true;
    std::string problem;
    try {
        const ExitStatus status = process_->wait(std::chrono::seconds(15));
        if (!status.good()) problem = "the proxy ended with " + status.text();
    } catch (const std::exception&) {
        problem = "the proxy did not stop";
    }
    const std::string report = sanitizer_report(log());
    if (!report.empty()) problem = "a sanitizer reported:\n" + report;
    if (!problem.empty()) {
        const std::string text = log();
        throw std::runtime_error(
            problem + "\nend of its log:\n" +
            text.substr(text.size() > 4000 ? text.size() - 4000 : 0)
        );
    }
}

}  // namespace weir::test
