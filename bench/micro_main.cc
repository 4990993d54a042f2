// weir_micro: Google Benchmark's command line, or  weir_micro --repeat=N NAME  for callgrind.
#include "bench/micro.h"

#include <benchmark/benchmark.h>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <new>
#include <string_view>

namespace {

// Allocations of this thread; the data plane is to make none in the steady state.
thread_local std::uint64_t allocations = 0;

void* allocate(std::size_t size) {
    ++allocations;
    if (void* memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) {
    return allocate(size);
}

void* operator new[](std::size_t size) {
    return allocate(size);
}

void operator delete(void* memory) noexcept {
    std::free(memory);
}

void operator delete[](void* memory) noexcept {
    std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}

void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace weir::bench {

namespace {

std::map<std::string, std::function<Body()>>& micros() {
    static std::map<std::string, std::function<Body()>> all;
    return all;
}

// Enough for caches, capacities and branch predictors to be what they are in the steady state.
constexpr int warm_up = 2000;

void measure(benchmark::State& state, const std::function<Body()>& make) {
    const auto body = make();
    for (int i = 0; i < warm_up; ++i)
        body();
    const auto before = allocations;
    for (auto _ : state)
        body();
    state.counters["allocations"] =
        static_cast<double>(allocations - before) / static_cast<double>(state.iterations());
}

int repeat(std::string_view name, long times) {
    const auto found = micros().find(std::string(name));
    if (found == micros().end()) {
        std::fprintf(
            stderr, "weir_micro: there is no %.*s\n", static_cast<int>(name.size()), name.data()
        );
        return 2;
    }
    const auto body = found->second();
    for (long i = 0; i < times; ++i)
        body();
    return 0;
}

}  // namespace

Micro::Micro(std::string name, std::function<Body()> make) {
    micros().emplace(std::move(name), std::move(make));
}

int run(int argc, char** argv) {
    constexpr std::string_view option = "--repeat=";
    if (argc == 3 && std::string_view(argv[1]).starts_with(option)) {
        return repeat(argv[2], std::atol(argv[1] + option.size()));
    }
    for (const auto& [name, make] : micros()) {
        benchmark::RegisterBenchmark(name.c_str(), [&make](benchmark::State& state) {
            measure(state, make);
        });
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}

}  // namespace weir::bench

int main(int argc, char** argv) {
    return weir::bench::run(argc, argv);
}
