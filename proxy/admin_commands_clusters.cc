// The commands on hosts of clusters. None of them is PgBouncer's; they hold until the process ends,
// weights until the configuration has another one.
#include "proxy/admin_commands.h"
#include "proxy/log.h"
#include "proxy/server.h"

#include <charconv>
#include <set>

namespace weir::proxy {

namespace {

using Done = AdminCommands::Done;

constexpr std::uint32_t most_weight = 10000;  // as in the configuration

struct FoundHost {
    std::shared_ptr<Cluster> cluster;
    std::size_t host = 0;

    pool::ClusterMonitor& monitor() const { return *cluster->monitor(); }
};

std::string listed(const std::set<std::string>& names) {
    std::string text;
    for (const auto& name : names)
        text.append(text.empty() ? "" : ", ").append(name);
    return text;
}

// The host in each cluster that has it. An Error unless exactly one address can be meant.
protocol::Result<std::vector<FoundHost>> find_host(Server& server, const std::string& name) {
    if (name.empty()) return command_refused("a host is required");
    std::vector<FoundHost> found;
    std::set<std::string> meant;
    for (const auto& [section, cluster] : server.pools().clusters().all()) {
        const auto& monitor = *cluster->monitor();
        if (const auto host = monitor.find(name)) {
            found.push_back({cluster, *host});
            meant.insert(cluster->addresses()[*host]);
            continue;
        }
        const auto& hosts = monitor.policy().settings().hosts;
        for (std::size_t i = 0; i < hosts.size(); ++i) {
            if (hosts[i].host == name) meant.insert(cluster->addresses()[i]);
        }
    }
    if (meant.empty()) {
        return command_refused("no such host: " + name, "SHOW HOSTS has those of all clusters.");
    }
    if (meant.size() > 1 || found.empty()) {
        return command_refused(
            "host " + name + " is ambiguous", "It may be " + listed(meant) + '.'
        );
    }
    return found;
}

// `act` is in force when the client is told.
void on_host(
    ConsoleCommands& self,
    const AdminCommand& command,
    std::string_view verb,
    void (pool::ClusterMonitor::*act)(std::size_t),
    const Done& done
) {
    const auto found = find_host(self.server(), command.argument);
    if (!found) return done(found.error());
    log_command(verb, command);
    for (const auto& each : *found)
        (each.monitor().*act)(each.host);
    done(AdminReply(std::string(verb)));
}

}  // namespace

void drain(ConsoleCommands& self, const AdminCommand& command, Done done) {
    on_host(self, command, "DRAIN", &pool::ClusterMonitor::drain, done);
}

void undrain(ConsoleCommands& self, const AdminCommand& command, Done done) {
    on_host(self, command, "UNDRAIN", &pool::ClusterMonitor::undrain, done);
}

void fence(ConsoleCommands& self, const AdminCommand& command, Done done) {
    on_host(self, command, "FENCE", &pool::ClusterMonitor::fence, done);
}

// Where it is not the operator's fence alone he is told what else it is.
void unfence(ConsoleCommands& self, const AdminCommand& command, Done done) {
    const auto found = find_host(self.server(), command.argument);
    if (!found) return done(found.error());
    log_command("UNFENCE", command);
    AdminReply reply("UNFENCE");
    for (const auto& each : *found) {
        each.monitor().unfence(each.host);
        const auto& view = each.monitor().policy().topology().hosts[each.host];
        if (view.state != pool::HostState::fenced) continue;
        const std::string reason(pool::text(view.reason));
        reply.notices.push_back({
            each.cluster->addresses()[each.host] + " stays fenced in cluster " +
                each.cluster->name() + ": " + reason,
            view.detail,
        });
    }
    done(std::move(reply));
}

void set_weight(ConsoleCommands& self, const AdminCommand& command, Done done) {
    const auto found = find_host(self.server(), command.argument);
    if (!found) return done(found.error());
    std::uint32_t weight = 0;
    const auto* const end = command.value.data() + command.value.size();
    const auto [stop, error] = std::from_chars(command.value.data(), end, weight);
    if (error != std::errc() || stop != end || weight > most_weight) {
        return done(command_refused(
            "invalid weight: " + command.value, "Allowed: 0 to " + std::to_string(most_weight) + '.'
        ));
    }
    log_of(LogComponent::console)
        .info("SET WEIGHT '{}' = {} command issued", printable(command.argument), weight);
    for (const auto& each : *found)
        each.monitor().set_weight(each.host, weight);
    done(AdminReply("SET WEIGHT"));
}

// It takes down the guard against a primary of the past: never for a cluster that was not meant.
void forget_timeline(ConsoleCommands& self, const AdminCommand& command, Done done) {
    const auto& clusters = self.server().pools().clusters().all();
    const bool only = command.argument.empty() && clusters.size() == 1;
    const auto found = only ? clusters.begin() : clusters.find(command.argument);
    if (found == clusters.end()) {
        return done(
            command.argument.empty() && !clusters.empty()
                ? command_refused("a cluster is required", "There are several.")
                : command_refused("no such cluster: " + command.argument)
        );
    }
    log_command("FORGET TIMELINE", command);
    const auto cluster = found->second;
    cluster->monitor()->forget_timeline();
    done(AdminReply("FORGET TIMELINE"));
}

}  // namespace weir::proxy
