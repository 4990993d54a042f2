// classify_read(): may this text run on a replica? By the text (Statement), by what the names in it
// are (Catalog), and by what the session has said before (ReadContext). Pure.
//
// Unknown means primary. A wrong primary is a missed offload, a wrong replica an error for the
// client, or, with what PostgreSQL does not refuse on a standby, silently the wrong thing.
#pragma once

#include "router/catalog.h"
#include "router/read_reason.h"
#include "router/search_path.h"
#include "router/statement.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <span>

namespace weir::router {

// What the session has said before the text. A key of ReadVerdictCache.
struct ReadContext {
    enum class Block : std::uint8_t { none, read_write, read_only };

    // Null: not known, names without a schema may be in any.
    SearchPathPtr path;
    // The transaction block that is open or begun (a deferred BEGIN, too).
    Block block = Block::none;
    bool serializable = false;          // that block is
    bool default_read_only = false;     // default_transaction_read_only
    bool default_serializable = false;  // default_transaction_isolation
    bool temporary_objects = false;     // the session has some: any name may be one
    bool catalog_reads = false;         // option: pg_catalog may be read on replicas

    bool operator==(const ReadContext&) const = default;
};

struct ReadVerdict {
    static constexpr std::uint16_t no_name = std::numeric_limits<std::uint16_t>::max();

    ReadTarget target = ReadTarget::primary;
    ReadReason reason = ReadReason::opaque;
    // What has begun to run may be run once more: it only reads. (Of a text that any server
    // refuses, too.) Only for what ran on a replica.
    bool retry_safe = false;
    // Of Statement::reads.names, that decided; see name_of().
    std::uint16_t name = no_name;

    bool on_replica() const { return target <= ReadTarget::replica_ok; }

    bool operator==(const ReadVerdict&) const = default;
};

// `catalog` null: whatever needs one is for the primary.
ReadVerdict classify_read(
    const Statement& statement, const Catalog* catalog, const ReadContext& context
);

// What this name alone says: reads_only, or what stands against a replica.
ReadReason judge_name(const NameUse& name, const Catalog* catalog, const ReadContext& context);

// The name that decided, for people: of a NameUse, or with an empty name.
NameUse name_of(const Statement& statement, const ReadVerdict& verdict);

// What the context is behind a text that has run without an error. A search_path that it has, or
// may have, set is not known.
void advance(ReadContext& context, const Statement& statement);

// Of several texts that run together.
ReadVerdict combine(ReadVerdict first, ReadVerdict second);

// With what route_hint() of the text has said: `primary` counts, `replica` is what it would be.
ReadVerdict with_hint(ReadVerdict verdict, std::optional<ReadTarget> hint);

// A pipeline up to its Sync: one implicit transaction, so one server.
ReadVerdict classify_reads(
    std::span<const Statement* const> statements, const Catalog* catalog, ReadContext context
);

}  // namespace weir::router
