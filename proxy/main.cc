// pgweir: command line, log, limits of the process; then proxy/server.h.
#include "conf/load_file.h"
#include "conf/machine.h"
#include "conf/show.h"
#include "conf/validate.h"
#include "proxy/log_file.h"
#include "proxy/metrics.h"
#include "proxy/reference.h"
#include "proxy/server.h"
#include "proxy/version.h"
#include "router/pg_query_parser.h"

#include <CLI/CLI.hpp>
#include <openssl/crypto.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <fstream>
#include <iostream>
#include <sys/resource.h>
#include <unistd.h>

namespace {

namespace conf = weir::conf;

constexpr int exit_bad_configuration = 2;

struct CommandLine {
    std::string config;
    std::string check;
    std::string print_config;
    std::string convert;
    bool list_metrics = false;
    bool reference = false;
    int verbose = 0;
    bool quiet = false;
};

void print_problems(const conf::Problems& problems) {
    for (const auto& problem : problems.errors) {
        std::cerr << "error: " << problem.to_string() << '\n';
    }
    for (const auto& problem : problems.warnings) {
        std::cerr << "warning: " << problem.to_string() << '\n';
    }
}

// --check, --print-config, --convert: no server is started.
int run_on_file(const CommandLine& command) {
    const bool convert = !command.convert.empty();
    const auto& path = convert                 ? command.convert
                       : command.check.empty() ? command.print_config
                                               : command.check;
    const auto loaded = conf::load_file(path);
    print_problems(loaded.problems);
    if (!loaded.ok()) return exit_bad_configuration;
    if (convert) {
        const auto toml = conf::convert_to_toml(loaded);
        if (!toml.ok()) {
            std::cerr << "error: " << path << ": " << toml.wrong << '\n';
            return exit_bad_configuration;
        }
        std::cout << toml.value;
        std::cerr << "note: the output has the passwords of the input in it\n";
    } else if (!command.print_config.empty()) {
        std::cout << conf::to_toml(*loaded.settings, conf::Which::all, conf::Secrets::hidden);
    } else {
        std::cerr << path << ": ok\n";
    }
    return 0;
}

// One line for each: name, type, labels, help, with tabs between them.
void print_metrics() {
    namespace proxy = weir::proxy;
    for (const auto table : {proxy::metric_table(), proxy::pgbouncer_metric_table()}) {
        for (const auto& metric : table) {
            std::cout << metric.name << '\t' << proxy::to_string(metric.kind) << '\t'
                      << metric.labels << '\t' << metric.help << '\n';
        }
    }
}

// As many descriptors as the system allows; a warning if the limits configured may need more.
void raise_descriptor_limit(const conf::Settings& settings) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const int workers = settings.workers > 0 ? settings.workers : conf::workers_for_this_machine();
    const auto needed = conf::estimate_descriptors(settings, workers).total();
    if (needed > limit.rlim_cur) {
        spdlog::warn(
            "{} descriptors may be needed for the limits configured, the system allows {}",
            needed,
            limit.rlim_cur
        );
    }
}

// The pid file is removed when this is.
class PidFile {
public:
    explicit PidFile(std::string path) : path_(std::move(path)) {
        if (!path_.empty()) std::ofstream(path_) << ::getpid() << '\n';
    }

    PidFile(const PidFile&) = delete;
    PidFile& operator=(const PidFile&) = delete;

    ~PidFile() {
        if (!path_.empty()) ::unlink(path_.c_str());
    }

private:
    std::string path_;
};

int serve(const CommandLine& command) {
    auto loaded = conf::load_file(command.config);
    if (!loaded.ok()) {
        print_problems(loaded.problems);
        return exit_bad_configuration;
    }
    auto settings = std::move(*loaded.settings);
    settings.verbose = std::max(settings.verbose, command.verbose);
    try {
        weir::proxy::open_log(settings, !command.quiet);
    } catch (const spdlog::spdlog_ex& e) {
        std::cerr << "error: logfile: " << e.what() << '\n';
        return exit_bad_configuration;
    }
    for (const auto& warning : loaded.problems.warnings)
        spdlog::warn("{}", warning.to_string());
    std::string why;
    if (!weir::router::self_test(why)) {
        spdlog::critical("libpg_query does not fit this build: {}", why);
        return 1;
    }
    raise_descriptor_limit(settings);
    const PidFile pid_file(settings.pidfile);
    weir::proxy::Server server(command.config, std::move(settings));
    if (const auto opened = server.open(); !opened) {
        spdlog::critical("{}", opened.error().message);
        return 1;
    }
    server.run();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("pgweir: a PostgreSQL connection pooler and query router", "pgweir");
    CommandLine command;
    app.add_option("config", command.config, "pgweir.toml, or a pgbouncer.ini as it is");
    app.add_option("--check", command.check, "Check a configuration file and exit")
        ->group("Configuration");
    app.add_option("--print-config", command.print_config, "Print all settings of a file as TOML")
        ->group("Configuration");
    app.add_option("--convert", command.convert, "Print a pgbouncer.ini as TOML, passwords too")
        ->group("Configuration");
    app.add_flag("--list-metrics", command.list_metrics, "Print the metrics there are and exit")
        ->group("Configuration");
    app.add_flag(
           "--reference", command.reference, "Print settings, metrics and commands as Markdown"
    )
        ->group("Configuration");
    app.add_flag("-v,--verbose", command.verbose, "More log (may be repeated)")->group("Log");
    app.add_flag("-q,--quiet", command.quiet, "No log on stderr")->group("Log");
    app.set_version_flag("--version", weir::proxy::version_text());
    CLI11_PARSE(app, argc, argv);

    // OpenSSL writes with write(2): a peer that has left must not end the process.
    std::signal(SIGPIPE, SIG_IGN);
    if (!command.check.empty() || !command.print_config.empty() || !command.convert.empty()) {
        return run_on_file(command);
    }
    if (command.reference) {
        std::cout << weir::proxy::reference_markdown();
        return 0;
    }
    if (command.list_metrics) {
        print_metrics();
        return 0;
    }
    if (command.config.empty()) {
        std::cerr << app.help();
        return exit_bad_configuration;
    }
    const int code = serve(command);
    spdlog::shutdown();
    return code;
}
