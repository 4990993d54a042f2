#include "router/search_path.h"

#include "router/body_tokens.h"

#include <utility>

namespace weir::router {

namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

// SplitIdentifierString() of PostgreSQL.
class NameList {
public:
    explicit NameList(std::string_view text) : text_{text} { skip_spaces(); }

    bool at_end() const { return at_ == text_.size(); }

    std::optional<std::string> next() {
        auto name = at_end() ? std::nullopt : text_[at_] == '"' ? quoted() : plain();
        skip_spaces();
        return name;
    }

    // False behind the last name.
    bool take_comma() {
        if (at_end() || text_[at_] != ',') return false;
        ++at_;
        skip_spaces();
        return true;
    }

private:
    void skip_spaces() {
        while (!at_end() && is_blank(text_[at_]))
            ++at_;
    }

    std::optional<std::string> quoted() {
        std::string name;
        for (++at_; !at_end(); ++at_) {
            if (text_[at_] == '"') {
                if (at_ + 1 == text_.size() || text_[at_ + 1] != '"') break;
                ++at_;
            }
            name += text_[at_];
        }
        if (at_end()) return {};
        ++at_;
        return name;
    }

    std::optional<std::string> plain() {
        const std::size_t start = at_;
        while (!at_end() && text_[at_] != ',' && !is_blank(text_[at_]))
            ++at_;
        if (at_ == start) return {};
        return folded(text_.substr(start, at_ - start));
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace

std::optional<SearchPath> SearchPath::parse(std::string_view setting, std::string_view role) {
    SearchPath path;
    NameList names{setting};
    if (names.at_end()) return path;
    do {
        auto name = names.next();
        if (!name) return {};
        if (*name == "$user") {
            if (role.empty()) return {};
            name = role;
        }
        if (*name == "pg_temp") continue;
        path.names_pg_catalog |= *name == "pg_catalog";
        path.schemas.push_back(std::move(*name));
    } while (names.take_comma());
    if (!names.at_end()) return {};
    return path;
}

}  // namespace weir::router
