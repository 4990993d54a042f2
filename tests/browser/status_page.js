// The status page in headless Chromium, over a real load (run by with_proxy).
//
// Environment: that of tests/drivers/with_proxy, WEIR_HTTP_PORT, WEIR_SCREENSHOT (a file; optional).
'use strict';
const assert = require('node:assert/strict');
const {spawn} = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const {test, before, after} = require('node:test');
const zlib = require('node:zlib');
const {chromium} = require('playwright-core');

const port = Number(process.env.WEIR_HTTP_PORT);
const address = `http://127.0.0.1:${port}`;
const patience = 10000 * Number(process.env.WEIR_TEST_PATIENCE || 1);
const root = path.join(__dirname, '..', '..');
let browser, profile, load;

function get(file, headers = {}) {
  return new Promise((resolve, reject) => {
    http.get(`${address}${file}`, {headers}, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => resolve({status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts)}));
    }).on('error', reject);
  });
}

// A page whose console must stay silent.
async function open(where = '/', options = {}) {
  const context = await browser.newContext({viewport: {width: 1280, height: 800}, ...options});
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  page.complaints = [];
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) page.complaints.push(message.text()); });
  page.on('pageerror', (error) => page.complaints.push(String(error)));
  await page.goto(`${address}${where}`);
  return page;
}

async function close(page) {
  assert.deepEqual(page.complaints, []);
  await page.context().close();
}

async function seriousFindings(page) {
  // The page's own policy refuses scripts of others: it is run beside the page's world.
  const session = await page.context().newCDPSession(page);
  const {frameTree} = await session.send('Page.getFrameTree');
  const {executionContextId} = await session.send('Page.createIsolatedWorld', {frameId: frameTree.frame.id});
  await session.send('Runtime.evaluate', {contextId: executionContextId, expression: fs.readFileSync(require.resolve('axe-core'), 'utf8')});
  const {result} = await session.send('Runtime.evaluate', {contextId: executionContextId, awaitPromise: true, returnByValue: true,
    expression: 'axe.run(document).then((found) => found.violations.map((one) => `${one.impact}: ${one.id}: ${one.nodes.map((node) => node.html).slice(0, 3).join(" ")}`))'});
  return result.value.filter((text) => /^(serious|critical)/.test(text));
}

