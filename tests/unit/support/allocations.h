// How often this thread has allocated. Linking allocations.cc replaces operator new.
#pragma once

#include <cstddef>

namespace weir::test {

std::size_t allocations();

// Those since it was made.
class AllocationCount {
public:
    std::size_t allocations() const { return weir::test::allocations() - before_; }

private:
    std::size_t before_ = weir::test::allocations();
};

}  // namespace weir::test
