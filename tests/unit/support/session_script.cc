#include "tests/unit/support/session_script.h"

#include <doctest/doctest.h>
#include <spdlog/spdlog.h>

namespace weir::test {

namespace {

using Failure = pool::MemoryNetwork::Failure;

// More than a reset gives a server.
constexpr auto longest_reset = std::chrono::seconds(15);

// Whole backend messages, the last one perhaps cut off.
bool well_formed(std::string_view bytes) {
    while (bytes.size() >= 5) {
        if (std::string_view("123ACDEGHIKNRSTVWZcdnst").find(bytes[0]) == std::string_view::npos) {
            return false;
        }
        std::size_t length = 0;
        for (std::size_t i = 1; i <= 4; ++i) {
            length = length << 8 | static_cast<unsigned char>(bytes[i]);
        }
        if (length < 4) return false;
        bytes.remove_prefix(std::min(bytes.size(), length + 1));
    }
    return true;
}

// No server is left in anybody's hands, and those that are idle are fit for everybody.
void check_nothing_left(ScriptWorld& world) {
    for (const int client : world.clients)
        world.network->end(client);
    world.settle();
    // An end behind bytes that nobody wants yet is not seen.
    for (const int client : world.clients)
        world.network->reset(client);
    world.settle();
    world.finish_cancels(true);
    world.network->advance(longest_reset);
    world.settle();
    world.finish_cancels(true);
    world.settle();
    for (std::size_t i = 0; i < world.clients.size(); ++i)
        CHECK(world.client_gone(i));
    CHECK(world.worker->sessions() == 0);
    CHECK(world.sessions_ended == world.clients.size());
    CHECK(world.entry->pool.clients() == 0);
    CHECK(world.worker->queries().in_use() == 0);
    const auto counts = world.counts();
    CHECK(counts.active == 0);
    CHECK(counts.waiting == 0);
    CHECK(counts.closing == 0);
    CHECK(world.entry->pool.overtakings() == 0);
    for (const auto& server : world.connections) {
        if (server->state != pool::ServerState::idle) continue;
        CHECK(server->expected.in_sync());
        CHECK(server->status == protocol::TransactionStatus::idle);
        CHECK(server->partial.empty());
        CHECK(server->cancels == 0);
    }
}

}  // namespace

proxy::SessionLimits ScriptOptions::quiet_limits() {
    proxy::SessionLimits limits;
    limits.log_disconnections = false;
    limits.log_pooler_errors = false;
    return limits;
}

std::vector<std::pair<std::string, std::string>> server_welcome() {
    return {
        {"server_version", "15.1"},
        {"client_encoding", "UTF8"},
        {"application_name", ""},
        {"standard_conforming_strings", "on"},
        {"TimeZone", "UTC"},
    };
}

std::string welcome_of(std::size_t client) {
    std::string out;
    for (const auto& [name, value] : server_welcome())
        out += be::parameter_status(name, value);
    protocol::MessageWriter key;
    key.begin(protocol::backend::backend_key_data);
    key.i32(static_cast<std::int32_t>(client) + 1).text("key!").end();
    return out + text_of(key) + be::ready();
}

ScriptWorld::ScriptWorld(const ScriptOptions& script_options) : options(script_options) {
    spdlog::set_level(spdlog::level::off);
    auto owned = std::make_unique<pool::MemoryBackend>(network);
    backend = owned.get();
    worker = std::make_unique<proxy::Worker>(0, std::move(owned), catalog, *this);
    std::vector<pool::EventLoop*> loops{&worker->loop()};
    if (options.second_worker) {
        busy_loop =
            std::make_unique<pool::EventLoop>(std::make_unique<pool::MemoryBackend>(network));
        loops.push_back(busy_loop.get());
    }
    entry =
        std::make_shared<proxy::PoolEntry>(pool::PoolName{"db", "user"}, std::move(loops), *this);
    entry->set_limits(std::make_shared<proxy::SessionLimits>(options.limits));
    pool::PoolLimits pool_limits;
    pool_limits.size = options.pool_size;
    pool_limits.max_pinned = options.max_pinned;
    pool_limits.lend_policy = options.lend_policy;
    entry->pool.set_limits(pool_limits);
    if (options.welcome_known) entry->welcome.learn(server_welcome());
    if (options.catalog_known)
        entry->catalog->publish({1, router::Catalog::build({}), network->now()});
    for (std::size_t i = 0; i < options.servers; ++i)
        open_server();
    for (const auto& settings : options.clients)
        connect_client(settings);
    // What every script would have to say.
    if (options.welcome_known) {
        for (std::size_t i = 0; i < clients.size(); ++i) {
            CHECK((network->received(clients[i]) == welcome_of(i)));
        }
    }
}

ScriptWorld::~ScriptWorld() {
    worker->with_all_sessions(
        [](proxy::ClientSession& session) {
            session.end(protocol::fatal(protocol::sqlstate::admin_shutdown, "end of the script"));
        },
        {}
    );
    settle();
    finish_cancels(true);
    network->advance(longest_reset);
    settle();
    entry->pool.close_all_idle(pool::CloseReason::shutdown);
    settle();
    connections.clear();
    listener_asked.clear();
    worker->bury_dead();
    entry.reset();
}

void ScriptWorld::settle() {
    for (int quiet = 0; quiet < 3;) {
        worker->loop().run_once(false);
        close_retired();
        quiet = backend->quiet() ? quiet + 1 : 0;
    }
}

void ScriptWorld::close_retired() {
    for (auto& server : std::exchange(retired, {})) {
        close_reasons.push_back(server->close_reason);
        if (server->floating) backend->close(server->floating.release());
        entry->pool.gone(*server);
    }
}

void ScriptWorld::open_server() {
    const int descriptor = network->connect();
    servers.push_back(descriptor);
    pool::ServerIdentity identity;
    identity.address = "memory";
    identity.cancel_key.process_id = 1000 + static_cast<std::int32_t>(servers.size());
    identity.welcome = server_welcome();
    connections.push_back(std::make_shared<pool::ServerConnection>(
        entry->pool, std::move(identity), pool::Transport(descriptor)
    ));
    connections.back()->last_used = network->now();
    entry->pool.add(connections.back());
    settle();
}

void ScriptWorld::connect_client(std::vector<std::pair<std::string, std::string>> settings) {
    const int descriptor = network->connect();
    clients.push_back(descriptor);
    auto start = std::make_unique<proxy::SessionStart>();
    start->id = clients.size();
    start->transport = pool::Transport(descriptor);
    start->entry = entry;
    start->user = "user";
    start->database = "db";
    start->settings = std::move(settings);
    start->cancel_key = {static_cast<std::int32_t>(clients.size()), "key!"};
    worker->begin(std::move(start));
    settle();
}

void ScriptWorld::finish_cancels(bool certain) {
    for (const auto& server : std::exchange(cancels, {})) {
        entry->pool.cancel_finished(server, certain);
    }
    settle();
}

// A server is kept for a moment for who may be about to ask for lastval().
void let_sequences_go(ScriptWorld& world) {
    world.network->advance(router::SequenceHabit::middle_hold);
    world.settle();
}

// --- steps ---

SessionScript& SessionScript::add(std::string text, std::function<void(ScriptWorld&, Watch)> act) {
    steps_.push_back({std::move(text), std::move(act), client_, server_});
    return *this;
}

SessionScript& SessionScript::expect(std::string text, std::function<bool(ScriptWorld&)> holds) {
    return add(std::move(text), [holds = std::move(holds)](ScriptWorld& world, Watch watch) {
        if (watch == Watch::strictly) CHECK(holds(world));
    });
}

SessionScript& SessionScript::check(std::string what, std::function<bool(ScriptWorld&)> holds) {
    return expect(std::move(what), std::move(holds));
}

SessionScript& SessionScript::does(std::string what, std::function<void(ScriptWorld&)> action) {
    return add(std::move(what), [action = std::move(action)](ScriptWorld& world, Watch) {
        action(world);
        world.settle();
    });
}

SessionScript& SessionScript::client_sends_bytes(std::string bytes) {
    return add(
        "client sends\n" + readable(bytes),
        [bytes, client = client_](ScriptWorld& world, Watch) {
            world.network->send(world.clients.at(client), bytes);
            world.settle();
        }
    );
}

SessionScript& SessionScript::server_replies_bytes(std::string bytes) {
    return add(
        "server replies\n" + readable(bytes),
        [bytes, server = server_](ScriptWorld& world, Watch) {
            world.network->send(world.servers.at(server), bytes);
            world.settle();
        }
    );
}

SessionScript& SessionScript::client_receives_bytes(std::string bytes) {
    return add(
        "client receives\n" + readable(bytes),
        [bytes, client = client_](ScriptWorld& world, Watch watch) {
            const auto got = world.network->received(world.clients.at(client));
            // Of last words a client gets what its socket takes at once.
            const bool cut = world.writes_short &&
                             world.network->closed(world.clients.at(client)) &&
                             bytes.starts_with(got);
            if (watch == Watch::strictly && !cut) {
                CHECK(readable(got) == readable(bytes));
                CHECK((got == bytes));
            } else {
                CHECK(well_formed(got));
            }
        }
    );
}

SessionScript& SessionScript::server_receives_bytes(std::string bytes) {
    return add(
        "server receives\n" + readable(bytes),
        [bytes, server = server_](ScriptWorld& world, Watch watch) {
            const auto got = world.network->received(world.servers.at(server));
            if (watch == Watch::loosely) return;
            CHECK(readable(got) == readable(bytes));
            CHECK((got == bytes));
        }
    );
}

SessionScript& SessionScript::client_ends() {
    return does("client ends", [client = client_](ScriptWorld& world) {
        world.network->end(world.clients.at(client));
    });
}

SessionScript& SessionScript::server_ends() {
    return does("server ends", [server = server_](ScriptWorld& world) {
        world.network->end(world.servers.at(server));
    });
}

SessionScript& SessionScript::client_connects(
    std::vector<std::pair<std::string, std::string>> settings
) {
    return does("client connects", [settings = std::move(settings)](ScriptWorld& world) {
        world.connect_client(settings);
    });
}

SessionScript& SessionScript::server_opens() {
    return does("server opens", [](ScriptWorld& world) { world.open_server(); });
}

SessionScript& SessionScript::time_passes(pool::Duration duration) {
    return does("time passes", [duration](ScriptWorld& world) {
        world.network->advance(duration);
    });
}

SessionScript& SessionScript::client_cancels() {
    return does("client cancels", [id = client_ + 1](ScriptWorld& world) {
        world.worker->with_session(id, [](proxy::ClientSession& session) { session.cancel(); });
    });
}

SessionScript& SessionScript::cancel_ends(bool certain) {
    return does("cancel ends", [certain](ScriptWorld& world) { world.finish_cancels(certain); });
}

SessionScript& SessionScript::client_takes(std::size_t bytes) {
    return does(
        "client takes " + std::to_string(bytes),
        [bytes, client = client_](ScriptWorld& world) {
            world.network->set_room(world.clients.at(client), bytes);
        }
    );
}

SessionScript& SessionScript::server_takes(std::size_t bytes) {
    return does(
        "server takes " + std::to_string(bytes),
        [bytes, server = server_](ScriptWorld& world) {
            world.network->set_room(world.servers.at(server), bytes);
        }
    );
}

SessionScript& SessionScript::client_is_gone() {
    return expect("client is gone", [client = client_](ScriptWorld& world) {
        return world.client_gone(client);
    });
}

SessionScript& SessionScript::client_lives() {
    return expect("client lives", [client = client_](ScriptWorld& world) {
        return !world.client_gone(client);
    });
}

SessionScript& SessionScript::server_is_closed(pool::CloseReason reason) {
    return expect(
        "server is closed: " + std::string(text(reason)),
        [server = server_, reason](ScriptWorld& world) {
            const auto& connection = *world.connections.at(server);
            return world.server_gone(server) && connection.state == pool::ServerState::closing &&
                   connection.close_reason == reason;
        }
    );
}

SessionScript& SessionScript::server_is_kept() {
    return expect("server is kept", [server = server_](ScriptWorld& world) {
        let_sequences_go(world);
        return !world.server_gone(server) &&
               world.connections.at(server)->state == pool::ServerState::idle;
    });
}

SessionScript& SessionScript::pool_has(std::size_t active, std::size_t idle, std::size_t waiting) {
    return add("pool counts", [=](ScriptWorld& world, Watch watch) {
        if (watch == Watch::loosely) return;
        let_sequences_go(world);
        const auto counts = world.counts();
        CHECK(counts.active == active);
        CHECK(counts.idle == idle);
        CHECK(counts.waiting == waiting);
    });
}

SessionScript& SessionScript::cancels_asked(std::size_t count) {
    return expect("cancels asked", [count](ScriptWorld& world) {
        return world.cancels.size() == count;
    });
}

// --- performances ---

void SessionScript::perform_steps(
    ScriptWorld& world, Watch watch, std::size_t first, std::size_t last
) {
    for (std::size_t i = first; i < last; ++i) {
        INFO("step " << i << ": " << steps_[i].text);
        steps_[i].act(world, watch);
    }
}

// Returns how many recv and send there were.
std::size_t SessionScript::perform(
    std::size_t read_size,
    std::size_t write_size,
    std::size_t operation,
    Failure failure,
    Watch watch
) {
    CAPTURE(read_size);
    CAPTURE(write_size);
    CAPTURE(operation);
    CAPTURE(static_cast<int>(failure));
    ScriptWorld world(options_);
    world.network->set_read_size(read_size);
    world.network->set_write_size(write_size);
    world.writes_short = write_size != pool::MemoryNetwork::unlimited ||
                         (operation > 0 && failure == Failure::stalls);
    const auto before = world.network->operations();
    if (operation > 0) world.network->fail_at(before + operation, failure);
    perform_steps(world, watch, 0, steps_.size());
    const auto operations = world.network->operations() - before;
    check_nothing_left(world);
    return operations;
}

void SessionScript::perform_with_end_after(
    std::size_t step, bool of_server, std::size_t read_size
) {
    CAPTURE(step);
    CAPTURE(of_server);
    CAPTURE(read_size);
    ScriptWorld world(options_);
    world.network->set_read_size(read_size);
    perform_steps(world, Watch::loosely, 0, step + 1);
    const auto& roles = steps_[step];
    const auto& descriptors = of_server ? world.servers : world.clients;
    const auto who = of_server ? roles.server : roles.client;
    if (who < descriptors.size()) world.network->end(descriptors[who]);
    world.settle();
    perform_steps(world, Watch::loosely, step + 1, steps_.size());
    check_nothing_left(world);
}

void SessionScript::play() {
    constexpr auto all = pool::MemoryNetwork::unlimited;
    std::size_t operations = 0;
    for (const auto size : options_.read_sizes) {
        operations = perform(size, all, 0, Failure::end, Watch::strictly);
    }
    perform(all, options_.read_sizes.front() * 7, 0, Failure::end, Watch::strictly);
    perform(
        options_.read_sizes.front(), options_.read_sizes.front(), 0, Failure::end, Watch::strictly
    );
    for (std::size_t n = 1; n <= operations; ++n) {
        if (options_.stalls) perform(all, all, n, Failure::stalls, Watch::strictly);
        perform(all, all, n, Failure::end, Watch::loosely);
        perform(all, all, n, Failure::reset, Watch::loosely);
    }
    for (std::size_t step = 0; step < steps_.size(); ++step) {
        for (const bool of_server : {true, false}) {
            perform_with_end_after(step, of_server, all);
            perform_with_end_after(
                step, of_server, options_.read_sizes[1 % options_.read_sizes.size()]
            );
        }
    }
}

}  // namespace weir::test
