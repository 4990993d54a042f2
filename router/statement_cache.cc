#include "router/statement_cache.h"

#include "protocol/masked_text.h"
#include "protocol/text_template.h"
#include "router/pg_query_parser.h"

#include <boost/unordered/unordered_flat_map.hpp>

#include <array>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace weir::router {

namespace {

using protocol::TextKey;

// The keys are hashes with a secret seed already.
struct AsItIs {
    using is_avalanching = void;

    std::size_t operator()(std::uint64_t hash) const { return hash; }

    std::size_t operator()(const TextKey& key) const { return key.low; }
};

std::size_t estimated_size(const Statement& statement) {
    std::size_t size = sizeof(Statement) + statement.kinds.capacity() + statement.name.capacity() +
                       statement.pin_detail.capacity();
    for (const SettingChange& change : statement.settings)
        size +=
            sizeof change + change.name.capacity() + (change.value ? change.value->capacity() : 0);
    for (const ScopeChange& scope : statement.scopes)
        size += sizeof scope + scope.name.capacity();
    size += statement.reads.names.capacity() +
            statement.reads.modes.capacity() * sizeof(ModeChange) +
            statement.reads.attributes.capacity() * sizeof(std::uint32_t);
    size += statement.builtin_functions.capacity() * sizeof(std::string_view);
    size += statement.fingerprints.capacity() * sizeof(FingerprintRef);
    for (const FingerprintRef& fingerprint : statement.fingerprints)
        size += sizeof(Fingerprint) + fingerprint->text.capacity();
    for (const auto* names :
         {&statement.functions,
          &statement.relations,
          &statement.operators,
          &statement.possible_functions})
        for (const std::string& name : *names)
            size += sizeof name + name.capacity();
    return size;
}

// Statements by the templates of their texts: a look-up compares bytes where the table of
// literal-blind keys needs a cryptographic hash over all tokens. It only repeats what that table
// has said, so it may forget anything.
class Templates {
public:
    // `prefix`: the text's common_prefix().
    const StatementPtr* find(
        std::string_view text, std::string_view prefix, const protocol::TextKeySeed& seed
    ) {
        for (Slot& slot : set_of(prefix, seed)) {
            if (slot.statement != nullptr && slot.form.matches(text)) {
                slot.used = true;
                if (text.size() >= glance) {
                    recent_[recent_of(text, seed)] =
                        static_cast<std::uint16_t>(&slot - slots_.data());
                }
                return &slot.statement;
            }
        }
        return nullptr;
    }

    // The last one found for a text that begins with the same bytes, if it is this text's: without
    // a look at where its literals are. It may miss what find() finds.
    const StatementPtr* find_recent(std::string_view text, const protocol::TextKeySeed& seed) {
        if (text.size() < glance) return nullptr;
        Slot& slot = slots_[recent_[recent_of(text, seed)]];
        if (slot.statement == nullptr || !slot.form.matches(text)) return nullptr;
        slot.used = true;
        return &slot.statement;
    }

    // Takes the place of one that was not used since it was last looked at here. Many texts that
    // begin alike keep what is there.
    void remember(
        std::string_view text, const StatementPtr& statement, const protocol::TextKeySeed& seed
    ) {
        const auto set = set_of(protocol::TextTemplate::common_prefix(text), seed);
        Slot& slot = set[next_victim_++ % ways];
        if (std::exchange(slot.used, false)) return;
        slot.used = slot.form.assign(text);
        slot.statement = slot.used ? statement : nullptr;
    }

private:
    static constexpr std::size_t sets = 128;
    static constexpr std::size_t ways = 4;
    static constexpr std::size_t recents = 256;
    // Bytes at the beginning of a text.
    static constexpr std::size_t glance = 32;

    struct Slot {
        protocol::TextTemplate form;
        StatementPtr statement;
        bool used = false;
    };

