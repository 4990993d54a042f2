// Suggestions for misspelt keys.
#include "conf/keys.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace weir::conf {

namespace {

// Letters to insert, delete, replace or swap (optimal string alignment): "pool_mdoe" is 1 away.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::size_t width = b.size() + 1;
    std::vector<std::size_t> before(width);
    std::vector<std::size_t> last(width);
    std::vector<std::size_t> row(width);
    std::iota(last.begin(), last.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            std::size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({replace, last[j] + 1, row[j - 1] + 1});
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
        }
        before.swap(last);
        last.swap(row);
    }
    return last[b.size()];
}

}  // namespace

std::string_view closest(std::string_view word, std::span<const std::string_view> candidates) {
    // Keys are short; a megabyte of "key" is not worth a table.
    constexpr std::size_t longest = 64;
    if (word.empty() || word.size() > longest) return {};
    std::string_view best;
    std::size_t best_distance = word.size() / 3 + 1;
    for (std::string_view candidate : candidates) {
        std::size_t distance = edit_distance(word, candidate);
        if (distance < best_distance) {
            best_distance = distance;
            best = candidate;
        }
    }
    return best;
}

std::string suggestion(std::string_view word, std::span<const std::string_view> candidates) {
    std::string_view found = closest(word, candidates);
    return found.empty() ? std::string() : "; did you mean \"" + std::string(found) + "\"?";
}

}  // namespace weir::conf
