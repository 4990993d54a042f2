#include "proxy/listener.h"
#include "tests/unit/support/login_bench.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <sys/resource.h>
#include <sys/stat.h>

using namespace weir;
using namespace weir::test;

namespace {

struct ListenerBench : Bench {
    ListenerBench() {
        std::string pattern = "/tmp/weir-unit-listen.XXXXXX";
        directory = ::mkdtemp(pattern.data());
        settings.unix_socket_mode = 0640;
    }

    ~ListenerBench() { std::filesystem::remove_all(directory); }

    // A blocking connect to where `listener` listens, and a first word: who says nothing is kept by
    // the kernel for a while.
    static int connect_to(const pool::SocketAddress& address) {
        const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (::connect(fd, address.get(), address.size) == 0) {
            (void)::send(fd, "S", 1, MSG_NOSIGNAL);
            return fd;
        }
        ::close(fd);
        return -1;
    }

    conf::Settings settings;
    std::string directory;
    std::vector<pool::Transport> accepted;
    proxy::Listener listener{io.get_executor(), [this](pool::Transport transport) {
                                 accepted.push_back(std::move(transport));
                             }};
};

}  // namespace

TEST_CASE("Listener: several addresses on free ports, and what an accepted descriptor is like") {
    ListenerBench bench;
    REQUIRE(bench.listener.open_tcp("127.0.0.1", 0, bench.settings).has_value());
    REQUIRE(bench.listener.open_tcp("*", 0, bench.settings).has_value());
    REQUIRE(bench.listener.open_unix(bench.directory, 6432, bench.settings).has_value());
    bench.listener.start();
    const auto addresses = bench.listener.addresses();
    REQUIRE(addresses.size() >= 3);
    CHECK(addresses[0].port() > 0);
    for (std::size_t i = 0; i < addresses.size(); ++i) {
        const int client = ListenerBench::connect_to(addresses[i]);
        CHECK(client >= 0);
        CHECK(bench.run_until([&] { return bench.accepted.size() == i + 1; }));
        const int fd = bench.accepted.back().descriptor();
        CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
        CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        ::close(client);
    }
    bench.listener.stop();
    for (const auto& address : addresses)
        CHECK(ListenerBench::connect_to(address) == -1);
}

TEST_CASE("Listener: the Unix socket's mode, its file, and whose it is") {
    ListenerBench bench;
    const auto path = bench.directory + "/.s.PGSQL.6432";
    REQUIRE(bench.listener.open_unix(bench.directory, 6432, bench.settings).has_value());

    struct stat status {};

    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0640);

    proxy::Listener second(bench.io.get_executor(), [](pool::Transport) {});
    // Somebody listens: it is not taken away.
    CHECK(second.open_unix(bench.directory, 6432, bench.settings).has_error());
    CHECK(ListenerBench::connect_to(bench.listener.addresses()[0]) >= 0);

    // Stale after a crash: replaced. The first listener does not remove what is not its own.
    std::filesystem::rename(path, path + ".moved");
    std::filesystem::remove(path + ".moved");
    REQUIRE(second.open_unix(bench.directory, 6432, bench.settings).has_value());
    bench.listener.stop();
    CHECK(std::filesystem::exists(path));
    second.stop();
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("Listener: a stale socket file is replaced, another file is not") {
    ListenerBench bench;
    const auto path = bench.directory + "/.s.PGSQL.6432";
    const auto address = pool::SocketAddress::unix_socket(path);
    const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(::bind(dead, address->get(), address->size) == 0);
    ::close(dead);
    CHECK(bench.listener.open_unix(bench.directory, 6432, bench.settings).has_value());
    bench.listener.stop();
    ::close(::open(path.c_str(), O_CREAT | O_WRONLY, 0600));
    CHECK(bench.listener.open_unix(bench.directory, 6432, bench.settings).has_error());
    CHECK(std::filesystem::is_regular_file(path));
}

TEST_CASE("Listener: what cannot be had is an error at start") {
    ListenerBench bench;
    CHECK(bench.listener.open_tcp("203.0.113.7", 0, bench.settings).has_error());
    CHECK(bench.listener.open_tcp("no such name.invalid", 0, bench.settings).has_error());
    CHECK(bench.listener.open_unix("/nowhere/at/all", 6432, bench.settings).has_error());
    CHECK(bench.listener.open_unix("/" + std::string(120, 'd'), 6432, bench.settings).has_error());
    bench.settings.unix_socket_group = "no-such-group";
    CHECK(bench.listener.open_unix(bench.directory, 6432, bench.settings).has_error());
    CHECK_FALSE(std::filesystem::exists(bench.directory + "/.s.PGSQL.6432"));
    bench.settings.listen_addr.clear();
    bench.settings.unix_socket_dir.clear();
    CHECK(bench.listener.open(bench.settings).has_error());
    CHECK(bench.listener.addresses().empty());
}

TEST_CASE("Listener: the abstract name space") {
    ListenerBench bench;
    const auto name = "@weir-test-" + std::to_string(::getpid());
    REQUIRE(bench.listener.open_unix(name, 6432, bench.settings).has_value());
    bench.listener.start();
    const auto address = pool::SocketAddress::unix_socket(pool::unix_socket_path(name, 6432));
    const int client = ListenerBench::connect_to(*address);
    CHECK(client >= 0);
    CHECK(bench.run_until([&] { return bench.accepted.size() == 1; }));
    ::close(client);
}

TEST_CASE("Listener: out of descriptors, accepting pauses without spinning and resumes") {
    ListenerBench bench;
    REQUIRE(bench.listener.open_tcp("127.0.0.1", 0, bench.settings).has_value());
    bench.listener.start();
    const int client = ListenerBench::connect_to(bench.listener.addresses()[0]);
    REQUIRE(client >= 0);
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const int next = ::dup(0);
    ::close(next);
    rlimit tight = before;
    tight.rlim_cur = static_cast<rlim_t>(next);
    ::setrlimit(RLIMIT_NOFILE, &tight);
    const auto start = std::chrono::steady_clock::now();
    std::size_t handlers = 0;
    while (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(500)) {
        bench.io.restart();
        handlers += bench.io.run_one_for(std::chrono::milliseconds(10));
    }
    ::setrlimit(RLIMIT_NOFILE, &before);
    CHECK(bench.accepted.empty());
    CHECK(bench.listener.pauses() >= 2);
    CHECK(bench.listener.pauses() <= 4);
    CHECK(handlers < 20);
    CHECK(bench.run_until([&] { return bench.accepted.size() == 1; }));
    ::close(client);
}
