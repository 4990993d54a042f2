// node load.js PORT USER DATABASE: node-postgres's part of tests/statistics/run.py.
const { Client } = require("pg");

async function main() {
  const [port, user, database] = process.argv.slice(2);
  const client = new Client({ host: "127.0.0.1", port: Number(port), user, database });
  await client.connect();
  for (let i = 0; i < 40; ++i) {
    await client.query("select 'node', name from mixed where id = $1", [i]);
    await client.query({ name: "named", text: "select 'node', id from mixed where id > $1", values: [2980 + (i % 10)] });
    await client.query("select 'node'; select count(*) as node from mixed");
  }
  await client.query("begin");
  await client.query("insert into mixed select g, 'node' from generate_series(5000, 5099) g");
  await client.query("commit");
  for (let i = 0; i < 10; ++i) await client.query("select pg_sleep(0.02), 'node' as node");
  await client.end();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