before(async () => {
  profile = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-chromium-'));
  browser = await chromium.launch({executablePath: '/usr/bin/chromium', headless: true, env: {...process.env, HOME: profile},
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']});
  const script = path.join(profile, 'load.sql');
  fs.writeFileSync(script, 'begin;\nselect count(*) from generate_series(1, 200);\nselect pg_sleep(0.002);\ncommit;\n');
  load = spawn('/usr/lib/postgresql/15/bin/pgbench', ['-n', '-c', '8', '-j', '1', '-T', '120', '-f', script], {stdio: 'ignore'});
});

after(async () => {
  load?.kill();
  await browser?.close();
  fs.rmSync(profile, {recursive: true, force: true});
});

test('the chart library is the locked one, unchanged; the page is small and strict', async () => {
  for (const file of ['uPlot.iife.min.js', 'uPlot.min.css']) {
    const vendored = fs.readFileSync(path.join(root, 'proxy/web/vendor', file));
    assert.ok(vendored.equals(fs.readFileSync(path.join(path.dirname(require.resolve('uplot')), file))), file);
  }
  const page = await get('/', {'accept-encoding': 'gzip'});
  assert.equal(page.status, 200);
  assert.ok(page.body.length < 150 * 1024, `${page.body.length} bytes`);
  assert.match(zlib.gunzipSync(page.body).toString(), /<title>pgweir<\/title>/);
  const policy = page.headers['content-security-policy'];
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.equal((await get('/', {'if-none-match': page.headers.etag})).status, 304);
  console.log(`# the page: ${page.body.length} bytes compressed`);
});

test('the first screen: health, numbers, picture, graphs, tables, and they move', async () => {
  const page = await open();
  await page.locator('#health.ok').waitFor();
  assert.match(await page.locator('#health').innerText(), /All is well since/);
  const user = process.env.PGUSER;
  await page.locator('#pools tbody tr', {hasText: user}).waitFor();
  await page.locator('.picture svg text', {hasText: 'Clients'}).first().waitFor();
  assert.equal(await page.locator('.chart canvas').count(), 4);
  const live = page.locator('#live');
  const then = await live.innerText();
  await page.waitForFunction((text) => document.getElementById('live').textContent !== text, then);
  await page.waitForFunction(() => Number.parseFloat(document.querySelector('#tiles .tile b').textContent) > 1);
  // All of it without scrolling.
  const below = await page.evaluate(() => [...document.querySelectorAll('#pools, #hosts, #charts, .picture')].filter((one) => one.getBoundingClientRect().top > 700).length);
  assert.equal(below, 0);
  assert.deepEqual(await seriousFindings(page), []);
  if (process.env.WEIR_SCREENSHOT) await page.screenshot({path: process.env.WEIR_SCREENSHOT});
  await close(page);
});

test('views, filter and window live in the URL; keys', async () => {
  const page = await open();
  await page.locator('#pools tbody tr').first().waitFor();
  await page.keyboard.press('3');
  await page.locator('[data-view=running]:not([hidden])').waitFor();
  await page.locator('#running tbody tr', {hasText: 'pgbench'}).first().waitFor();
  await page.locator('#running tbody td a', {hasText: 'pg_sleep($1)'}).first().waitFor();
  assert.doesNotMatch(await page.locator('#running').innerText(), /0\.002/);
  assert.match(page.url(), /view=running/);
  await page.keyboard.press('/');
  await page.keyboard.type('no such thing');
  await page.locator('#running .empty').waitFor();
  assert.match(page.url(), /q=no\+such\+thing/);
  await page.keyboard.press('Escape');
  assert.doesNotMatch(page.url(), /q=/);
  await page.keyboard.press('?');
  await page.locator('#help[open]').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('#help:not([open])').waitFor({state: 'hidden'});
  await page.keyboard.press('1');
  await page.locator('#window').selectOption('5');
  assert.match(page.url(), /window=5/);
  await close(page);
  const again = await open('/?view=events&q=zzz&window=1');
  await again.locator('[data-view=events]:not([hidden])').waitFor();
  assert.equal(await again.locator('#search').inputValue(), 'zzz');
  assert.equal(await again.locator('#window').inputValue(), '1');
  await close(again);
});

test('statements that have finished: the list, one of them, and back', async () => {
  const page = await open('/?view=queries');
  const row = page.locator('#queries tbody tr', {hasText: 'pg_sleep'});
  await row.first().waitFor();
  assert.match(await row.first().innerText(), new RegExp(process.env.PGUSER));
  assert.doesNotMatch(await page.locator('#queries').innerText(), /0\.002/);
  assert.match(await page.locator('#queries-note').innerText(), /by total/);
  assert.deepEqual(await seriousFindings(page), []);
  await page.locator('#queries th button', {hasText: 'calls'}).click();
  await page.locator('#queries th[aria-sort=descending]', {hasText: 'calls'}).waitFor();
  assert.match(page.url(), /sort=-calls/);
  await page.locator('#window').selectOption('all');
  await row.first().locator('a').click();
  await page.locator('#query-detail:not([hidden]) pre', {hasText: 'pg_sleep'}).waitFor();
  const detail = await page.locator('#query-detail').innerText();
  const fingerprint = new URL(page.url()).searchParams.get('query');
  assert.match(fingerprint, /^[0-9a-f]{16}$/);
  assert.ok(detail.includes(`Statement ${fingerprint}`), detail);
  assert.match(detail, /pgbench/);
  assert.doesNotMatch(detail, /0\.002/);
  assert.ok(await page.locator('#query-detail .bars .bar').count() > 4, 'parts of the time and a histogram');
  assert.deepEqual(await seriousFindings(page), []);
  if (process.env.WEIR_SCREENSHOT) await page.screenshot({path: process.env.WEIR_SCREENSHOT.replace(/\.png$/, '-query.png')});
  await page.keyboard.press('Escape');
  await page.locator('#query-list:not([hidden])').waitFor();
  assert.doesNotMatch(page.url(), /query=/);
  await close(page);
  const again = await open(`/?view=queries&query=${fingerprint}`);
  await again.locator('#query-detail pre', {hasText: 'pg_sleep'}).waitFor();
  await close(again);
});

test('errors that clients were told', async () => {
  const failing = spawn('/usr/bin/psql', ['-X', '-c', 'select 1 / 0'], {stdio: 'ignore'});
  await new Promise((resolve) => { failing.on('exit', resolve); });
  const page = await open('/?view=events');
  await page.locator('#errors tbody tr', {hasText: '22012'}).waitFor();
  await close(page);
});

test('a lost stream says so within three seconds', async () => {
  const page = await open();
  await page.locator('#health.ok').waitFor();
  await page.context().setOffline(true);
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  await page.route('**/api/v1/stream', (route) => route.abort());
  process.kill(Number(process.env.WEIR_PROXY_PID), 'SIGSTOP');
  const begun = Date.now();
  try {
    await page.waitForFunction(() => document.getElementById('live').textContent.startsWith('stale since'), null, {timeout: 3500});
  } finally {
    process.kill(Number(process.env.WEIR_PROXY_PID), 'SIGCONT');
  }
  console.log(`# stale after ${Date.now() - begun} ms`);
  await page.context().close();
});

test('on a phone, in the dark: nothing is cut off, no serious finding', async () => {
  const page = await open('/', {viewport: {width: 390, height: 844}, colorScheme: 'dark'});
  await page.locator('#pools tbody tr').first().waitFor();
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no scrolling sideways');
  assert.deepEqual(await seriousFindings(page), []);
  await close(page);
});

test('without JavaScript: plain tables', async () => {
  const page = await open('/', {javaScriptEnabled: false});
  await page.locator('h2', {hasText: 'Pools'}).waitFor();
  assert.match(page.url(), /\/tables$/);
  assert.match(await page.locator('body').innerText(), new RegExp(process.env.PGUSER));
  await page.locator('td', {hasText: 'pg_sleep'}).waitFor();
  await page.context().close();
});
