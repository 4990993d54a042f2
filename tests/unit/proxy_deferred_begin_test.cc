#include "proxy/deferred_begin.h"

#include <doctest/doctest.h>

using weir::proxy::begin_with_modes;

TEST_CASE("begin_with_modes: what SET TRANSACTION says joins the BEGIN") {
    CHECK(begin_with_modes("BEGIN", "SET TRANSACTION READ ONLY") == "BEGIN\nREAD ONLY");
    CHECK(
        begin_with_modes(
            "begin -- why\n; ", "set local transaction isolation level serializable;"
        ) == "begin\nisolation level serializable"
    );
    CHECK(
        begin_with_modes(
            "START TRANSACTION READ ONLY", "/* a */ SET TRANSACTION -- b\n READ WRITE, DEFERRABLE"
        ) == "START TRANSACTION READ ONLY\nREAD WRITE, DEFERRABLE"
    );
    CHECK_FALSE(begin_with_modes("BEGIN", "SET SESSION TRANSACTION READ ONLY"));
    CHECK_FALSE(begin_with_modes("BEGIN", "SET TRANSACTION"));
    CHECK_FALSE(
        begin_with_modes("BEGIN" + std::string(2000, ' ') + "WORK", "SET TRANSACTION READ ONLY")
    );
}
