// ReadFacts: what decides where a text may run, as far as the text tells: part of a Statement. The
// names in it are for the catalog to judge (read_route.h).
#pragma once

#include "router/read_reason.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

struct weir_tree;

namespace weir::router {

enum class NameKind : std::uint8_t { function, relation, operator_, type };

std::string_view text(NameKind kind);

// One name that a text uses.
struct NameUse {
    NameKind kind = NameKind::function;
    std::string_view schema;  // empty without one
    std::string_view name;
    std::uint8_t arguments = 0;  // of a function
};

// Each use once, packed into one string: a text of the usual kind has a few dozen bytes of them.
class NameUses {
public:
    // False if the name is too long to be one of PostgreSQL's.
    bool add(const NameUse& use);

    class Iterator {
    public:
        explicit Iterator(const char* at) : at_{at} {}

        NameUse operator*() const;
        Iterator& operator++();

        bool operator==(const Iterator&) const = default;

        const char* position() const { return at_; }

    private:
        const char* at_;
    };

    Iterator begin() const { return Iterator{bytes_.data()}; }

    Iterator end() const { return Iterator{bytes_.data() + bytes_.size()}; }

    bool empty() const { return bytes_.empty(); }

    std::size_t capacity() const { return bytes_.capacity(); }

    bool operator==(const NameUses&) const = default;

private:
    std::string bytes_;
};

// What BEGIN, START TRANSACTION and SET TRANSACTION say, one of each in the text.
struct ModeChange {
    enum class Access : std::uint8_t { not_given, read_only, read_write };

    std::uint16_t statement = 0;  // index into Statement::kinds
    Access access = Access::not_given;
    bool gives_isolation = false;
    bool serializable = false;
    bool contradictory = false;
    bool snapshot = false;

    bool operator==(const ModeChange&) const = default;
};

struct ReadFacts {
    bool known = false;  // the text was parsed and walked to its end
    // The greatest target that the text alone tells, and why: `any` or `replica_ok` may be more.
    ReadTarget target = ReadTarget::primary;
    ReadReason reason = ReadReason::opaque;
    // LOCK is the reason, and no mode of it is above ROW EXCLUSIVE: a read-only transaction may.
    bool locks_weakly = false;
    bool sets_modes = false;   // a SET of default_transaction_* or transaction_*
    bool sets_names = false;   // a SET that changes what names mean
    bool begins = false;       // BEGIN or START TRANSACTION is in it
    bool needs_names = false;  // `names` or attributes are not empty

    NameUses names;
    std::vector<ModeChange> modes;
    // Hashes (attribute_hash) of what stands behind a dot: t.f may be f(t). Sorted.
    std::vector<std::uint32_t> attributes;

    bool operator==(const ReadFacts&) const = default;
};

// `on_value`: (expression).name, where anything may have that function, and not only a row.
std::uint32_t attribute_hash(std::string_view name, bool on_value);

struct Statement;

// Of a tree that was walked to its end. REQUIRES: the rest of `statement` is filled.
ReadFacts read_facts(const weir_tree& tree, const Statement& statement);

}  // namespace weir::router
