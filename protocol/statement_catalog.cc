#include "protocol/statement_catalog.h"

#include "protocol/field_cursor.h"

#include <algorithm>
#include <charconv>

namespace weir::protocol {

StatementRef StatementCatalog::find_or_add(std::string_view definition, std::string_view scope) {
    return find_or_make(definition, scope, {});
}

// Its name stands where a Parse has parameter types, which are longer by their own count.
StatementRef StatementCatalog::find_or_add_sql(
    std::string_view name, std::string_view prepare_text, std::string_view scope
) {
    std::string definition(prepare_text);
    definition.append(1, '\0').append("SQL ").append(name);
    return find_or_make(definition, scope, name);
}

StatementRef StatementCatalog::find_or_make(
    std::string_view definition, std::string_view scope, std::string_view sql_name
) {
    const auto hash = std::hash<std::string_view>{}(definition) ^
                      std::hash<std::string_view>{}(scope)*0x9e3779b97f4a7c15ULL;
    auto& shard = shards_[hash % shards_.size()];
    const std::lock_guard lock(shard.mutex);
    const auto [first, last] = shard.statements.equal_range(hash);
    for (auto it = first; it != last; ++it) {
        auto statement = it->second.lock();
        if (statement && statement->definition == definition && statement->scope == scope) {
            return statement;
        }
    }
    if (shard.statements.size() >= shard.sweep_at) {
        std::erase_if(shard.statements, [](const auto& entry) { return entry.second.expired(); });
        shard.sweep_at = std::max<std::size_t>(64, shard.statements.size() * 2);
    }
    auto statement = std::make_shared<SharedStatement>();
    statement->id = next_id_.fetch_add(1, std::memory_order_relaxed);
    statement->server_name = std::string(server_name_prefix) + std::to_string(statement->id);
    if (!sql_name.empty()) {
        statement->from_sql = true;
        statement->server_name = sql_name;
    }
    statement->definition = definition;
    statement->scope = scope;
    shard.statements.emplace(hash, statement);
    return statement;
}

StatementRef StatementCatalog::resident() {
    auto statement = std::make_shared<SharedStatement>();
    statement->id = next_id_.fetch_add(1, std::memory_order_relaxed);
    statement->server_name = std::string(server_name_prefix) + std::to_string(statement->id);
    statement->resident = true;
    return statement;
}

std::size_t StatementCatalog::size() const {
    std::size_t live = 0;
    for (const auto& shard : shards_) {
        const std::lock_guard lock(shard.mutex);
        for (const auto& entry : shard.statements)
            live += entry.second.expired() ? 0 : 1;
    }
    return live;
}

const ClientStatements::Entry* ClientStatements::entry(std::string_view name) const {
    const auto found = names_.find(name);
    return found == names_.end() ? nullptr : &found->second;
}

void ClientStatements::set_columns(std::uint32_t id, std::uint64_t columns) {
    for (auto& [name, entry] : names_) {
        if (entry.statement->id == id) entry.columns = columns;
    }
}

void ClientStatements::add(std::string_view name, StatementRef statement) {
    remove(name);
    from_sql_ += statement->from_sql ? 1 : 0;
    names_.emplace(name, Entry{std::move(statement)});
}

bool ClientStatements::remove(std::string_view name) {
    const auto found = names_.find(name);
    if (found == names_.end()) return false;
    from_sql_ -= found->second.statement->from_sql ? 1 : 0;
    names_.erase(found);
    return true;
}

std::string_view ClientStatements::name_of(std::uint32_t id) const {
    for (const auto& [name, entry] : names_) {
        if (entry.statement->id == id) return name;
    }
    return {};
}

bool PreparedSet::contains(std::uint32_t id) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return false;
    by_use_.splice(by_use_.begin(), by_use_, found->second);
    return true;
}

void PreparedSet::add(StatementRef statement) {
    const auto id = statement->id;
    if (contains(id)) return;
    by_use_.push_front(std::move(statement));
    by_id_.emplace(id, by_use_.begin());
}

void PreparedSet::remove(std::uint32_t id) {
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return;
    by_use_.erase(found->second);
    by_id_.erase(found);
}

std::optional<StatementRef> PreparedSet::evict_over(std::size_t limit) {
    if (by_use_.size() <= limit || by_use_.empty()) return std::nullopt;
    auto oldest = by_use_.back();
    remove(oldest->id);
    return oldest;
}

void PreparedSet::keep_only(const std::vector<std::uint32_t>& ids) {
    for (auto it = by_use_.begin(); it != by_use_.end();) {
        const auto id = (*it)->id;
        if (std::find(ids.begin(), ids.end(), id) != ids.end()) {
            ++it;
            continue;
        }
        by_id_.erase(id);
        it = by_use_.erase(it);
    }
}

std::uint64_t columns_key(Bytes body) {
    std::string key = "-";
    FieldCursor row(body);
    for (auto left = body.empty() ? 0U : row.u16(); left > 0 && row.ok(); --left) {
        key.append(row.c_string()).push_back('\0');
        row.take(6);  // table and attribute
        key.append(as_text(row.take(4)));
        row.take(2);  // size of the type
        key.append(as_text(row.take(4)));
        row.take(2);  // format
    }
    return std::hash<std::string>{}(key) | 1U;
}

std::string restore_names(std::string_view message, const ClientStatements& names) {
    std::string out;
    for (;;) {
        const auto at = message.find(server_name_prefix);
        if (at == std::string_view::npos) break;
        out.append(message.substr(0, at));
        message.remove_prefix(at + server_name_prefix.size());
        if (message.substr(0, unknown_name_mark.size()) == unknown_name_mark) {
            message.remove_prefix(unknown_name_mark.size());
            continue;
        }
        std::uint32_t id = 0;
        const auto* const end = message.data() + message.size();
        const auto parsed = std::from_chars(message.data(), end, id);
        const auto name = parsed.ec == std::errc() ? names.name_of(id) : std::string_view();
        if (name.empty()) {
            out.append(server_name_prefix);
            continue;
        }
        out.append(name);
        message.remove_prefix(static_cast<std::size_t>(parsed.ptr - message.data()));
    }
    out.append(message);
    return out;
}

}  // namespace weir::protocol
