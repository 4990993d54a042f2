#!/bin/sh
# Writes router/builtin_names.inc: the names of the functions, types and operators of pg_catalog.
#
#   router/generate_builtins.sh 'host=/tmp port=5432 user=postgres' > router/builtin_names.inc
#
# Source: pg_proc, pg_type and pg_operator of a PostgreSQL 15 server without extensions, plus the names that
# later versions added (NAMES_LATER, from the release notes and pg_proc.dat of 16, 17 and 18).
# A name is volatile if one of its overloads, or of its aggregate's parts, is.
set -eu
NAMES_LATER='
any_value:i array_sample:v array_shuffle:v date_add:s date_subtract:s erf:i erfc:i
pg_input_is_valid:s pg_input_error_info:s pg_get_wal_summarizer_state:v pg_stat_get_io:v
random_normal:v system_user:s pg_available_wal_summaries:v pg_wal_summary_contents:v
pg_split_walfile_name:i pg_size_bytes:i pg_stat_get_backend_subxact:s
json_array:s json_object_agg_strict:s json_object_agg_unique:s json_object_agg_unique_strict:s
json_agg_strict:s jsonb_agg_strict:s jsonb_object_agg_strict:s jsonb_object_agg_unique:s
jsonb_object_agg_unique_strict:s pg_stat_get_lastscan:s pg_stat_get_checkpointer_num_timed:s
pg_get_publication_tables:s xmltext:i unicode_assigned:i unicode_version:i icu_unicode_version:i
to_bin:i to_oct:i uuid_extract_timestamp:i uuid_extract_version:i pg_basetype:s
to_regtypemod:s pg_column_toast_chunk_id:s pg_sync_replication_slots:v has_largeobject_privilege:s
pg_get_acl:s array_reverse:i array_sort:i casefold:i crc32:i crc32c:i gamma:i lgamma:i reverse:i
uuidv4:v uuidv7:v json_strip_nulls:s jsonb_strip_nulls:i pg_ls_summariesdir:v
pg_numa_available:v pg_get_process_memory_contexts:v pg_stat_get_backend_io:v
pg_set_relation_stats:v pg_restore_relation_stats:v pg_restore_attribute_stats:v
pg_clear_relation_stats:v pg_clear_attribute_stats:v pg_current_vxact_id:v
pg_database_locale:s pg_stat_reset_backend_stats:v
'
SQL="
with parts(oid, part) as (
    select aggfnoid::oid, unnest(array[aggtransfn, aggfinalfn, aggcombinefn, aggmtransfn,
           aggminvtransfn, aggmfinalfn, aggserialfn, aggdeserialfn])::oid from pg_aggregate),
  names as (
    select p.proname::text as name,
           bool_or(p.provolatile = 'v' or exists (
               select 1 from parts join pg_proc q on q.oid = parts.part
               where parts.oid = p.oid and q.provolatile = 'v')) as volatile
    from pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace group by 1
    union all  -- a type's name may be called like a cast function
    select typname::text, false from pg_type
    where typnamespace = 'pg_catalog'::regnamespace and typrelid = 0 and typname !~ '^_'
    union all
    select split_part(w, ':', 1), split_part(w, ':', 2) = 'v'
    from regexp_split_to_table(:'later', '[[:space:]]+') w where w <> '')
select format('    {\"%s\", %s},', name, case when bool_or(volatile) then 'true' else 'false' end)
from names group by name order by name collate \"C\"
"
run() { psql "$1" -XAtq -v ON_ERROR_STOP=1 -v later="$NAMES_LATER" -f -; }
echo '// Written by router/generate_builtins.sh; do not edit.'
echo 'constexpr BuiltinFunction builtin_functions[] = {'
printf "%s" "$SQL" | run "$1"
echo '};'
echo 'constexpr std::string_view builtin_operators[] = {'
printf "%s" "select format('    \"%s\",', oprname) from pg_operator
      where oprnamespace = 'pg_catalog'::regnamespace
      group by oprname order by oprname::text collate \"C\"" | run "$1"
echo '};'
