// pgweir.toml.
#include "conf/load_toml.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto loaded = weir::conf::load_toml(weir::fuzz::text_of(data, size), "fuzz.toml");
    FUZZ_CHECK(loaded.ok() == loaded.problems.errors.empty());
    return 0;
}