    std::span<Slot, ways> set_of(std::string_view prefix, const protocol::TextKeySeed& seed) {
        const std::size_t set = protocol::text_hash(prefix, seed) % sets;
        return std::span<Slot, ways>(&slots_[set * ways], ways);
    }

    // REQUIRES: `glance` bytes.
    static std::size_t recent_of(std::string_view text, const protocol::TextKeySeed& seed) {
        std::uint64_t words[glance / 8];
        std::memcpy(words, text.data(), sizeof words);
        const auto mixed = ((words[0] ^ seed.first) * 0x9e3779b97f4a7c15U) ^
                           ((words[1] ^ seed.second) * 0xbf58476d1ce4e5b9U) ^
                           ((words[2] + seed.first) * 0x94d049bb133111ebU) ^
                           ((words[3] + seed.second) * 0xd6e8feb86659fd93U);
        return mixed >> 56;
    }

    std::vector<Slot> slots_{sets * ways};
    std::array<std::uint16_t, recents> recent_{};  // indexes of slots_
    std::size_t next_victim_ = 0;
};

}  // namespace

struct StatementCache::Store {
    // One remembered text: by its bytes, or by its literal-blind key.
    struct Entry {
        StatementPtr statement;
        std::string text;
        std::uint64_t hash = 0;
        TextKey key;
        std::size_t size = 0;
        bool exact = false;
        bool used = false;  // since the clock's hand last passed
    };

    explicit Store(Limits wanted) : limits{wanted} {
        // Reserved, so that no insertion moves an entry that a caller looks at.
        entries.reserve(limits.entries);
        by_text.reserve(limits.entries);
        by_key.reserve(limits.entries);
    }

    const StatementPtr* find_exact(std::uint64_t hash, std::string_view text) {
        const auto found = by_text.find(hash);
        if (found == by_text.end()) return nullptr;
        Entry& entry = entries[found->second];
        if (entry.text != text) return nullptr;
        entry.used = true;
        return &entry.statement;
    }

    const StatementPtr* find_blind(const TextKey& key) {
        const auto found = by_key.find(key);
        if (found == by_key.end()) return nullptr;
        Entry& entry = entries[found->second];
        entry.used = true;
        return &entry.statement;
    }

    const StatementPtr& remember(Entry entry) {
        entry.size = sizeof(Entry) + entry.text.capacity() + estimated_size(*entry.statement);
        if (limits.entries == 0 || entry.size > limits.bytes) {
            unkept = std::move(entry.statement);
            return unkept;
        }
        if (entry.exact) {
            // Two texts with one hash: the later one stays.
            const auto other = by_text.find(entry.hash);
            if (other != by_text.end()) forget(other->second);
        }
        while (!entries.empty() &&
               (entries.size() == limits.entries || bytes + entry.size > limits.bytes))
            evict();
        const auto index = static_cast<std::uint32_t>(entries.size());
        bytes += entry.size;
        entries.push_back(std::move(entry));
        const Entry& kept = entries.back();
        if (kept.exact)
            by_text[kept.hash] = index;
        else
            by_key[kept.key] = index;
        return kept.statement;
    }

    // The clock: the first entry from the hand on that was not used since the hand was there.
    void evict() {
        while (true) {
            if (hand >= entries.size()) hand = 0;
            if (!entries[hand].used) break;
            entries[hand++].used = false;
        }
        forget(hand);
        ++counters.evictions;
    }

    // The last entry takes the place of the one that goes.
    void forget(std::size_t index) {
        Entry& gone = entries[index];
        if (gone.exact)
            by_text.erase(gone.hash);
        else
            by_key.erase(gone.key);
        bytes -= gone.size;
        if (index + 1 != entries.size()) {
            gone = std::move(entries.back());
            if (gone.exact)
                by_text[gone.hash] = static_cast<std::uint32_t>(index);
            else
                by_key[gone.key] = static_cast<std::uint32_t>(index);
        }
        entries.pop_back();
    }

