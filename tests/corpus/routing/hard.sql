-- Names that hide, calls that no name shows, views over views.
CREATE TABLE t (id int PRIMARY KEY, v text, n int);
INSERT INTO t SELECT g, 'v' || g, g % 10 FROM generate_series(1, 20) g;
CREATE TABLE base (id int PRIMARY KEY, v text);
CREATE TABLE log (msg text);
CREATE UNLOGGED TABLE ul (id int, v text);
CREATE SEQUENCE s;
CREATE TABLE "Quoted Table" (id int, "Col" text);
CREATE TABLE "pg_mine" (id int);
CREATE SCHEMA other;
CREATE TABLE other.only_here (id int);
CREATE UNLOGGED TABLE other.t (id int, v text, n int);
CREATE SCHEMA shadow;

CREATE FUNCTION writes() RETURNS int LANGUAGE sql AS $$ INSERT INTO log VALUES ('w') RETURNING 1 $$;
CREATE FUNCTION writes(int) RETURNS int LANGUAGE sql AS $$ INSERT INTO log VALUES ('w1') RETURNING 1 $$;
CREATE FUNCTION writes_text(text) RETURNS boolean LANGUAGE sql AS
    $$ INSERT INTO log VALUES ($1) RETURNING true $$;
CREATE FUNCTION writes_two(text, text) RETURNS boolean LANGUAGE sql AS
    $$ INSERT INTO log VALUES ($1) RETURNING true $$;
