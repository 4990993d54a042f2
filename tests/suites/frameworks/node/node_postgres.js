// What an application does with node-postgres.
'use strict';

const assert = require('assert');
const { Pool } = require('pg');
const Cursor = require('pg-cursor');
const { copy, run } = require('./steps.js');

const pool = new Pool({ max: 4 });
const table = `node_item_${copy}`;

const transaction = async (body) => {
    const client = await pool.connect();
    try {
        await client.query('begin');
        await body(client);
        await client.query('commit');
    } catch (error) {
        await client.query('rollback');
        throw error;
    } finally {
        client.release();
    }
};

const withClient = async (body) => {
    const client = await pool.connect();
    try {
        await body(client);
    } finally {
        client.release();
    }
};

run({
    async tables() {
        await pool.query(`drop table if exists ${table}; create table ${table} (id int primary key, name text)`);
    },
    async named_statements() {
        await Promise.all(Array.from({ length: 200 }, (_, n) => pool.query(
            { name: 'insert', text: `insert into ${table} values ($1, $2)`, values: [n, `item ${n}`] })));
        const found = await Promise.all(Array.from({ length: 200 }, (_, n) => pool.query(
            { name: 'find', text: `select name from ${table} where id = $1`, values: [n] })));
        found.forEach((result, n) => assert.strictEqual(result.rows[0].name, `item ${n}`));
    },
    async rollback() {
        await assert.rejects(transaction(async (client) => {
            await client.query(`delete from ${table}`);
            await client.query('select 1/0');
        }), { code: '22012' });
        const { rows } = await pool.query(`select count(*)::int as n from ${table}`);
        assert.strictEqual(rows[0].n, 200);
    },
    async cursor() {
        await transaction(async (client) => {
            const cursor = client.query(new Cursor(`select * from ${table} order by id`));
            let seen = 0;
            for (let rows = await cursor.read(7); rows.length; rows = await cursor.read(7)) seen += rows.length;
            await cursor.close();
            assert.strictEqual(seen, 200);
        });
    },
    // Outside of a transaction the portal lives up to the Sync, which comes after the last read.
    async cursor_in_autocommit() {
        await withClient(async (client) => {
            const cursor = client.query(new Cursor(`select * from ${table} order by id`));
            assert.strictEqual((await cursor.read(7)).length, 7);
            assert.strictEqual((await cursor.read(7)).length, 7);
            await cursor.close();
        });
    },
    async session_setting() {
        await withClient(async (client) => {
            await client.query("set application_name = 'node'; set app.copy = 'mine'");
            for (let n = 0; n < 20; n++) {
                const { rows } = await client.query(
                    "select current_setting('app.copy') as a, current_setting('application_name') as b");
                assert.deepStrictEqual(rows[0], { a: 'mine', b: 'node' });
            }
            await client.query('reset all');
        });
    },
    async listen() {
        await withClient(async (client) => {
            const heard = [];
            client.on('notification', (message) => heard.push(message.payload));
            await client.query(`listen node_${copy}`);
            for (let n = 0; n < 5; n++) await pool.query(`select pg_notify('node_${copy}', $1)`, [String(n)]);
            for (let n = 0; n < 100 && heard.length < 5; n++) await new Promise((done) => setTimeout(done, 50));
            assert.deepStrictEqual(heard, ['0', '1', '2', '3', '4']);
            await client.query(`unlisten node_${copy}`);
        });
    },
    async advisory_lock() {
        await withClient(async (client) => {
            await client.query(`select pg_advisory_lock(1, ${copy})`);
            const other = await pool.query(`select pg_try_advisory_lock(1, ${copy}) as got`);
            assert.strictEqual(other.rows[0].got, false);
            const { rows } = await client.query(`select pg_advisory_unlock(1, ${copy}) as had`);
            assert.strictEqual(rows[0].had, true);
        });
    },
    async many_results_of_one_query() {
        const results = await pool.query('begin; select 1 as a; commit; select 2 as a');
        assert.deepStrictEqual(results.map((result) => result.command), ['BEGIN', 'SELECT', 'COMMIT', 'SELECT']);
    },
    async statement_timeout() {
        const own = new Pool({ max: 1, statement_timeout: 200 });
        await assert.rejects(own.query('select pg_sleep(5)'), { code: '57014' });
        assert.strictEqual((await own.query('show statement_timeout')).rows[0].statement_timeout, '200ms');
        await own.end();
        assert.strictEqual((await pool.query('show statement_timeout')).rows[0].statement_timeout, '0');
    },
}, () => pool.end());