    // The statement of a text that is not remembered, with its fingerprints.
    StatementPtr make(std::string_view text, protocol::TextRules rules) {
        auto analysed = analyse(text, rules);
        // Those that are opaque share one for each reason; a fresh one is nobody else's yet.
        auto statement = analysed.use_count() == 1 ? std::const_pointer_cast<Statement>(analysed)
                                                   : std::make_shared<Statement>(*analysed);
        analysed.reset();
        const std::size_t count = statement->parsed ? statement->kinds.size() : 0;
        statement->fingerprints = book.fingerprints_of(text, count, rules);
        if (statement->is_single() && statement->kind() == StatementKind::prepare)
            statement->prepares = book.fingerprint_of_prepared(text);
        statement->traceparent = protocol::find_traceparent(text);
        return statement;
    }

    Limits limits;
    Counters counters;
    FingerprintBook book;
    protocol::TextKeySeed seed = protocol::TextKeySeed::random();
    std::vector<Entry> entries;
    Templates templates;
    boost::unordered_flat_map<std::uint64_t, std::uint32_t, AsItIs> by_text;
    boost::unordered_flat_map<TextKey, std::uint32_t, AsItIs> by_key;
    std::size_t bytes = 0;
    std::size_t hand = 0;
    StatementPtr unkept;  // the last answer that is not in the table
};

StatementCache::StatementCache() : StatementCache{Limits{}} {}

StatementCache::StatementCache(Limits limits) : store_{std::make_unique<Store>(limits)} {}

StatementCache::~StatementCache() = default;

const StatementPtr& StatementCache::find_or_analyse(
    std::string_view text, protocol::TextRules rules
) {
    Store& store = *store_;
    if (!rules.can_read(text) || text.size() > parser_text_limit) {
        ++store.counters.unkeyed;
        store.unkept = store.make(text, rules);
        return store.unkept;
    }
    const StatementPtr* found = store.templates.find_recent(text, store.seed);
    if (found != nullptr) {
        ++store.counters.blind_hits;
        return *found;
    }
    // A text with literals is hardly ever the same as one before; one without always is. Neither
    // table has what the other has, so only the cost hangs on the order.
    const auto prefix = protocol::TextTemplate::common_prefix(text);
    const bool likely_literals = prefix.size() < text.size() && !prefix.ends_with('$');
    const auto find_template = [&] {
        return store.templates.find(text, prefix, store.seed);
    };
    found = likely_literals ? find_template() : nullptr;
    if (found != nullptr) {
        ++store.counters.blind_hits;
        return *found;
    }
    const std::uint64_t hash = protocol::text_hash(text, store.seed);
    found = store.find_exact(hash, text);
    if (found != nullptr) {
        ++store.counters.exact_hits;
        return *found;
    }
    if (!likely_literals) found = find_template();
    if (found != nullptr) {
        ++store.counters.blind_hits;
        return *found;
    }
    const protocol::LiteralBlindKey blind = protocol::literal_blind_key(text, store.seed);
    const bool has_key = blind.usable && blind.has_literals;
    if (has_key) {
        found = store.find_blind(blind.key);
        if (found != nullptr) {
            ++store.counters.blind_hits;
            store.templates.remember(text, *found, store.seed);
            return *found;
        }
    }
    ++store.counters.misses;
    Store::Entry entry;
    entry.statement = store.make(text, rules);
    if (has_key && entry.statement->parsed && !entry.statement->literals_matter) {
        entry.key = blind.key;
        store.templates.remember(text, entry.statement, store.seed);
    } else {
        entry.exact = true;
        entry.hash = hash;
        entry.text = text;
    }
    return store.remember(std::move(entry));
}

const StatementCache::Counters& StatementCache::counters() const {
    return store_->counters;
}

std::size_t StatementCache::entries() const {
    return store_->entries.size();
}

std::size_t StatementCache::bytes() const {
    return store_->bytes;
}

}  // namespace weir::router