CREATE FUNCTION pure(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION pure_default(a int, b int DEFAULT 1, c int DEFAULT 2) RETURNS int
    LANGUAGE sql IMMUTABLE AS 'SELECT a + b + c';
CREATE FUNCTION pure_variadic(VARIADIC a int[]) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a[1]';
CREATE FUNCTION variadic_writes(VARIADIC a int[]) RETURNS int LANGUAGE sql AS 'SELECT writes()';
CREATE FUNCTION by_arity(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION by_arity(int, int) RETURNS int LANGUAGE sql AS 'SELECT writes()';
CREATE FUNCTION default_writes(a int DEFAULT nextval('s')) RETURNS int
    LANGUAGE sql IMMUTABLE AS 'SELECT a';
CREATE FUNCTION default_calls(a int DEFAULT writes()) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a';
CREATE FUNCTION row_writes(t) RETURNS int LANGUAGE sql AS 'SELECT writes()';
CREATE FUNCTION row_pure(t) RETURNS int LANGUAGE sql STABLE AS 'SELECT $1.n';
CREATE FUNCTION stable_reads_unlogged() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM ul';
CREATE FUNCTION stable_calls() RETURNS int LANGUAGE plpgsql STABLE AS
    $$ BEGIN RETURN public.writes(); END $$;
CREATE FUNCTION stable_calls_calls() RETURNS int LANGUAGE plpgsql STABLE AS
    $$ BEGIN RETURN stable_calls(); END $$;
CREATE FUNCTION stable_takes_next() RETURNS bigint LANGUAGE plpgsql STABLE AS
    $$ BEGIN RETURN nextval('s'); END $$;
CREATE FUNCTION stable_locks() RETURNS int LANGUAGE plpgsql STABLE AS
    $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN 1; END $$;
CREATE FUNCTION stable_dynamic(q text) RETURNS int LANGUAGE plpgsql STABLE AS
    $$ DECLARE r int; BEGIN EXECUTE q INTO r; RETURN r; END $$;
CREATE FUNCTION stable_fine(int) RETURNS text LANGUAGE plpgsql STABLE AS
    $$ DECLARE r text; BEGIN SELECT v INTO r FROM base WHERE id = $1; RETURN upper(r); END $$;
CREATE FUNCTION atomic_writes() RETURNS int LANGUAGE sql STABLE RETURN writes();
CREATE FUNCTION set_reads() RETURNS SETOF base LANGUAGE sql STABLE AS 'SELECT * FROM base';
CREATE FUNCTION set_writes() RETURNS SETOF t LANGUAGE sql AS $$ SELECT writes(); SELECT * FROM t $$;
CREATE FUNCTION shadow.lower(text) RETURNS text LANGUAGE sql AS $$ INSERT INTO public.log VALUES ('l') RETURNING 'x' $$;
CREATE FUNCTION shadow.now() RETURNS timestamptz LANGUAGE sql AS $$ INSERT INTO public.log VALUES ('n') RETURNING NULL::timestamptz $$;
CREATE FUNCTION shadow.pure(int) RETURNS int LANGUAGE sql AS 'SELECT public.writes()';
CREATE FUNCTION "Ünï"() RETURNS int LANGUAGE sql AS 'SELECT writes()';
CREATE FUNCTION "random"(text) RETURNS int LANGUAGE sql AS 'SELECT writes()';

CREATE OPERATOR ### (LEFTARG = text, RIGHTARG = text, FUNCTION = writes_two);
CREATE FUNCTION equal_text(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 OPERATOR(pg_catalog.=) $2';
CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = equal_text);
CREATE OPERATOR other.@@@@ (RIGHTARG = text, FUNCTION = writes_text);
CREATE FUNCTION lies_two(text, text) RETURNS boolean LANGUAGE plpgsql STABLE AS
    $$ BEGIN PERFORM writes(); RETURN true; END $$;
CREATE OPERATOR ##= (LEFTARG = text, RIGHTARG = text, FUNCTION = lies_two);

CREATE FUNCTION step(int, int) RETURNS int LANGUAGE sql AS 'SELECT writes()';
CREATE FUNCTION step_pure(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $2';
CREATE FUNCTION final_writes(int) RETURNS int LANGUAGE sql AS 'SELECT writes()';
CREATE AGGREGATE sum_pure(int) (SFUNC = step_pure, STYPE = int, INITCOND = '0');
CREATE AGGREGATE sum_writes(int) (SFUNC = step, STYPE = int, INITCOND = '0');
CREATE AGGREGATE sum_final(int) (SFUNC = step_pure, STYPE = int, INITCOND = '0', FINALFUNC = final_writes);

CREATE DOMAIN checked AS text CHECK (writes_text(VALUE));
CREATE DOMAIN checked_pure AS text CHECK (length(VALUE) < 9);
CREATE DOMAIN checked_again AS checked;
CREATE DOMAIN checked_next AS int CHECK (nextval('public.s') > VALUE);
CREATE TYPE pair AS (a int, b int);
CREATE TYPE pair_checked AS (a int, b checked);
CREATE TYPE pair_plain AS (a int, b int);
CREATE TYPE mood AS ENUM ('ok', 'sad');
CREATE TABLE holds (id int, c checked);
CREATE FUNCTION takes_checked(checked) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION to_pair(text) RETURNS pair LANGUAGE sql AS 'SELECT writes(), 1';
CREATE CAST (text AS pair) WITH FUNCTION to_pair(text);

CREATE VIEW v_plain AS SELECT id, v FROM t WHERE n > 1 ORDER BY v;
CREATE VIEW v_over AS SELECT id, v_plain.v FROM v_plain JOIN t USING (id);
CREATE VIEW v_writes AS SELECT writes() AS w;
CREATE VIEW v_over_writes AS SELECT v_writes.w, t.id FROM v_writes, t;
CREATE VIEW v_over_over AS SELECT w FROM (SELECT * FROM v_over_writes) x;
CREATE VIEW v_next AS SELECT nextval('s') AS n;
CREATE VIEW v_lock AS SELECT * FROM t WHERE id = 1 FOR SHARE;
CREATE VIEW v_sub_lock AS SELECT (SELECT id FROM t WHERE id = 1 FOR UPDATE) AS id;
CREATE VIEW v_backend AS SELECT pg_backend_pid() AS pid;
CREATE VIEW v_random AS SELECT random() AS r, clock_timestamp() AS c;
CREATE VIEW v_operator AS SELECT 'a'::text ### 'b'::text AS o;
CREATE VIEW v_aggregate AS SELECT sum_writes(n) AS s FROM t;
CREATE VIEW v_window AS SELECT sum_pure(n) OVER (ORDER BY id) AS s FROM t;
CREATE VIEW v_domain AS SELECT 'x'::checked AS c;
CREATE VIEW v_unlogged AS SELECT * FROM ul;
CREATE VIEW v_catalog AS SELECT relname FROM pg_class;
CREATE VIEW v_information AS SELECT table_name FROM information_schema.tables;
CREATE VIEW v_barrier WITH (security_barrier) AS SELECT * FROM t WHERE pure(n) > 0;
CREATE VIEW v_barrier_writes WITH (security_barrier) AS SELECT * FROM t WHERE writes(n) > 0;
CREATE VIEW v_cte AS WITH ul AS (SELECT 1 AS a) SELECT * FROM ul;
CREATE VIEW v_lies AS SELECT stable_calls() AS c;
CREATE VIEW v_setting AS SELECT current_setting('app.tenant', true) AS tenant;
CREATE VIEW v_set AS SELECT * FROM set_writes();
CREATE VIEW shadow.t AS SELECT writes() AS id;
CREATE MATERIALIZED VIEW m_writes AS SELECT writes() AS w;
CREATE MATERIALIZED VIEW m_plain AS SELECT * FROM t;
CREATE VIEW v_over_m AS SELECT * FROM m_writes;
CREATE RECURSIVE VIEW v_recursive (n) AS SELECT 1 UNION ALL SELECT n + 1 FROM v_recursive WHERE n < 3;

CREATE TABLE parent (id int);
CREATE TABLE child (x int) INHERITS (parent);
CREATE TABLE parent_unlogged (id int);
CREATE UNLOGGED TABLE child_unlogged (x int) INHERITS (parent_unlogged);
CREATE TABLE pt (id int, k int) PARTITION BY LIST (k);
CREATE TABLE pt1 PARTITION OF pt FOR VALUES IN (1) PARTITION BY LIST (id);
CREATE UNLOGGED TABLE pt11 PARTITION OF pt1 FOR VALUES IN (1);
CREATE TABLE pt2 PARTITION OF pt FOR VALUES IN (2);

CREATE TABLE secured (id int, owner text);
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON secured USING (owner = current_setting('app.tenant', true));
CREATE TABLE secured_writes (id int, owner text);
ALTER TABLE secured_writes ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON secured_writes USING (writes_text(owner));
CREATE TABLE secured_view (id int);
ALTER TABLE secured_view ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON secured_view USING (id IN (SELECT w FROM v_writes));
CREATE TABLE secured_check (id int, owner text);
ALTER TABLE secured_check ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON secured_check USING (true) WITH CHECK (writes_text(owner));

CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE far (id int) SERVER nowhere;

-- Settings of the node, and system catalogs, in what is stored.
CREATE FUNCTION stable_read_only() RETURNS text LANGUAGE sql STABLE AS
    $$ SELECT current_setting('transaction_read_only') $$;
CREATE FUNCTION stable_computed_setting(n text) RETURNS text LANGUAGE plpgsql STABLE AS
    $$ BEGIN RETURN current_setting(n); END $$;
CREATE FUNCTION stable_own_setting() RETURNS text LANGUAGE plpgsql STABLE AS
    $$ BEGIN RETURN current_setting('app.tenant', true); END $$;
CREATE FUNCTION atomic_read_only() RETURNS text LANGUAGE sql STABLE
    RETURN current_setting('transaction_read_only');
CREATE FUNCTION atomic_own_setting() RETURNS text LANGUAGE sql STABLE
    RETURN current_setting('app.tenant', true);
CREATE FUNCTION default_read_only(a text DEFAULT current_setting('transaction_read_only'))
    RETURNS text LANGUAGE sql STABLE AS 'SELECT a';
CREATE FUNCTION stable_activity() RETURNS bigint LANGUAGE sql STABLE AS
    'SELECT count(*) FROM pg_stat_activity';
CREATE FUNCTION stable_locked() RETURNS bigint LANGUAGE plpgsql STABLE AS
    $$ BEGIN RETURN (SELECT count(*) FROM pg_locks); END $$;
CREATE VIEW v_read_only AS SELECT current_setting('TRANSACTION_read_only', true) AS r;
CREATE VIEW v_computed_setting AS SELECT current_setting('in_' || 'hot_standby') AS r;
CREATE VIEW v_other_settings AS
    SELECT current_setting('app.port', true) AS a, current_setting('support', true) AS b, 'port'::text AS c;
CREATE TABLE secured_read_only (id int);
ALTER TABLE secured_read_only ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON secured_read_only USING (current_setting('transaction_read_only') = 'off');
CREATE DOMAIN checked_read_only AS int CHECK (current_setting('transaction_read_only') = 'off');

-- Types in types.
CREATE FUNCTION locks_silently(int) RETURNS boolean LANGUAGE plpgsql STABLE AS
    $$ BEGIN PERFORM pg_advisory_xact_lock(77); RETURN true; END $$;
CREATE DOMAIN checked_silently AS int CHECK (locks_silently(VALUE));
CREATE TYPE checked_range AS RANGE (SUBTYPE = checked_silently);
CREATE TYPE nested AS (a pair_checked, b int);

CREATE FUNCTION step_back(int, int) RETURNS int LANGUAGE sql AS 'SELECT writes()';
CREATE AGGREGATE sum_moving(int) (SFUNC = step_pure, STYPE = int, INITCOND = '0',
    MSFUNC = step_pure, MINVFUNC = step_back, MSTYPE = int, MINITCOND = '0');
CREATE FUNCTION any_writes(anyelement) RETURNS anyelement LANGUAGE plpgsql STABLE AS
    $$ BEGIN PERFORM writes(); RETURN $1; END $$;
CREATE FUNCTION any_next(VARIADIC anyarray) RETURNS bigint LANGUAGE plpgsql STABLE AS
    $$ BEGIN RETURN nextval('s'); END $$;
CREATE VIEW v_moving AS SELECT sum_moving(n) OVER (ORDER BY id ROWS 1 PRECEDING) AS s FROM t;
CREATE VIEW v_advisory AS SELECT (SELECT count(*) FROM (SELECT pg_advisory_lock(5)) x) AS c;
CREATE VIEW v_row AS SELECT t.row_writes FROM t;
CREATE VIEW v_values AS VALUES (pg_is_in_recovery());
CREATE TABLE pt_far (id int, k int) PARTITION BY LIST (k);
CREATE FOREIGN TABLE pt_far1 PARTITION OF pt_far FOR VALUES IN (1) SERVER nowhere;
CREATE TABLE secured_silently (id int);
ALTER TABLE secured_silently ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON secured_silently USING (locks_silently(id));
CREATE TABLE secured_child () INHERITS (secured_silently);
