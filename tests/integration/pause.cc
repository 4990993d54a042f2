// PAUSE and RESUME: whatever ends or disturbs a PAUSE, nobody hangs.
#include "tests/integration/console_table.h"
#include "tests/integration/fixture.h"

#include <chrono>

using namespace weir::test;

TEST_CASE("PAUSE waits for transactions and holds new ones back; RESUME lets them go") {
    const Fixture fixture{2};
    const std::string name = fixture.database.name();
    for (const std::string& target : {std::string(), " " + name}) {
        CAPTURE(target);
        Pg console = fixture.proxy.console();
        Pg busy = fixture.connect();
        Pg waiter = fixture.connect();
        busy.exec("begin");
        busy.exec("select 1");
        console.send("PAUSE" + target);
        holds_for(
            "PAUSE waits", [&] { return !console.answered(); }, std::chrono::milliseconds(200)
        );
        CHECK(busy.value("select 'still served'") == "still served");
        busy.exec("commit");
        CHECK(console.finish().tag() == "PAUSE");
        wait_until("the servers are gone", [&] { return fixture.database.backends() == 0; });
        waiter.send("select 'after the pause'");
        holds_for(
            "nobody is served", [&] { return !waiter.answered(); }, std::chrono::milliseconds(200)
        );
        CHECK(console.exec("RESUME" + target).tag() == "RESUME");
        CHECK(waiter.finish().value() == "after the pause");
    }
}

TEST_CASE("RESUME while PAUSE still waits: both return" * ours_only()) {
    const Fixture fixture{2};
    const std::string name = fixture.database.name();
    Pg busy = fixture.connect();
    busy.exec("begin");
    busy.exec("select 1");
    for (const std::string& target : {std::string(), " " + name}) {
        CAPTURE(target);
        Pg pausing = fixture.proxy.console();
        Pg resuming = fixture.proxy.console();
        pausing.send("PAUSE" + target);
        sleep_ms(100);
        CHECK(resuming.exec("RESUME" + target).tag() == "RESUME");
        pausing.finish();
        Pg next = fixture.connect();
        CHECK(next.value("select 1") == "1");
    }
    busy.exec("commit");
}

TEST_CASE("PAUSE with clients who wait: they keep their places and are served after RESUME") {
    const Fixture fixture{1};
    Pg busy = fixture.connect();
    busy.exec("begin");
    busy.exec("select 1");
    Pg first = fixture.connect();
    Pg second = fixture.connect();
    first.send("select 'first'");
    second.send("select 'second'");
    Pg console = fixture.proxy.console();
    Pg watching = fixture.proxy.console();
    const auto of_pool = [&](const std::string& column) {
        return cell(watching.exec("SHOW POOLS"), "database", fixture.database.name(), column);
    };
    wait_until("both wait", [&] { return of_pool("cl_waiting") == "2"; });
    console.send("PAUSE");
    sleep_ms(100);
    busy.exec("commit");
    CHECK(console.finish().tag() == "PAUSE");
    CHECK(of_pool("cl_waiting") == "2");
    CHECK(of_pool("sv_active") == "0");
    CHECK_FALSE(first.answered());
    console.exec("RESUME");
    CHECK(first.finish().value() == "first");
    CHECK(second.finish().value() == "second");
}

TEST_CASE(
    "PAUSE of one database twice: both return; who gives up leaves it to the other" * ours_only()
) {
    const Fixture fixture{1};
    const std::string name = fixture.database.name();
    Pg busy = fixture.connect();
    busy.exec("begin");
    busy.exec("select 1");
    Pg console = fixture.proxy.console();
    Pg watching = fixture.proxy.console();
    console.send("PAUSE " + name);
    {
        Pg dying = fixture.proxy.console();
        sleep_ms(100);
        dying.send("PAUSE " + name);
        sleep_ms(100);
    }
    sleep_ms(100);
    CHECK(cell(watching.exec("SHOW DATABASES"), "name", name, "paused") == "1");
    CHECK_FALSE(console.answered());
    busy.exec("commit");
    CHECK(console.finish().tag() == "PAUSE");
    CHECK(console.exec("PAUSE " + name).tag() == "PAUSE");
    // A PAUSE of all in between does not resume it.
    console.exec("PAUSE");
    console.exec("RESUME");
    CHECK(cell(watching.exec("SHOW DATABASES"), "name", name, "paused") == "1");
    console.exec("RESUME " + name);
    CHECK(busy.value("select 1") == "1");
}

TEST_CASE("a console that dies while its PAUSE waits: clients are served" * ours_only()) {
    const Fixture fixture{2};
    Pg busy = fixture.connect();
    busy.exec("begin");
    busy.exec("select 1");
    for (const std::string& target : {std::string(), " " + fixture.database.name()}) {
        CAPTURE(target);
        {
            Pg dying = fixture.proxy.console();
            dying.send("PAUSE" + target);
            sleep_ms(100);
        }
        Pg next = fixture.connect();
        CHECK(next.value("select 'served'") == "served");
    }
    busy.exec("commit");
}

TEST_CASE("cancelling a waiting PAUSE undoes it") {
    const Fixture fixture{2};
    Pg busy = fixture.connect();
    busy.exec("begin");
    busy.exec("select 1");
    Pg console = fixture.proxy.console();
    console.send("PAUSE");
    sleep_ms(200);
    console.cancel();
    wait_until("clients are served", [&] {
        Pg next = fixture.connect();
        next.send("select 1");
        sleep_ms(100);
        return next.answered();
    });
    busy.exec("commit");
}
