#include "proxy/pg_catalog.h"

#include "conf/show.h"
#include "proxy/server.h"

#include <algorithm>
#include <map>
#include <utility>

namespace weir::proxy {

namespace {

using Relations = std::map<std::string_view, Columns, std::less<>>;
// A row by the names of its columns; those that are not named are NULL.
using Cells = std::vector<std::pair<std::string_view, Value>>;

// As PostgreSQL has them.
constexpr std::int64_t owner = 10;
constexpr std::int64_t pg_catalog_schema = 11;
constexpr std::int64_t public_schema = 2200;
constexpr std::int64_t utf8_encoding = 6;
constexpr std::int64_t default_tablespace = 1663;
constexpr std::int64_t heap = 2;
// The first OID that is nobody's in PostgreSQL.
constexpr std::int64_t first_oid = 16384;
constexpr std::int64_t oids_of_databases = first_oid + 20'000;
constexpr std::int64_t oids_of_users = first_oid + 120'000;

Columns parse_columns(std::string_view text) {
    Columns columns;
    while (!text.empty()) {
        const auto colon = text.find(':');
        auto type = ColumnType::text;
        switch (text[colon + 1]) {
            case 'i':
                type = ColumnType::int4;
                break;
            case 'b':
                type = ColumnType::int8;
                break;
            case 'n':
                type = ColumnType::numeric;
                break;
            case 'f':
                type = ColumnType::float8;
                break;
            case 'B':
                type = ColumnType::boolean;
                break;
            case 'o':
                type = ColumnType::oid;
                break;
            default:
                break;
        }
        columns.push_back({text.substr(0, colon), type});
        text.remove_prefix(std::min(colon + 3, text.size()));
    }
    return columns;
}

const Relations& relations() {
    static const Relations all = [] {
        Relations made;
        for (const auto text : pg_catalog_relations()) {
            const auto space = text.find(' ');
            made.emplace(text.substr(0, space), parse_columns(text.substr(space + 1)));
        }
        return made;
    }();
    return all;
}

Value text_value(std::string_view text) {
    return std::string(text);
}

std::vector<Row> rows_of(std::string_view relation, const std::vector<Cells>& all) {
    const auto& columns = *pg_catalog_columns(relation);
    std::vector<Row> rows;
    for (const auto& cells : all) {
        Row row(columns.size());
        for (const auto& [name, value] : cells) {
            for (std::size_t i = 0; i < columns.size(); ++i) {
                if (columns[i].name == name) row[i] = value;
            }
        }
        rows.push_back(std::move(row));
    }
    return rows;
}

std::vector<Cells> databases(const ShowContext& context) {
    std::vector<std::string> names{std::string(console_database), "pgweir"};
    for (const auto& database : context.server.settings().databases) {
        if (database.first != "*") names.push_back(database.first);
    }
    std::vector<Cells> rows;
    auto oid = oids_of_databases;
    for (const auto& name : names) {
        rows.push_back({
            {"oid", oid++},
            {"datname", name},
            {"datdba", owner},
            {"encoding", utf8_encoding},
            {"datlocprovider", text_value("c")},
            {"datistemplate", std::int64_t{0}},
            {"datallowconn", std::int64_t{!context.server.is_disabled(name)}},
            {"datconnlimit", std::int64_t{-1}},
            {"dattablespace", default_tablespace},
            {"datcollate", text_value("C")},
            {"datctype", text_value("C")},
        });
    }
    return rows;
}

// Who may be on the console or has pools: names without any secret.
std::vector<Cells> users(const ShowContext& context, const SqlSession& session) {
    const auto& settings = context.server.settings();
    std::map<std::string, bool> names;  // with full rights?
    for (const auto& [name, entry] : context.server.pools().entries())
        names.emplace(name.user, false);
    for (const auto& [name, user] : settings.users)
        names.emplace(name, false);
    for (const auto& name : settings.stats_users)
        names.emplace(name, false);
    names.emplace(session.user, false);
    for (const auto& name : settings.admin_users)
        names[name] = true;
    std::vector<Cells> rows;
    auto oid = oids_of_users;
    for (const auto& [name, admin] : names) {
        rows.push_back({
            {"oid", name == session.user ? owner : oid},
            {"usesysid", name == session.user ? owner : oid},
            {"rolname", name},
            {"usename", name},
            {"rolsuper", std::int64_t{admin}},
            {"usesuper", std::int64_t{admin}},
            {"rolinherit", std::int64_t{1}},
            {"rolcreaterole", std::int64_t{0}},
            {"rolcreatedb", std::int64_t{0}},
            {"rolcanlogin", std::int64_t{1}},
            {"rolreplication", std::int64_t{0}},
            {"rolbypassrls", std::int64_t{0}},
            {"rolconnlimit", std::int64_t{-1}},
            {"usecreatedb", std::int64_t{0}},
            {"userepl", std::int64_t{0}},
            {"usebypassrls", std::int64_t{0}},
        });
        ++oid;
    }
    return rows;
}

std::vector<Cells> schemas() {
    return {
        {{"oid", pg_catalog_schema}, {"nspname", text_value("pg_catalog")}, {"nspowner", owner}},
        {{"oid", public_schema}, {"nspname", text_value("public")}, {"nspowner", owner}},
        {{"oid", first_oid - 1},
         {"nspname", text_value("information_schema")},
         {"nspowner", owner}},
    };
}

// The console's tables, in the schema public.
template <class Add>
void for_each_table(Add add) {
    auto oid = first_oid;
    for (const auto& show : all_show_commands()) {
        if (!show.columns.empty()) add(oid++, show);
    }
}

std::vector<Cells> classes() {
    std::vector<Cells> rows;
    for_each_table([&](std::int64_t oid, const ShowCommand& show) {
        rows.push_back({
            {"oid", oid},
            {"relname", text_value(show.topic)},
            {"relnamespace", public_schema},
            {"reltype", std::int64_t{0}},
            {"reloftype", std::int64_t{0}},
            {"relowner", owner},
            {"relam", std::int64_t{0}},
            {"reltablespace", std::int64_t{0}},
            {"relpages", std::int64_t{0}},
            {"reltuples", -1.0},
            {"reltoastrelid", std::int64_t{0}},
            {"relhasindex", std::int64_t{0}},
            {"relisshared", std::int64_t{0}},
            {"relpersistence", text_value("p")},
            {"relkind", text_value("r")},
            {"relnatts", static_cast<std::int64_t>(show.columns.size())},
            {"relchecks", std::int64_t{0}},
            {"relhasrules", std::int64_t{0}},
            {"relhastriggers", std::int64_t{0}},
            {"reltriggers", std::int64_t{0}},
            {"relhassubclass", std::int64_t{0}},
            {"relrowsecurity", std::int64_t{0}},
            {"relforcerowsecurity", std::int64_t{0}},
            {"relispopulated", std::int64_t{1}},
            {"relreplident", text_value("n")},
            {"relispartition", std::int64_t{0}},
            {"relhasoids", std::int64_t{0}},
        });
    });
    return rows;
}

std::vector<Cells> attributes() {
    std::vector<Cells> rows;
    for_each_table([&](std::int64_t oid, const ShowCommand& show) {
        std::int64_t number = 0;
        for (const auto& column : show.columns) {
            rows.push_back({
                {"attrelid", oid},
                {"attname", text_value(column.name)},
                {"atttypid", std::int64_t{type_oid(column.type)}},
                {"attnum", ++number},
                {"atttypmod", std::int64_t{-1}},
                {"attndims", std::int64_t{0}},
                {"attnotnull", std::int64_t{0}},
                {"atthasdef", std::int64_t{0}},
                {"atthasmissing", std::int64_t{0}},
                {"attidentity", text_value("")},
                {"attgenerated", text_value("")},
                {"attisdropped", std::int64_t{0}},
                {"attislocal", std::int64_t{1}},
                {"attinhcount", std::int64_t{0}},
                {"attcollation", std::int64_t{0}},
                {"attstorage", text_value("p")},
            });
        }
    });
    return rows;
}

struct TypeRow {
    std::int64_t oid;
    std::string_view name;
    std::int64_t length;
    std::string_view category;
    std::int64_t array;
};

constexpr TypeRow types[] = {
    {16, "bool", 1, "B", 1000},
    {19, "name", 64, "S", 1003},
    {20, "int8", 8, "N", 1016},
    {21, "int2", 2, "N", 1005},
    {23, "int4", 4, "N", 1007},
    {25, "text", -1, "S", 1009},
    {26, "oid", 4, "N", 1028},
    {701, "float8", 8, "N", 1022},
    {1043, "varchar", -1, "S", 1015},
    {1700, "numeric", -1, "N", 1231},
    {1009, "_text", -1, "A", 0},
    {1007, "_int4", -1, "A", 0},
};

std::vector<Cells> type_rows() {
    std::vector<Cells> rows;
    for (const auto& type : types) {
        const bool array = type.category == "A";
        rows.push_back({
            {"oid", type.oid},
            {"typname", text_value(type.name)},
            {"typnamespace", pg_catalog_schema},
            {"typowner", owner},
            {"typlen", type.length},
            {"typtype", text_value("b")},
            {"typcategory", text_value(type.category)},
            {"typisdefined", std::int64_t{1}},
            {"typdelim", text_value(",")},
            {"typrelid", std::int64_t{0}},
            {"typelem",
             array ? (type.oid == 1009 ? std::int64_t{25} : std::int64_t{23}) : std::int64_t{0}},
            {"typarray", type.array},
            {"typbasetype", std::int64_t{0}},
            {"typtypmod", std::int64_t{-1}},
            {"typndims", std::int64_t{0}},
            {"typcollation", std::int64_t{0}},
            {"typnotnull", std::int64_t{0}},
        });
    }
    return rows;
}

std::vector<Cells> settings_rows(const ShowContext& context, const SqlSession& session) {
    std::vector<Cells> rows;
    for (auto& config : conf::config_rows(context.server.settings())) {
        rows.push_back({
            {"name", config.key},
            {"setting", config.value},
            {"category", text_value("pgweir")},
            {"context", text_value(config.changeable ? "sighup" : "postmaster")},
            {"vartype", text_value("string")},
            {"boot_val", config.default_value},
        });
    }
    for (const auto& [name, value] : session.settings)
        rows.push_back(
            {{"name", name},
             {"setting", value},
             {"vartype", text_value("string")},
             {"category", text_value("session")},
             {"context", text_value("user")}}
        );
    return rows;
}

std::vector<Cells> schema_tables(const SqlSession& session) {
    std::vector<Cells> rows;
    for_each_table([&](std::int64_t, const ShowCommand& show) {
        rows.push_back({
            {"table_catalog", session.database},
            {"table_schema", text_value("public")},
            {"table_name", text_value(show.topic)},
            {"table_type", text_value("BASE TABLE")},
            {"is_insertable_into", text_value("NO")},
            {"is_typed", text_value("NO")},
        });
    });
    return rows;
}

std::string_view sql_name(ColumnType type) {
    switch (type) {
        case ColumnType::text:
            return "text";
        case ColumnType::int4:
            return "integer";
        case ColumnType::int8:
            return "bigint";
        case ColumnType::numeric:
            return "numeric";
        case ColumnType::float8:
            return "double precision";
        case ColumnType::boolean:
            return "boolean";
        case ColumnType::oid:
            return "oid";
    }
    return "text";
}

std::vector<Cells> schema_columns(const SqlSession& session) {
    std::vector<Cells> rows;
    for_each_table([&](std::int64_t, const ShowCommand& show) {
        std::int64_t number = 0;
        for (const auto& column : show.columns) {
            rows.push_back({
                {"table_catalog", session.database},
                {"table_schema", text_value("public")},
                {"table_name", text_value(show.topic)},
                {"column_name", text_value(column.name)},
                {"ordinal_position", ++number},
                {"is_nullable", text_value("YES")},
                {"data_type", text_value(sql_name(column.type))},
                {"is_updatable", text_value("NO")},
            });
        }
    });
    return rows;
}

std::vector<Cells> schema_schemata(const SqlSession& session) {
    std::vector<Cells> rows;
    for (const auto* name : {"pg_catalog", "public", "information_schema"}) {
        rows.push_back({
            {"catalog_name", session.database},
            {"schema_name", text_value(name)},
            {"schema_owner", session.user},
        });
    }
    return rows;
}

std::vector<Cells> cells_of(
    std::string_view relation, const ShowContext& context, const SqlSession& session
) {
    if (relation == "pg_database") return databases(context);
    if (relation == "pg_roles" || relation == "pg_user" || relation == "pg_authid") {
        return users(context, session);
    }
    if (relation == "pg_namespace") return schemas();
    if (relation == "pg_class") return classes();
    if (relation == "pg_attribute") return attributes();
    if (relation == "pg_type") return type_rows();
    if (relation == "pg_settings") return settings_rows(context, session);
    if (relation == "pg_tablespace") {
        return {
            {{"oid", default_tablespace},
             {"spcname", text_value("pg_default")},
             {"spcowner", owner}}};
    }
    if (relation == "pg_am") {
        return {{{"oid", heap}, {"amname", text_value("heap")}, {"amtype", text_value("t")}}};
    }
    if (relation == "information_schema.tables") return schema_tables(session);
    if (relation == "information_schema.columns") return schema_columns(session);
    if (relation == "information_schema.schemata") return schema_schemata(session);
    return {};
}

}  // namespace

const Columns* pg_catalog_columns(std::string_view relation) {
    const auto found = relations().find(relation);
    return found == relations().end() ? nullptr : &found->second;
}

std::vector<Row> pg_catalog_rows(
    std::string_view relation, const ShowContext& context, const SqlSession& session
) {
    return rows_of(relation, cells_of(relation, context, session));
}

}  // namespace weir::proxy
