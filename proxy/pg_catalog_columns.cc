// The columns of PostgreSQL 15's pg_catalog and information_schema, made from a running server:
// "relation column:type ...". t text, i int4, b int8, n numeric, f float8, B boolean, o oid.
// pg_class.relhasoids, reltriggers and pg_proc.proisagg, proiswindow are of older servers: psql and
// pgcli ask for them, since the console says that it is PgBouncer 1.25.
#include "proxy/pg_catalog.h"

#include <array>

namespace weir::proxy {

namespace {

// clang-format off
constexpr std::array<std::string_view, 147> relation_texts{
    "pg_get_keywords word:t catcode:t barelabel:B catdesc:t baredesc:t",
    "information_schema.administrable_role_authorizations grantee:t role_name:t is_grantable:t",
    "information_schema.applicable_roles grantee:t role_name:t is_grantable:t",
    "information_schema.check_constraints constraint_catalog:t constraint_schema:t "
    "constraint_name:t check_clause:t",
    "information_schema.collations collation_catalog:t collation_schema:t collation_name:t "
    "pad_attribute:t",
    "information_schema.column_privileges grantor:t grantee:t table_catalog:t table_schema:t "
    "table_name:t column_name:t privilege_type:t is_grantable:t",
    "information_schema.columns table_catalog:t table_schema:t table_name:t column_name:t "
    "ordinal_position:i column_default:t is_nullable:t data_type:t character_maximum_length:i "
    "character_octet_length:i numeric_precision:i numeric_precision_radix:i numeric_scale:i "
    "datetime_precision:i interval_type:t interval_precision:i character_set_catalog:t "
    "character_set_schema:t character_set_name:t collation_catalog:t collation_schema:t "
    "collation_name:t domain_catalog:t domain_schema:t domain_name:t udt_catalog:t udt_schema:t "
    "udt_name:t scope_catalog:t scope_schema:t scope_name:t maximum_cardinality:i "
    "dtd_identifier:t is_self_referencing:t is_identity:t identity_generation:t identity_start:t "
    "identity_increment:t identity_maximum:t identity_minimum:t identity_cycle:t is_generated:t "
    "generation_expression:t is_updatable:t",
    "information_schema.constraint_column_usage table_catalog:t table_schema:t table_name:t "
    "column_name:t constraint_catalog:t constraint_schema:t constraint_name:t",
    "information_schema.constraint_table_usage table_catalog:t table_schema:t table_name:t "
    "constraint_catalog:t constraint_schema:t constraint_name:t",
    "information_schema.domains domain_catalog:t domain_schema:t domain_name:t data_type:t "
    "character_maximum_length:i character_octet_length:i character_set_catalog:t "
    "character_set_schema:t character_set_name:t collation_catalog:t collation_schema:t "
    "collation_name:t numeric_precision:i numeric_precision_radix:i numeric_scale:i "
    "datetime_precision:i interval_type:t interval_precision:i domain_default:t udt_catalog:t "
    "udt_schema:t udt_name:t scope_catalog:t scope_schema:t scope_name:t maximum_cardinality:i "
    "dtd_identifier:t",
    "information_schema.enabled_roles role_name:t",
    "information_schema.information_schema_catalog_name catalog_name:t",
    "information_schema.key_column_usage constraint_catalog:t constraint_schema:t "
    "constraint_name:t table_catalog:t table_schema:t table_name:t column_name:t "
    "ordinal_position:i position_in_unique_constraint:i",
    "information_schema.parameters specific_catalog:t specific_schema:t specific_name:t "
    "ordinal_position:i parameter_mode:t is_result:t as_locator:t parameter_name:t data_type:t "
    "character_maximum_length:i character_octet_length:i character_set_catalog:t "
    "character_set_schema:t character_set_name:t collation_catalog:t collation_schema:t "
    "collation_name:t numeric_precision:i numeric_precision_radix:i numeric_scale:i "
    "datetime_precision:i interval_type:t interval_precision:i udt_catalog:t udt_schema:t "
    "udt_name:t scope_catalog:t scope_schema:t scope_name:t maximum_cardinality:i "
    "dtd_identifier:t parameter_default:t",
    "information_schema.referential_constraints constraint_catalog:t constraint_schema:t "
    "constraint_name:t unique_constraint_catalog:t unique_constraint_schema:t "
    "unique_constraint_name:t match_option:t update_rule:t delete_rule:t",
    "information_schema.role_column_grants grantor:t grantee:t table_catalog:t table_schema:t "
    "table_name:t column_name:t privilege_type:t is_grantable:t",
    "information_schema.role_table_grants grantor:t grantee:t table_catalog:t table_schema:t "
    "table_name:t privilege_type:t is_grantable:t with_hierarchy:t",
    "information_schema.routines specific_catalog:t specific_schema:t specific_name:t "
    "routine_catalog:t routine_schema:t routine_name:t routine_type:t module_catalog:t "
    "module_schema:t module_name:t udt_catalog:t udt_schema:t udt_name:t data_type:t "
    "character_maximum_length:i character_octet_length:i character_set_catalog:t "
    "character_set_schema:t character_set_name:t collation_catalog:t collation_schema:t "
    "collation_name:t numeric_precision:i numeric_precision_radix:i numeric_scale:i "
    "datetime_precision:i interval_type:t interval_precision:i type_udt_catalog:t "
    "type_udt_schema:t type_udt_name:t scope_catalog:t scope_schema:t scope_name:t "
    "maximum_cardinality:i dtd_identifier:t routine_body:t routine_definition:t external_name:t "
    "external_language:t parameter_style:t is_deterministic:t sql_data_access:t is_null_call:t "
    "sql_path:t schema_level_routine:t max_dynamic_result_sets:i is_user_defined_cast:t "
    "is_implicitly_invocable:t security_type:t to_sql_specific_catalog:t "
    "to_sql_specific_schema:t to_sql_specific_name:t as_locator:t created:t last_altered:t "
    "new_savepoint_level:t is_udt_dependent:t result_cast_from_data_type:t "
    "result_cast_as_locator:t result_cast_char_max_length:i result_cast_char_octet_length:i "
    "result_cast_char_set_catalog:t result_cast_char_set_schema:t result_cast_char_set_name:t "
    "result_cast_collation_catalog:t result_cast_collation_schema:t result_cast_collation_name:t "
    "result_cast_numeric_precision:i result_cast_numeric_precision_radix:i "
    "result_cast_numeric_scale:i result_cast_datetime_precision:i result_cast_interval_type:t "
    "result_cast_interval_precision:i result_cast_type_udt_catalog:t "
    "result_cast_type_udt_schema:t result_cast_type_udt_name:t result_cast_scope_catalog:t "
    "result_cast_scope_schema:t result_cast_scope_name:t result_cast_maximum_cardinality:i "
    "result_cast_dtd_identifier:t",
    "information_schema.schemata catalog_name:t schema_name:t schema_owner:t "
    "default_character_set_catalog:t default_character_set_schema:t default_character_set_name:t "
    "sql_path:t",
    "information_schema.sequences sequence_catalog:t sequence_schema:t sequence_name:t "
    "data_type:t numeric_precision:i numeric_precision_radix:i numeric_scale:i start_value:t "
    "minimum_value:t maximum_value:t increment:t cycle_option:t",
    "information_schema.table_constraints constraint_catalog:t constraint_schema:t "
    "constraint_name:t table_catalog:t table_schema:t table_name:t constraint_type:t "
    "is_deferrable:t initially_deferred:t enforced:t nulls_distinct:t",
    "information_schema.table_privileges grantor:t grantee:t table_catalog:t table_schema:t "
    "table_name:t privilege_type:t is_grantable:t with_hierarchy:t",
    "information_schema.tables table_catalog:t table_schema:t table_name:t table_type:t "
    "self_referencing_column_name:t reference_generation:t user_defined_type_catalog:t "
    "user_defined_type_schema:t user_defined_type_name:t is_insertable_into:t is_typed:t "
    "commit_action:t",
    "information_schema.triggers trigger_catalog:t trigger_schema:t trigger_name:t "
    "event_manipulation:t event_object_catalog:t event_object_schema:t event_object_table:t "
    "action_order:i action_condition:t action_statement:t action_orientation:t action_timing:t "
    "action_reference_old_table:t action_reference_new_table:t action_reference_old_row:t "
    "action_reference_new_row:t created:t",
    "information_schema.view_column_usage view_catalog:t view_schema:t view_name:t "
    "table_catalog:t table_schema:t table_name:t column_name:t",
    "information_schema.view_table_usage view_catalog:t view_schema:t view_name:t "
    "table_catalog:t table_schema:t table_name:t",
    "information_schema.views table_catalog:t table_schema:t table_name:t view_definition:t "
    "check_option:t is_updatable:t is_insertable_into:t is_trigger_updatable:t "
    "is_trigger_deletable:t is_trigger_insertable_into:t",
    "pg_aggregate aggfnoid:o aggkind:t aggnumdirectargs:i aggtransfn:o aggfinalfn:o "
    "aggcombinefn:o aggserialfn:o aggdeserialfn:o aggmtransfn:o aggminvtransfn:o aggmfinalfn:o "
    "aggfinalextra:B aggmfinalextra:B aggfinalmodify:t aggmfinalmodify:t aggsortop:o "
    "aggtranstype:o aggtransspace:i aggmtranstype:o aggmtransspace:i agginitval:t aggminitval:t",
    "pg_am oid:o amname:t amhandler:o amtype:t",
    "pg_amop oid:o amopfamily:o amoplefttype:o amoprighttype:o amopstrategy:i amoppurpose:t "
    "amopopr:o amopmethod:o amopsortfamily:o",
    "pg_amproc oid:o amprocfamily:o amproclefttype:o amprocrighttype:o amprocnum:i amproc:o",
    "pg_attrdef oid:o adrelid:o adnum:i adbin:t",
    "pg_attribute attrelid:o attname:t atttypid:o attstattarget:i attlen:i attnum:i attndims:i "
    "attcacheoff:i atttypmod:i attbyval:B attalign:t attstorage:t attcompression:t attnotnull:B "
    "atthasdef:B atthasmissing:B attidentity:t attgenerated:t attisdropped:B attislocal:B "
    "attinhcount:i attcollation:o attacl:t attoptions:t attfdwoptions:t attmissingval:t",
    "pg_auth_members roleid:o member:o grantor:o admin_option:B",
    "pg_authid oid:o rolname:t rolsuper:B rolinherit:B rolcreaterole:B rolcreatedb:B "
    "rolcanlogin:B rolreplication:B rolbypassrls:B rolconnlimit:i rolpassword:t rolvaliduntil:t",
    "pg_available_extension_versions name:t version:t installed:B superuser:B trusted:B "
    "relocatable:B schema:t requires:t comment:t",
    "pg_available_extensions name:t default_version:t installed_version:t comment:t",
    "pg_backend_memory_contexts name:t ident:t parent:t level:i total_bytes:b total_nblocks:b "
    "free_bytes:b free_chunks:b used_bytes:b",
    "pg_cast oid:o castsource:o casttarget:o castfunc:o castcontext:t castmethod:t",
    "pg_class oid:o relname:t relnamespace:o reltype:o reloftype:o relowner:o relam:o "
    "relfilenode:o reltablespace:o relpages:i reltuples:f relallvisible:i reltoastrelid:o "
    "relhasindex:B relisshared:B relpersistence:t relkind:t relnatts:i relchecks:i relhasrules:B "
    "relhastriggers:B relhassubclass:B relrowsecurity:B relforcerowsecurity:B relispopulated:B "
    "relreplident:t relispartition:B relrewrite:o relfrozenxid:o relminmxid:o relacl:t "
    "reloptions:t relpartbound:t relhasoids:B reltriggers:i",
    "pg_collation oid:o collname:t collnamespace:o collowner:o collprovider:t "
    "collisdeterministic:B collencoding:i collcollate:t collctype:t colliculocale:t "
    "collversion:t",
    "pg_config name:t setting:t",
    "pg_constraint oid:o conname:t connamespace:o contype:t condeferrable:B condeferred:B "
    "convalidated:B conrelid:o contypid:o conindid:o conparentid:o confrelid:o confupdtype:t "
    "confdeltype:t confmatchtype:t conislocal:B coninhcount:i connoinherit:B conkey:t confkey:t "
    "conpfeqop:t conppeqop:t conffeqop:t confdelsetcols:t conexclop:t conbin:t",
    "pg_conversion oid:o conname:t connamespace:o conowner:o conforencoding:i contoencoding:i "
    "conproc:o condefault:B",
    "pg_cursors name:t statement:t is_holdable:B is_binary:B is_scrollable:B creation_time:t",
    "pg_database oid:o datname:t datdba:o encoding:i datlocprovider:t datistemplate:B "
    "datallowconn:B datconnlimit:i datfrozenxid:o datminmxid:o dattablespace:o datcollate:t "
    "datctype:t daticulocale:t datcollversion:t datacl:t",
    "pg_db_role_setting setdatabase:o setrole:o setconfig:t",
    "pg_default_acl oid:o defaclrole:o defaclnamespace:o defaclobjtype:t defaclacl:t",
    "pg_depend classid:o objid:o objsubid:i refclassid:o refobjid:o refobjsubid:i deptype:t",
    "pg_description objoid:o classoid:o objsubid:i description:t",
    "pg_enum oid:o enumtypid:o enumsortorder:f enumlabel:t",
    "pg_event_trigger oid:o evtname:t evtevent:t evtowner:o evtfoid:o evtenabled:t evttags:t",
    "pg_extension oid:o extname:t extowner:o extnamespace:o extrelocatable:B extversion:t "
    "extconfig:t extcondition:t",
    "pg_file_settings sourcefile:t sourceline:i seqno:i name:t setting:t applied:B error:t",
    "pg_group groname:t grosysid:o grolist:t",
    "pg_hba_file_rules line_number:i type:t database:t user_name:t address:t netmask:t "
    "auth_method:t options:t error:t",
    "pg_ident_file_mappings line_number:i map_name:t sys_name:t pg_username:t error:t",
    "pg_index indexrelid:o indrelid:o indnatts:i indnkeyatts:i indisunique:B "
    "indnullsnotdistinct:B indisprimary:B indisexclusion:B indimmediate:B indisclustered:B "
    "indisvalid:B indcheckxmin:B indisready:B indislive:B indisreplident:B indkey:t "
    "indcollation:t indclass:t indoption:t indexprs:t indpred:t",
    "pg_indexes schemaname:t tablename:t indexname:t tablespace:t indexdef:t",
    "pg_inherits inhrelid:o inhparent:o inhseqno:i inhdetachpending:B",
    "pg_init_privs objoid:o classoid:o objsubid:i privtype:t initprivs:t",
    "pg_language oid:o lanname:t lanowner:o lanispl:B lanpltrusted:B lanplcallfoid:o laninline:o "
    "lanvalidator:o lanacl:t",
    "pg_largeobject loid:o pageno:i data:t",
    "pg_largeobject_metadata oid:o lomowner:o lomacl:t",
    "pg_locks locktype:t database:o relation:o page:i tuple:i virtualxid:t transactionid:o "
    "classid:o objid:o objsubid:i virtualtransaction:t pid:i mode:t granted:B fastpath:B "
    "waitstart:t",
    "pg_matviews schemaname:t matviewname:t matviewowner:t tablespace:t hasindexes:B "
    "ispopulated:B definition:t",
    "pg_namespace oid:o nspname:t nspowner:o nspacl:t",
    "pg_opclass oid:o opcmethod:o opcname:t opcnamespace:o opcowner:o opcfamily:o opcintype:o "
    "opcdefault:B opckeytype:o",
    "pg_operator oid:o oprname:t oprnamespace:o oprowner:o oprkind:t oprcanmerge:B oprcanhash:B "
    "oprleft:o oprright:o oprresult:o oprcom:o oprnegate:o oprcode:o oprrest:o oprjoin:o",
    "pg_opfamily oid:o opfmethod:o opfname:t opfnamespace:o opfowner:o",
    "pg_parameter_acl oid:o parname:t paracl:t",
    "pg_partitioned_table partrelid:o partstrat:t partnatts:i partdefid:o partattrs:t "
    "partclass:t partcollation:t partexprs:t",
    "pg_policies schemaname:t tablename:t policyname:t permissive:t roles:t cmd:t qual:t "
    "with_check:t",
    "pg_policy oid:o polname:t polrelid:o polcmd:t polpermissive:B polroles:t polqual:t "
    "polwithcheck:t",
    "pg_prepared_statements name:t statement:t prepare_time:t parameter_types:t from_sql:B "
    "generic_plans:b custom_plans:b",
    "pg_prepared_xacts transaction:o gid:t prepared:t owner:t database:t",
    "pg_proc oid:o proname:t pronamespace:o proowner:o prolang:o procost:f prorows:f "
    "provariadic:o prosupport:o prokind:t prosecdef:B proleakproof:B proisstrict:B proretset:B "
    "provolatile:t proparallel:t pronargs:i pronargdefaults:i prorettype:o proargtypes:t "
    "proallargtypes:t proargmodes:t proargnames:t proargdefaults:t protrftypes:t prosrc:t "
    "probin:t prosqlbody:t proconfig:t proacl:t proisagg:B proiswindow:B",
    "pg_publication oid:o pubname:t pubowner:o puballtables:B pubinsert:B pubupdate:B "
    "pubdelete:B pubtruncate:B pubviaroot:B",
    "pg_publication_namespace oid:o pnpubid:o pnnspid:o",
    "pg_publication_rel oid:o prpubid:o prrelid:o prqual:t prattrs:t",
    "pg_publication_tables pubname:t schemaname:t tablename:t attnames:t rowfilter:t",
    "pg_range rngtypid:o rngsubtype:o rngmultitypid:o rngcollation:o rngsubopc:o rngcanonical:o "
    "rngsubdiff:o",
    "pg_replication_origin roident:o roname:t",
    "pg_replication_origin_status local_id:o external_id:t remote_lsn:t local_lsn:t",
    "pg_replication_slots slot_name:t plugin:t slot_type:t datoid:o database:t temporary:B "
    "active:B active_pid:i xmin:o catalog_xmin:o restart_lsn:t confirmed_flush_lsn:t "
    "wal_status:t safe_wal_size:b two_phase:B",
    "pg_rewrite oid:o rulename:t ev_class:o ev_type:t ev_enabled:t is_instead:B ev_qual:t "
    "ev_action:t",
    "pg_roles rolname:t rolsuper:B rolinherit:B rolcreaterole:B rolcreatedb:B rolcanlogin:B "
    "rolreplication:B rolconnlimit:i rolpassword:t rolvaliduntil:t rolbypassrls:B rolconfig:t "
    "oid:o",
    "pg_rules schemaname:t tablename:t rulename:t definition:t",
    "pg_seclabel objoid:o classoid:o objsubid:i provider:t label:t",
    "pg_seclabels objoid:o classoid:o objsubid:i objtype:t objnamespace:o objname:t provider:t "
    "label:t",
    "pg_sequence seqrelid:o seqtypid:o seqstart:b seqincrement:b seqmax:b seqmin:b seqcache:b "
    "seqcycle:B",
    "pg_sequences schemaname:t sequencename:t sequenceowner:t data_type:o start_value:b "
    "min_value:b max_value:b increment_by:b cycle:B cache_size:b last_value:b",
    "pg_settings name:t setting:t unit:t category:t short_desc:t extra_desc:t context:t "
    "vartype:t source:t min_val:t max_val:t enumvals:t boot_val:t reset_val:t sourcefile:t "
    "sourceline:i pending_restart:B",
    "pg_shadow usename:t usesysid:o usecreatedb:B usesuper:B userepl:B usebypassrls:B passwd:t "
    "valuntil:t useconfig:t",
    "pg_shdepend dbid:o classid:o objid:o objsubid:i refclassid:o refobjid:o deptype:t",
    "pg_shdescription objoid:o classoid:o description:t",
    "pg_shmem_allocations name:t off:b size:b allocated_size:b",
    "pg_shseclabel objoid:o classoid:o provider:t label:t",
    "pg_stat_activity datid:o datname:t pid:i leader_pid:i usesysid:o usename:t "
    "application_name:t client_addr:t client_hostname:t client_port:i backend_start:t "
    "xact_start:t query_start:t state_change:t wait_event_type:t wait_event:t state:t "
    "backend_xid:o backend_xmin:o query_id:b query:t backend_type:t",
    "pg_stat_all_indexes relid:o indexrelid:o schemaname:t relname:t indexrelname:t idx_scan:b "
    "idx_tup_read:b idx_tup_fetch:b",
    "pg_stat_all_tables relid:o schemaname:t relname:t seq_scan:b seq_tup_read:b idx_scan:b "
    "idx_tup_fetch:b n_tup_ins:b n_tup_upd:b n_tup_del:b n_tup_hot_upd:b n_live_tup:b "
    "n_dead_tup:b n_mod_since_analyze:b n_ins_since_vacuum:b last_vacuum:t last_autovacuum:t "
    "last_analyze:t last_autoanalyze:t vacuum_count:b autovacuum_count:b analyze_count:b "
    "autoanalyze_count:b",
    "pg_stat_archiver archived_count:b last_archived_wal:t last_archived_time:t failed_count:b "
    "last_failed_wal:t last_failed_time:t stats_reset:t",
    "pg_stat_bgwriter checkpoints_timed:b checkpoints_req:b checkpoint_write_time:f "
    "checkpoint_sync_time:f buffers_checkpoint:b buffers_clean:b maxwritten_clean:b "
    "buffers_backend:b buffers_backend_fsync:b buffers_alloc:b stats_reset:t",
    "pg_stat_database datid:o datname:t numbackends:i xact_commit:b xact_rollback:b blks_read:b "
    "blks_hit:b tup_returned:b tup_fetched:b tup_inserted:b tup_updated:b tup_deleted:b "
    "conflicts:b temp_files:b temp_bytes:b deadlocks:b checksum_failures:b "
    "checksum_last_failure:t blk_read_time:f blk_write_time:f session_time:f active_time:f "
    "idle_in_transaction_time:f sessions:b sessions_abandoned:b sessions_fatal:b "
    "sessions_killed:b stats_reset:t",
    "pg_stat_database_conflicts datid:o datname:t confl_tablespace:b confl_lock:b "
    "confl_snapshot:b confl_bufferpin:b confl_deadlock:b",
    "pg_stat_gssapi pid:i gss_authenticated:B principal:t encrypted:B",
    "pg_stat_recovery_prefetch stats_reset:t prefetch:b hit:b skip_init:b skip_new:b skip_fpw:b "
    "skip_rep:b wal_distance:i block_distance:i io_depth:i",
    "pg_stat_replication pid:i usesysid:o usename:t application_name:t client_addr:t "
    "client_hostname:t client_port:i backend_start:t backend_xmin:o state:t sent_lsn:t "
    "write_lsn:t flush_lsn:t replay_lsn:t write_lag:t flush_lag:t replay_lag:t sync_priority:i "
    "sync_state:t reply_time:t",
    "pg_stat_replication_slots slot_name:t spill_txns:b spill_count:b spill_bytes:b "
    "stream_txns:b stream_count:b stream_bytes:b total_txns:b total_bytes:b stats_reset:t",
    "pg_stat_slru name:t blks_zeroed:b blks_hit:b blks_read:b blks_written:b blks_exists:b "
    "flushes:b truncates:b stats_reset:t",
    "pg_stat_ssl pid:i ssl:B version:t cipher:t bits:i client_dn:t client_serial:n issuer_dn:t",
    "pg_stat_subscription subid:o subname:t pid:i relid:o received_lsn:t last_msg_send_time:t "
    "last_msg_receipt_time:t latest_end_lsn:t latest_end_time:t",
    "pg_stat_subscription_stats subid:o subname:t apply_error_count:b sync_error_count:b "
    "stats_reset:t",
    "pg_stat_sys_indexes relid:o indexrelid:o schemaname:t relname:t indexrelname:t idx_scan:b "
    "idx_tup_read:b idx_tup_fetch:b",
    "pg_stat_sys_tables relid:o schemaname:t relname:t seq_scan:b seq_tup_read:b idx_scan:b "
    "idx_tup_fetch:b n_tup_ins:b n_tup_upd:b n_tup_del:b n_tup_hot_upd:b n_live_tup:b "
    "n_dead_tup:b n_mod_since_analyze:b n_ins_since_vacuum:b last_vacuum:t last_autovacuum:t "
    "last_analyze:t last_autoanalyze:t vacuum_count:b autovacuum_count:b analyze_count:b "
    "autoanalyze_count:b",
    "pg_stat_user_functions funcid:o schemaname:t funcname:t calls:b total_time:f self_time:f",
    "pg_stat_user_indexes relid:o indexrelid:o schemaname:t relname:t indexrelname:t idx_scan:b "
    "idx_tup_read:b idx_tup_fetch:b",
    "pg_stat_user_tables relid:o schemaname:t relname:t seq_scan:b seq_tup_read:b idx_scan:b "
    "idx_tup_fetch:b n_tup_ins:b n_tup_upd:b n_tup_del:b n_tup_hot_upd:b n_live_tup:b "
    "n_dead_tup:b n_mod_since_analyze:b n_ins_since_vacuum:b last_vacuum:t last_autovacuum:t "
    "last_analyze:t last_autoanalyze:t vacuum_count:b autovacuum_count:b analyze_count:b "
    "autoanalyze_count:b",
    "pg_stat_wal wal_records:b wal_fpi:b wal_bytes:n wal_buffers_full:b wal_write:b wal_sync:b "
    "wal_write_time:f wal_sync_time:f stats_reset:t",
    "pg_stat_wal_receiver pid:i status:t receive_start_lsn:t receive_start_tli:i written_lsn:t "
    "flushed_lsn:t received_tli:i last_msg_send_time:t last_msg_receipt_time:t latest_end_lsn:t "
    "latest_end_time:t slot_name:t sender_host:t sender_port:i conninfo:t",
    "pg_statistic starelid:o staattnum:i stainherit:B stanullfrac:f stawidth:i stadistinct:f "
    "stakind1:i stakind2:i stakind3:i stakind4:i stakind5:i staop1:o staop2:o staop3:o staop4:o "
    "staop5:o stacoll1:o stacoll2:o stacoll3:o stacoll4:o stacoll5:o stanumbers1:t stanumbers2:t "
    "stanumbers3:t stanumbers4:t stanumbers5:t stavalues1:t stavalues2:t stavalues3:t "
    "stavalues4:t stavalues5:t",
    "pg_statistic_ext oid:o stxrelid:o stxname:t stxnamespace:o stxowner:o stxstattarget:i "
    "stxkeys:t stxkind:t stxexprs:t",
    "pg_statistic_ext_data stxoid:o stxdinherit:B stxdndistinct:t stxddependencies:t stxdmcv:t "
    "stxdexpr:t",
    "pg_stats schemaname:t tablename:t attname:t inherited:B null_frac:f avg_width:i "
    "n_distinct:f most_common_vals:t most_common_freqs:t histogram_bounds:t correlation:f "
    "most_common_elems:t most_common_elem_freqs:t elem_count_histogram:t",
    "pg_stats_ext schemaname:t tablename:t statistics_schemaname:t statistics_name:t "
    "statistics_owner:t attnames:t exprs:t kinds:t inherited:B n_distinct:t dependencies:t "
    "most_common_vals:t most_common_val_nulls:t most_common_freqs:t most_common_base_freqs:t",
    "pg_stats_ext_exprs schemaname:t tablename:t statistics_schemaname:t statistics_name:t "
    "statistics_owner:t expr:t inherited:B null_frac:f avg_width:i n_distinct:f "
    "most_common_vals:t most_common_freqs:t histogram_bounds:t correlation:f most_common_elems:t "
    "most_common_elem_freqs:t elem_count_histogram:t",
    "pg_subscription oid:o subdbid:o subskiplsn:t subname:t subowner:o subenabled:B subbinary:B "
    "substream:B subtwophasestate:t subdisableonerr:B subconninfo:t subslotname:t "
    "subsynccommit:t subpublications:t",
    "pg_subscription_rel srsubid:o srrelid:o srsubstate:t srsublsn:t",
    "pg_tables schemaname:t tablename:t tableowner:t tablespace:t hasindexes:B hasrules:B "
    "hastriggers:B rowsecurity:B",
    "pg_tablespace oid:o spcname:t spcowner:o spcacl:t spcoptions:t",
    "pg_timezone_abbrevs abbrev:t utc_offset:t is_dst:B",
    "pg_timezone_names name:t abbrev:t utc_offset:t is_dst:B",
    "pg_trigger oid:o tgrelid:o tgparentid:o tgname:t tgfoid:o tgtype:i tgenabled:t "
    "tgisinternal:B tgconstrrelid:o tgconstrindid:o tgconstraint:o tgdeferrable:B "
    "tginitdeferred:B tgnargs:i tgattr:t tgargs:t tgqual:t tgoldtable:t tgnewtable:t",
    "pg_ts_config oid:o cfgname:t cfgnamespace:o cfgowner:o cfgparser:o",
    "pg_ts_config_map mapcfg:o maptokentype:i mapseqno:i mapdict:o",
    "pg_ts_dict oid:o dictname:t dictnamespace:o dictowner:o dicttemplate:o dictinitoption:t",
    "pg_ts_parser oid:o prsname:t prsnamespace:o prsstart:o prstoken:o prsend:o prsheadline:o "
    "prslextype:o",
    "pg_ts_template oid:o tmplname:t tmplnamespace:o tmplinit:o tmpllexize:o",
    "pg_type oid:o typname:t typnamespace:o typowner:o typlen:i typbyval:B typtype:t "
    "typcategory:t typispreferred:B typisdefined:B typdelim:t typrelid:o typsubscript:o "
    "typelem:o typarray:o typinput:o typoutput:o typreceive:o typsend:o typmodin:o typmodout:o "
    "typanalyze:o typalign:t typstorage:t typnotnull:B typbasetype:o typtypmod:i typndims:i "
    "typcollation:o typdefaultbin:t typdefault:t typacl:t",
    "pg_user usename:t usesysid:o usecreatedb:B usesuper:B userepl:B usebypassrls:B passwd:t "
    "valuntil:t useconfig:t",
    "pg_views schemaname:t viewname:t viewowner:t definition:t",
    "pg_foreign_data_wrapper oid:o fdwname:t fdwowner:o fdwhandler:o fdwvalidator:o fdwacl:t "
    "fdwoptions:t",
    "pg_foreign_server oid:o srvname:t srvowner:o srvfdw:o srvtype:t srvversion:t srvacl:t "
    "srvoptions:t",
    "pg_foreign_table ftrelid:o ftserver:o ftoptions:t",
    "pg_transform oid:o trftype:o trflang:o trffromsql:o trftosql:o",
    "pg_user_mapping oid:o umuser:o umserver:o umoptions:t",
    "pg_user_mappings umid:o srvid:o srvname:t umuser:o usename:t umoptions:t",
};
// clang-format on

}  // namespace

std::span<const std::string_view> pg_catalog_relations() {
    return relation_texts;
}

}  // namespace weir::proxy
