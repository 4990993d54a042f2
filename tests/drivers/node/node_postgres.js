// node-postgres through the proxy; the connection comes from libpq's environment variables.
'use strict';

const assert = require('node:assert');
const test = require('node:test');
const { pipeline } = require('node:stream/promises');
const { Readable } = require('node:stream');
const { Client, Pool } = require('pg');
const { from: copyFrom, to: copyTo } = require('pg-copy-streams');
const Cursor = require('pg-cursor');

const poolSize = Number(process.env.WEIR_POOL_SIZE);
const oursOnly = { skip: process.env.WEIR_PROXY === 'pgbouncer' };
const ssl = { rejectUnauthorized: false };

async function withClient(work) {
  const client = new Client({ ssl });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

test('types come back', () => withClient(async (client) => {
  const { rows } = await client.query(
    'select $1::int as i, $2::text as t, $3::jsonb as j, $4::bytea as b, null as n',
    [1, 'zwölf', { a: 1 }, Buffer.from([0, 255])]);
  assert.deepStrictEqual(rows[0],
    { i: 1, t: 'zwölf', j: { a: 1 }, b: Buffer.from([0, 255]), n: null });
}));

test('without TLS', async () => {
  const client = new Client({ ssl: false });
  await client.connect();
  assert.strictEqual((await client.query('select 1 as a')).rows[0].a, 1);
  await client.end();
});

test('named statements on all servers', oursOnly, async () => {
  const pool = new Pool({ ssl, max: 3 * poolSize });
  for (let round = 0; round < 5; ++round) {
    const results = await Promise.all(Array.from({ length: 6 * poolSize }, (_, n) =>
      pool.query({ name: 'number', text: 'select $1::int as n', values: [n] })));
    results.forEach((result, n) => assert.strictEqual(result.rows[0].n, n));
  }
  await pool.end();
});

test('queries sent without waiting are answered in order', () => withClient(async (client) => {
  const results = await Promise.all(Array.from({ length: 200 }, (_, n) =>
    client.query('select $1::int as n', [n])));
  results.forEach((result, n) => assert.strictEqual(result.rows[0].n, n));
}));

test('transactions', () => withClient(async (client) => {
  await client.query('create table node_tx (a int primary key)');
  await client.query('begin');
  await client.query('insert into node_tx values (1)');
  await assert.rejects(client.query('insert into node_tx values (1)'), { code: '23505' });
  await assert.rejects(client.query('select 1'), { code: '25P02' });
  await client.query('rollback');
  assert.strictEqual((await client.query('select * from node_tx')).rowCount, 0);
}));

test('COPY both ways', () => withClient(async (client) => {
  await client.query('create table node_copy (a int, b text)');
  const lines = Array.from({ length: 10000 }, (_, n) => `${n}\ttext\n`);
  await pipeline(Readable.from(lines), client.query(copyFrom('copy node_copy from stdin')));
  let text = '';
  for await (const chunk of client.query(copyTo('copy node_copy to stdout'))) text += chunk;
  assert.strictEqual(text, lines.join(''));
}));

test('a cursor reads a portal in pieces', () => withClient(async (client) => {
  await client.query('begin');
  const cursor = client.query(new Cursor('select generate_series(1, 25) as n'));
  let total = 0;
  for (let rows = await cursor.read(10); rows.length > 0; rows = await cursor.read(10)) {
    total += rows.length;
  }
  await cursor.close();
  await client.query('commit');
  assert.strictEqual(total, 25);
}));

test('cancel', () => withClient(async (client) => {
  const sleeping = client.query('select pg_sleep(60)');
  const rejected = assert.rejects(sleeping, { code: '57014' });
  await new Promise((resolve) => setTimeout(resolve, 500));
  // node-postgres has no public call for it: the message on a connection of its own.
  const socket = require('node:net').connect(Number(process.env.PGPORT), process.env.PGHOST);
  const request = Buffer.alloc(16);
  [16, 80877102].forEach((value, i) => request.writeInt32BE(value, 4 * i));
  request.writeInt32BE(client.processID, 8);
  request.writeInt32BE(client.secretKey, 12);
  socket.write(request);  // the other side closes, as PostgreSQL does
  await rejected;
  assert.strictEqual((await client.query('select 1 as a')).rows[0].a, 1);
}));

test('errors and notices', () => withClient(async (client) => {
  const notices = [];
  client.on('notice', (notice) => notices.push(notice.message));
  await client.query("do $$ begin raise notice 'heard'; end $$");
  assert.deepStrictEqual(notices, ['heard']);
  await assert.rejects(client.query('select * from nowhere'), { code: '42P01', severity: 'ERROR' });
  await assert.rejects(client.query('select $1::int', ['x']), { code: '22P02' });
}));

test('the console', async () => {
  const client = new Client({ ssl, user: process.env.WEIR_ADMIN, database: 'pgbouncer' });
  await client.connect();
  const { rows } = await client.query('SHOW POOLS');
  assert.ok(rows.some((row) => row.database === process.env.PGDATABASE));
  await client.end();
});
