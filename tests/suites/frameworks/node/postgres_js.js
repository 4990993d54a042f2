// What an application does with postgres.js: it prepares every statement, and pipelines them.
'use strict';

const assert = require('assert');
const postgres = require('postgres');
const { copy, run } = require('./steps.js');

const sql = postgres({ max: 4, prepare: true, onnotice: () => {} });
const table = sql(`postgres_js_item_${copy}`);

run({
    async tables() {
        await sql`drop table if exists ${table}`;
        await sql`create table ${table} (id int primary key, data jsonb, made timestamptz default now())`;
    },
    async prepared_statements() {
        await Promise.all(Array.from({ length: 300 }, (_, n) => sql`
            insert into ${table} (id, data) values (${n}, ${sql.json({ n })})`));
        const found = await Promise.all(Array.from({ length: 300 }, (_, n) => sql`
            select data from ${table} where id = ${n}`));
        found.forEach((rows, n) => assert.deepStrictEqual(rows[0].data, { n }));
    },
    async begin_and_savepoint() {
        await sql.begin(async (tx) => {
            await tx`insert into ${table} (id) values (1000)`;
            await assert.rejects(tx.savepoint(async (inner) => {
                await inner`insert into ${table} (id) values (1001)`;
                await inner`select 1/0`;
            }), { code: '22012' });
        });
        assert.strictEqual((await sql`select id from ${table} where id >= 1000`).length, 1);
    },
    async pipelined_transaction() {
        const [, rows] = await sql.begin((tx) => [
            tx`insert into ${table} (id) values (1002)`,
            tx`select count(*)::int as n from ${table} where id >= 1000`,
        ]);
        assert.strictEqual(rows[0].n, 2);
    },
    async error_in_a_pipeline() {
        const results = await Promise.allSettled(Array.from({ length: 40 }, (_, n) => (n % 4 === 3
            ? sql`select 1 / ${0}::int` : sql`select ${n}::int as n`)));
        results.forEach((result, n) => {
            if (n % 4 === 3) assert.strictEqual(result.reason.code, '22012');
            else assert.strictEqual(result.value[0].n, n);
        });
    },
    async cursor() {
        let seen = 0;
        for await (const rows of sql`select * from ${table} order by id`.cursor(20)) seen += rows.length;
        assert.strictEqual(seen, 302);
    },
    async listen() {
        const heard = [];
        const { unlisten } = await sql.listen(`postgres_js_${copy}`, (payload) => heard.push(payload));
        for (let n = 0; n < 5; n++) await sql.notify(`postgres_js_${copy}`, String(n));
        for (let n = 0; n < 100 && heard.length < 5; n++) await new Promise((done) => setTimeout(done, 50));
        assert.deepStrictEqual(heard, ['0', '1', '2', '3', '4']);
        await unlisten();
    },
    async reserved_connection() {
        const own = await sql.reserve();
        await own`create temp table postgres_js_scratch (a int)`;
        await Promise.all(Array.from({ length: 20 }, (_, n) => own`insert into postgres_js_scratch values (${n})`));
        assert.strictEqual((await own`select count(*)::int as n from postgres_js_scratch`)[0].n, 20);
        await own`drop table postgres_js_scratch`;
        own.release();
    },
    async simple_protocol() {
        const results = await sql`select 1 as a; select 2 as a`.simple();
        assert.deepStrictEqual(results.map((rows) => rows[0].a), [1, 2]);
    },
    async cancel() {
        const query = sql`select pg_sleep(30)`;
        setTimeout(() => query.cancel(), 300);
        await assert.rejects(query, { code: '57014' });
        assert.strictEqual((await sql`select 1 as a`)[0].a, 1);
    },
    async copy_in_and_out() {
        const { pipeline } = require('stream/promises');
        const { Readable } = require('stream');
        const lines = Array.from({ length: 500 }, (_, n) => `${2000 + n}\n`);
        await pipeline(Readable.from(lines), await sql`copy ${table} (id) from stdin`.writable());
        let text = '';
        for await (const chunk of await sql`copy (select id from ${table} where id >= 2000) to stdout`.readable()) {
            text += chunk;
        }
        assert.strictEqual(text.trim().split('\n').length, 500);
    },
    async connection_settings() {
        const own = postgres({ max: 2, connection: { application_name: `js ${copy}`, search_path: 'pg_catalog' } });
        for (let n = 0; n < 10; n++) {
            const [row] = await own`select current_setting('application_name') as a, current_setting('search_path') as b`;
            assert.deepStrictEqual(row, { a: `js ${copy}`, b: 'pg_catalog' });
        }
        await own.end();
    },
}, () => sql.end());
