// Secret: a text that cannot be printed by accident.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace weir::conf {

// Has no stream operator and no implicit conversion on purpose: whoever needs the characters says
// reveal(), which is easy to find in a review.
class Secret {
public:
    Secret() = default;

    explicit Secret(std::string text) : text_(std::move(text)) {}

    // The view lives as long as this object.
    std::string_view reveal() const { return text_; }

    bool empty() const { return text_.empty(); }

    bool operator==(const Secret&) const = default;

private:
    std::string text_;
};

}  // namespace weir::conf
