#include "pool/pool_policy.h"

#include <algorithm>
#include <limits>

namespace weir::pool {

std::size_t servers_to_open(const PoolCounts& counts, const PoolLimits& limits) {
    const auto unlimited = std::numeric_limits<std::size_t>::max();
    auto limit = limits.size == 0 ? unlimited : limits.size;
    const bool waited_long =
        limits.reserve_timeout > Duration::zero() && counts.oldest_wait >= limits.reserve_timeout;
    if (limits.reserve > 0 && waited_long && limit != unlimited) limit += limits.reserve;

    // Each waiter is worth one opening; those under way will serve as many.
    std::size_t wanted = counts.waiting > counts.opening ? counts.waiting - counts.opening : 0;
    if (counts.has_clients && counts.total() < limits.min_size) {
        wanted = std::max(wanted, limits.min_size - counts.total());
    }
    const auto room = limit > counts.total() ? limit - counts.total() : 0;
    const auto logins =
        limits.parallel_logins > counts.opening ? limits.parallel_logins - counts.opening : 0;
    return std::min({wanted, room, logins});
}

Duration lifetime_of(std::uint64_t index, const PoolLimits& limits) {
    // Multiplying by an odd constant spreads consecutive indexes over 0..255 evenly.
    const auto spread = static_cast<Duration::rep>((index * 151) & 0xff);
    return limits.server_lifetime - limits.server_lifetime / 5 * spread / 256;
}

Duration retry_pause(unsigned failures, Duration limit) {
    if (failures == 0) return Duration::zero();
    const auto doubled = std::chrono::milliseconds(100) * (1U << std::min(failures - 1, 16U));
    return std::min<Duration>(doubled, limit);
}

}  // namespace weir::pool
