"""What both databases hold: the same objects, by one script. Clients have tables and sequences of
their own (mine_0, numbers_0 ...); everything shared is read only, or in PostgreSQL's memory."""

ROLES = """
create role app login;
create role boss login superuser;
create role victim;
create role "Odd ""x"" Role";
create role stranger;
create role tenant_role;
grant victim, tenant_role, "Odd ""x"" Role" to app;
grant app to boss;
alter role app set work_mem = '5MB';
alter role victim set work_mem = '6MB';
alter role boss set search_path = s1, public;
"""

# After each creation of a database: these belong to it.
DATABASE_DEFAULTS = """
alter database {name} set lock_timeout = '20min';
alter role app in database {name} set app.from_role = 'role''s own';
"""

SHARED = """
grant all on schema public to public;
create schema s1; create schema s2; create schema "Odd Schema";
grant all on schema s1, s2, "Odd Schema" to public;
create table public.which as select 'public'::text as name;
create table s1.which as select 's1'::text as name;
create table s2.which as select 's2'::text as name, 2 as extra;
create table "Odd Schema".which as select 'odd'::text as name;

create table tenant_rows(tenant text, payload text);
insert into tenant_rows
    select 't' || i / 3, 'payload ' || i from generate_series(0, 14) i;
alter table tenant_rows enable row level security;
create policy by_tenant on tenant_rows
    using (tenant = current_setting('app.tenant', true));

create view settings_seen as
    select current_user::text as who, current_setting('work_mem') as work_mem,
           nullif(current_setting('app.tenant', true), '') as tenant;
create view setting_set as select set_config('app.by_view', 'view', false) as value;

-- Functions: one for each way in which a body can change its session.
create function pure(int) returns int language sql immutable as 'select $1 + 1';
create function f_set(name text, value text, is_local bool) returns text language plpgsql as
    $$ begin return set_config(name, value, is_local); end $$;
create function f_sql_set(name text, value text) returns text language sql as
    $$ select set_config(name, value, false) $$;
create function f_nested(name text, value text) returns text language plpgsql as
    $$ begin return f_sql_set(name, value); end $$;
create function f_set_statement(value text) returns text language plpgsql as
    $$ begin
        execute format('set work_mem = %L', value);
        return current_setting('work_mem');
    end $$;
create function f_clause() returns text language plpgsql set work_mem = '33MB' as
    $$ begin return current_setting('work_mem'); end $$;
create function f_clause_keeps() returns text language plpgsql set work_mem = '33MB' as
    $$ begin
        perform set_config('work_mem', '34MB', false);
        perform set_config('app.by_clause', 'kept', false);
        return current_setting('work_mem');
    end $$;
create function f_caught(value text) returns text language plpgsql as
    $$ begin
        perform set_config('app.tenant', 'outer ' || value, false);
        begin
            perform set_config('app.tenant', 'inner ' || value, false);
            raise exception 'undone';
        exception when others then null;
        end;
        return current_setting('app.tenant');
    end $$;
create function f_failing(value text) returns text language plpgsql as
    $$ begin
        perform set_config('app.tenant', value, false);
        raise exception 'failed after %', value using errcode = 'WE001', hint = 'a hint';
    end $$;
create function f_become(role text) returns text language plpgsql as
    $$ begin execute format('set role %I', role); return current_user; end $$;
create function f_definer() returns text language sql security definer as
    $$ select current_user || ' ' || session_user $$;
create function f_lock(key int) returns void language plpgsql as
    $$ begin perform pg_advisory_lock(key); end $$;
create function f_listen(channel text) returns void language plpgsql as
    $$ begin execute format('listen %I', channel); end $$;
create function f_notify(channel text, payload text) returns void language sql as
    $$ select pg_notify(channel, payload) $$;
create function f_prepare(name text) returns void language plpgsql as
    $$ begin execute format('prepare %I as select name from which', name); end $$;
create function f_temp(name text) returns void language plpgsql as
    $$ begin execute format('create temp table %I (a int)', name); end $$;
create function f_temp_dropped(name text) returns void language plpgsql as
    $$ begin execute format('create temp table %I (a int) on commit drop', name); end $$;
create procedure p_set(name text, value text) language plpgsql as
    $$ begin
        perform set_config(name, value, false);
        commit;
        perform set_config(name, value || ' again', true);
    end $$;
create procedure p_rolled_back(name text, value text) language plpgsql as
    $$ begin perform set_config(name, value, false); rollback; end $$;

create function f_check(value text) returns bool language plpgsql as
    $$ begin perform set_config('app.by_check', value, false); return true; end $$;
create domain checked as text check (f_check(value));
create function f_equal(int, int) returns bool language plpgsql as
    $$ begin perform set_config('app.by_operator', $1::text, false); return $1 = $2; end $$;
create operator === (leftarg = int, rightarg = int, function = f_equal);

-- What a trigger does hangs on the row.
create function on_insert() returns trigger language plpgsql as
    $$ begin
        case new.note
            when 'role' then perform set_config('role', 'victim', false);
            when 'tenant' then perform set_config('app.tenant', 't2', false);
            when 'local' then perform set_config('app.tenant', 't3', true);
            when 'work_mem' then set work_mem = '9MB';
            when 'lock' then perform pg_advisory_lock(99, substr(tg_table_name, 11)::int);
            when 'listen' then listen by_trigger;
            when 'notify' then notify ch1, 'by trigger';
            else null;
        end case;
        return new;
    end $$;
"""

# One client's own.
OWN = """
create sequence numbers_{client};
create table mine_{client}(id int default nextval('numbers_{client}'), note text,
    who text default current_user,
    tenant text default nullif(current_setting('app.tenant', true), ''));
create table triggered_{client}(note text);
create trigger t before insert on triggered_{client} for each row execute function on_insert();
create table changing_{client}(a int);
insert into changing_{client} values (1);
"""

LAST = """
grant all on all tables in schema public, s1, s2, "Odd Schema" to public;
grant all on all sequences in schema public to public;
"""


def statements(clients):
    return SHARED + "".join(OWN.format(client=i) for i in range(clients)) + LAST
