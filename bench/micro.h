// Micro: one thing to measure. Its set-up runs once, its body many times; Google Benchmark takes
// the time, callgrind counts instructions of the same body (weir_micro --repeat=N NAME).
#pragma once

#include <functional>
#include <string>

namespace weir::bench {

using Body = std::function<void()>;

// Makes a Micro known under `name` at start-up: one object of this class at namespace scope each.
class Micro {
public:
    // `make` sets up and returns the body, which owns what it needs.
    Micro(std::string name, std::function<Body()> make);
};

}  // namespace weir::bench
