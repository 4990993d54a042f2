'use strict';
(() => {
  const $ = (id) => document.getElementById(id);
  const views = [['overview', 'Overview'], ['queries', 'Finished'], ['running', 'Running'],
    ['routes', 'Routes and pins'], ['events', 'Events']];
  const series = {};
  let status = null;
  let sessions = null;
  let queries = null;
  let errors = null;
  let lastMessage = 0;
  let connectedAt = performance.now();

  // --- the state in the URL ---
  const url = new URLSearchParams(location.search);
  const state = {
    view: views.some(([name]) => name === url.get('view')) ? url.get('view') : 'overview',
    q: url.get('q') || '', window: ['1', '5', '15', 'all'].includes(url.get('window')) ? url.get('window') : '15',
    query: /^[0-9a-f]{16}$/.test(url.get('query') || '') ? url.get('query') : '', sort: url.get('sort') || '',
  };
  // Graphs go back 15 minutes at most; what is counted since the start has no graph.
  const graphMinutes = () => (state.window === 'all' ? 15 : Number(state.window));
  function saveState(push) {
    const params = new URLSearchParams();
    if (state.view !== 'overview') params.set('view', state.view);
    if (state.q) params.set('q', state.q);
    if (state.window !== '15') params.set('window', state.window);
    if (state.query) params.set('query', state.query);
    if (state.sort) params.set('sort', state.sort);
    const text = params.toString();
    history[push ? 'pushState' : 'replaceState'](null, '', text ? `/?${text}` : '/');
  }

  // --- making elements; texts of others come in by textContent only ---
  function h(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }
  const svgSpace = 'http://www.w3.org/2000/svg';
  function s(tag, attributes, text) {
    const element = document.createElementNS(svgSpace, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    return element;
  }
  const setText = (element, text) => { if (element.textContent !== text) element.textContent = text; };

  // --- numbers as people read them ---
  function count(value) {
    if (value === null || value === undefined) return '–';
    const size = Math.abs(value);
    if (size >= 1e9) return `${(value / 1e9).toFixed(1)} G`;
    if (size >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
    if (size >= 1e4) return `${(value / 1e3).toFixed(1)} k`;
    return size >= 100 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1);
  }
  const bytes = (value) => (value === null || value === undefined ? '–' : `${count(value)}B`);
  function duration(us) {
    if (us === null || us === undefined || us < 0) return '–';
    if (us === 0) return '0';
    if (us < 1000) return `${us < 10 ? us.toFixed(1) : Math.round(us)} µs`;
    if (us < 1e6) return `${(us / 1e3).toFixed(us < 1e4 ? 2 : 1)} ms`;
    if (us < 12e7) return `${(us / 1e6).toFixed(1)} s`;
    if (us < 72e8) return `${Math.round(us / 6e7)} min`;
    return `${(us / 36e8).toFixed(1)} h`;
  }
  const milliseconds = (ms) => duration(ms === null || ms === undefined ? null : ms * 1000);
  const clock = (ms) => new Date(ms).toLocaleTimeString([], {hour12: false});
  const dateAndTime = (ms) => (Date.now() - ms > 72e6 ? `${new Date(ms).toLocaleDateString()} ` : '') + clock(ms);
  const ago = (ms) => duration(Math.max(0, (status ? status.time : Date.now()) - ms) * 1000);

  // --- tables: rows are kept by key, so that focus and selection stay ---
  function drawTable(table, columns, rows, key, none) {
    const names = columns.map((column) => column.title).join('|') + state.sort;
    if (table.dataset.names !== names) {
      table.dataset.names = names;
      const cells = columns.map((column) => {
        const title = column.sort
          ? h('button', {type: 'button', onclick: () => sortBy(column.sort)}, column.title) : column.title;
        const sorted = column.sort && state.sort.replace(/^-/, '') === column.sort;
        return h('th', {scope: 'col', class: column.number ? 'n' : null,
          'aria-sort': sorted ? (state.sort.startsWith('-') ? 'descending' : 'ascending') : null}, title);
      });
      table.replaceChildren(h('thead', {}, h('tr', {}, ...cells)), h('tbody'));
    }
    const body = table.tBodies[0];
    const old = new Map([...body.rows].map((row) => [row.dataset.key, row]));
    const wanted = rows.map((row) => {
      const name = key(row);
      let line = old.get(name);
      old.delete(name);
      if (!line) {
        line = h('tr', {'data-key': name}, ...columns.map((column) => h('td', {
          class: [column.number ? 'n' : '', column.class || ''].join(' ').trim() || null})));
      }
      columns.forEach((column, i) => column.draw ? column.draw(line.cells[i], row) : setText(line.cells[i], String(column.value(row))));
      return line;
    });
    for (const line of old.values()) line.remove();
    wanted.forEach((line, i) => { if (body.rows[i] !== line) body.insertBefore(line, body.rows[i] || null); });
    if (rows.length === 0) body.replaceChildren(h('tr', {}, h('td', {class: 'empty', colspan: columns.length}, none)));
  }
  function sortBy(name) {
    state.sort = state.sort === `-${name}` ? name : `-${name}`;
    saveState(false);
    drawQueries();
  }
  const words = (row, ...fields) => fields.map((field) => row[field] || '').join(' ').toLowerCase();
  function filtered(rows, ...fields) {
    const wanted = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    return rows.filter((row) => wanted.every((word) => words(row, ...fields).includes(word)));
  }
  const grade = {ok: 'ok', healthy: 'ok', full: 'warning', lagging: 'warning', draining: 'warning',
    paused: 'warning', disabled: 'warning', fenced: 'warning', waiting: 'critical', down: 'critical', 'login fails': 'critical'};
  function stateCell(cell, word, title) {
    let mark = cell.firstElementChild;
    if (!mark) cell.append(mark = h('span'));
    mark.className = `state ${grade[word] || ''}`;
    mark.title = title || '';
    setText(mark, word);
  }
  // Current, peak and limit in one: the bar, its mark, its end.
  function meterCell(cell, now, peak, limit) {
    if (!cell.firstElementChild) {
      cell.append(h('span', {class: 'meter', 'aria-hidden': 'true'}, h('i'), h('u')), h('span'));
    }
    const [meter, text] = cell.children;
    const share = (value) => `${limit > 0 ? Math.min(100, 100 * value / limit) : 0}%`;
    meter.children[0].style.width = share(now);
    meter.children[0].className = limit > 0 && now >= limit ? 'full' : '';
    meter.children[1].style.left = `calc(${share(peak)} - 1px)`;
    setText(text, `${now} / ${peak} / ${limit > 0 ? limit : '∞'}`);
  }

  // --- graphs ---
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const graphs = [
    {title: 'Transactions per second', of: [['transactions', 'all'], ['on_replicas', 'on replicas']], text: count},
    {title: 'Time', of: [['query_us', 'query'], ['wait_us', 'wait']], text: duration},
    {title: 'Servers and waiting clients', of: [['active', 'busy servers'], ['waiting', 'clients that wait']], text: count},
    {title: 'Replica lag and traffic', of: [['lag_ms', 'lag'], ['bytes_out', 'to clients', 'b']], text: milliseconds, other: (value) => (value === null || value === undefined ? '–' : `${bytes(value)}/s`)},
  ];
  function eventColour(kind) {
    return kind === 'failover' || kind === 'problem' ? style('--bad') : kind === 'fence' ? style('--warn') : style('--c3');
  }
  function drawEvents(plot) {
    if (!status) return;
    const {ctx, bbox} = plot;
    ctx.save();
    ctx.setLineDash([3, 3]);
    for (const event of status.events) {
      if (!['failover', 'reload', 'fence', 'pause', 'problem', 'host'].includes(event.kind)) continue;
      const x = plot.valToPos(event.time / 1000, 'x', true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.strokeStyle = eventColour(event.kind);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }
  function makeGraph(graph) {
    const legends = graph.of.map(([, label], i) => h('span', {class: 'legend'}, h('i', {class: `i${i + 1}`}), `${label} `, h('b')));
    graph.values = legends.map((legend) => legend.lastChild);
    graph.area = h('div', {'aria-hidden': 'true'});
    graph.element = h('figure', {class: 'card chart'}, h('figcaption', {}, h('span', {}, graph.title), ...legends), graph.area);
    $('charts').append(graph.element);
  }
  function makePlot(graph) {
    if (graph.plot) graph.plot.destroy();
    const axis = {stroke: style('--soft'), grid: {stroke: style('--grid'), width: 1}, ticks: {show: false}, font: '10px system-ui'};
    graph.plot = new uPlot({
      width: Math.max(120, graph.element.clientWidth - 16), height: 96, cursor: {sync: {key: 'all'}, points: {size: 5}, drag: {x: false, y: false}},
      legend: {show: false}, padding: [6, 16, 0, 0],
      scales: {x: {range: () => { const end = (status ? status.time : Date.now()) / 1000; return [end - graphMinutes() * 60, end]; }},
        y: {range: (plot, low, high) => [0, Math.max(high || 0, 1) * 1.1]}, b: {range: (plot, low, high) => [0, Math.max(high || 0, 1) * 1.1]}},
      axes: [{...axis, size: 20, space: 60, values: (plot, ticks) => ticks.map((tick) => { const text = clock(tick * 1000); return text.endsWith(':00') ? text.slice(0, 5) : text; })},
        {...axis, size: 52, space: 28, values: (plot, ticks) => ticks.map(graph.text)}],
      series: [{}, ...graph.of.map(([, , scale], i) => ({stroke: style(`--c${i + 1}`), width: 1.5, points: {show: false}, scale: scale || 'y', spanGaps: false,
        fill: i === 0 ? `${style('--c1')}22` : undefined}))],
      hooks: {draw: [drawEvents], setCursor: [(plot) => showValues(graph, plot.cursor.idx)]},
    }, data(graph), graph.area);
  }
  const data = (graph) => [(series.time || []).map((time) => time / 1000), ...graph.of.map(([field]) => series[field] || [])];
  function showValues(graph, index) {
    graph.of.forEach(([field, , scale], i) => {
      const values = series[field] || [];
      const at = index === null || index === undefined ? values.length - 1 : index;
      setText(graph.values[i], values.length ? (scale ? graph.other : graph.text)(values[at]) : '–');
    });
  }
  function drawGraphs() {
    for (const graph of graphs) {
      if (!graph.plot) makePlot(graph);
      else graph.plot.setData(data(graph));
      showValues(graph, graph.plot.cursor.idx);
    }
  }
  function addPoint(point) {
    if (!point || !series.time || series.time.at(-1) >= point.time) return;
    for (const name of Object.keys(point)) {
      (series[name] = series[name] || []).push(point[name]);
      if (series[name].length > 900) series[name].shift();
    }
  }

  // --- the picture ---
  const short = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
  const lastPart = (host) => short(host.startsWith('/') ? host.split('/').slice(-1)[0] : host, 24);
  function picturePools() {
    const shown = status.pools.slice(0, 4).map((pool) => ({...pool, name: `${pool.database} / ${pool.user}`}));
    const rest = status.pools.slice(4);
    if (rest.length) {
      const sum = (field) => rest.reduce((total, pool) => total + pool[field], 0);
      shown.push({name: `${status.pools_total - 4} more`, state: rest.some((pool) => grade[pool.state] === 'critical') ? 'waiting' : 'ok',
        busy: sum('busy'), size: 0, waiting: sum('waiting'), queries: sum('queries'), hosts: rest.flatMap((pool) => pool.hosts)});
    }
    return shown;
  }
  function pictureHosts() {
    const hosts = new Map();
    for (const host of status.hosts) {
      const old = hosts.get(host.host);
      if (!old) hosts.set(host.host, {...host});
      else old.requests += host.requests;
    }
    for (const pool of status.pools) {
      for (const host of pool.hosts) if (!hosts.has(host.host)) hosts.set(host.host, {host: host.host, role: 'not watched', state: '', lag_ms: null, requests: null});
    }
    const order = {primary: 0, replica: 1};
    const all = [...hosts.values()].sort((a, b) => (order[a.role] ?? 2) - (order[b.role] ?? 2));
    return all.slice(0, 6);
  }
  const boxClass = (word) => ({critical: 'box bad', warning: 'box warn', ok: 'box good'}[grade[word]] || 'box');
  const wordClass = (word) => ({critical: 'w-bad', warning: 'w-warn', ok: 'w-ok'}[grade[word]] || 'dim');
  function link(svg, from, to, weight, most) {
    const middle = (from[0] + to[0]) / 2;
    svg.append(s('path', {d: `M${from[0]} ${from[1]}C${middle} ${from[1]} ${middle} ${to[1]} ${to[0]} ${to[1]}`,
      class: weight > 0 ? 'link' : 'link none', 'stroke-width': weight > 0 ? 1.5 + 9 * weight / Math.max(most, 1e-9) : 1}));
  }
  function drawPicture() {
    const pools = picturePools();
    const hosts = pictureHosts();
    const width = 640;
    const height = 250;
    const svg = s('svg', {viewBox: `0 0 ${width} ${height}`, role: 'img', preserveAspectRatio: 'xMidYMid meet',
      'aria-label': `${status.clients} clients, ${status.pools_total} pools, hosts: ${hosts.map((host) => `${host.host} ${host.role} ${host.state}`).join(', ')}`});
    const place = (i, n, box) => (height / (n + 0.0)) * (i + 0.5) - box / 2;
    const poolAt = pools.map((pool, i) => place(i, pools.length, 42));
    const hostAt = hosts.map((host, i) => place(i, hosts.length, 42));
    const most = Math.max(...pools.map((pool) => pool.queries), 0);
    const pairs = pools.map((pool) => hosts.map((host) => pool.hosts.filter((each) => each.host === host.host).reduce((n, each) => n + each.busy, 0)));
    const mostBusy = Math.max(...pairs.flat(), 0);
    pools.forEach((pool, i) => {
      link(svg, [112, height / 2], [200, poolAt[i] + 21], pool.queries, most);
      hosts.forEach((host, j) => {
        if (pool.hosts.some((each) => each.host === host.host)) link(svg, [390, poolAt[i] + 21], [460, hostAt[j] + 21], pairs[i][j], mostBusy);
      });
    });
    const waiting = status.pools.reduce((n, pool) => n + pool.waiting, 0);
    svg.append(s('rect', {x: 4, y: height / 2 - 40, width: 108, height: 80, rx: 8, class: waiting ? 'box warn' : 'box'}),
      s('text', {x: 16, y: height / 2 - 18}, 'Clients'), s('text', {x: 16, y: height / 2 + 2}, `${status.clients} of ${status.clients_limit}`),
      s('text', {x: 16, y: height / 2 + 22, class: waiting ? 'w-warn' : 'dim'}, waiting ? `${waiting} wait` : 'nobody waits'));
    pools.forEach((pool, i) => svg.append(
      s('rect', {x: 200, y: poolAt[i], width: 190, height: 42, rx: 7, class: boxClass(pool.state)}),
      s('text', {x: 210, y: poolAt[i] + 17}, short(pool.name, 20)),
      s('text', {x: 210, y: poolAt[i] + 33, class: 'dim'}, `${pool.busy}${pool.size ? ` of ${pool.size}` : ''} busy · ${count(pool.queries)} q/s`),
      s('text', {x: 382, y: poolAt[i] + 17, 'text-anchor': 'end', class: wordClass(pool.state)}, pool.state)));
    hosts.forEach((host, i) => {
      const lag = host.lag_ms === null || host.lag_ms === undefined ? '' : ` · lag ${milliseconds(host.lag_ms)}`;
      svg.append(s('rect', {x: 460, y: hostAt[i], width: 176, height: 42, rx: 7, class: boxClass(host.state)}),
        s('text', {x: 470, y: hostAt[i] + 17}, lastPart(host.host)),
        s('text', {x: 628, y: hostAt[i] + 17, 'text-anchor': 'end', class: wordClass(host.state)}, host.state),
        s('text', {x: 470, y: hostAt[i] + 33, class: 'dim'}, `${host.role}${host.requests === null ? '' : ` · ${count(host.requests)}/s`}${lag}`));
    });
    const old = $('picture').querySelector('svg');
    if (old) old.replaceWith(svg); else $('picture').append(svg);
  }

  // --- the parts of the page ---
  function drawHealth() {
    const worst = status.problems[0];
    const pill = $('health');
    pill.className = `pill ${status.health}`;
    const more = status.problems.length > 1 ? ` (and ${status.problems.length - 1} more)` : '';
    setText(pill.firstElementChild, worst ? `${status.health}: ${worst.part} ${worst.what}${more}` : `All is well since ${dateAndTime(status.health_since)}`);
    document.title = worst ? `${status.health === 'critical' ? '‼' : '!'} pgweir` : 'pgweir';
    const shown = status.problems.slice(0, state.view === 'overview' ? 4 : 2);
    const text = JSON.stringify(shown.map((problem) => [problem, ago(problem.since)]));
    if ($('problems').dataset.text === text) return;
    $('problems').dataset.text = text;
    $('problems').replaceChildren(...shown.map((problem) => h('div', {class: `problem ${problem.severity}`},
      h('strong', {}, problem.severity), h('b', {}, problem.part), h('span', {}, problem.what, problem.hint ? ' · ' : '', problem.hint ? h('code', {}, problem.hint) : ''),
      h('span', {class: 'since'}, `since ${dateAndTime(problem.since)} (${ago(problem.since)})`))));
  }
  function drawTiles() {
    const now = status.now || {};
    const pools = status.pools;
    const sum = (field) => pools.reduce((n, pool) => n + pool[field], 0);
    const wait = Math.max(0, ...pools.map((pool) => pool.longest_wait_ms));
    const share = now.transactions > 0 ? `${Math.round(100 * now.on_replicas / now.transactions)} %` : '–';
    const tiles = [['transactions/s', count(now.transactions)], ['queries/s', count(now.queries)], ['query, mean', duration(now.query_us)],
      ['wait, mean', duration(now.wait_us)], ['clients', `${status.clients} / ${status.clients_limit}`], ['clients that wait', `${sum('waiting')}${wait ? ` · ${milliseconds(wait)}` : ''}`],
      ['servers busy', String(sum('busy'))], ['on replicas', share]];
    const box = $('tiles');
    if (!box.children.length) box.append(...tiles.map(() => h('div', {class: 'tile'}, h('b'), h('span'))));
    tiles.forEach(([label, value], i) => { setText(box.children[i].children[0], value); setText(box.children[i].children[1], label); });
  }
  function drawPools() {
    const rows = filtered(status.pools, 'database', 'user', 'state');
    drawTable($('pools'), [
      {title: 'database / user', draw: (cell, pool) => { setText(cell, `${pool.database} / ${pool.user}`); cell.title = pool.login_failure || pool.mode; }},
      {title: 'state', draw: (cell, pool) => stateCell(cell, pool.state, pool.login_failure)},
      {title: 'busy / peak / size', draw: (cell, pool) => meterCell(cell, pool.busy, pool.peak_busy, pool.size)},
      {title: 'waiting', number: true, value: (pool) => (pool.waiting ? `${pool.waiting} · ${milliseconds(pool.longest_wait_ms)}` : '0')},
      {title: 'clients', number: true, value: (pool) => pool.clients},
      {title: 'pinned', number: true, value: (pool) => (pool.max_pinned ? `${pool.pinned} / ${pool.max_pinned}` : pool.pinned)},
      {title: 'q/s', number: true, value: (pool) => count(pool.queries)},
      {title: 'query', number: true, value: (pool) => duration(pool.query_us)},
      {title: 'wait', number: true, value: (pool) => duration(pool.wait_us)},
    ], rows, (pool) => `${pool.database}\n${pool.user}`, state.q ? 'no pool has this in its name' : 'no client has come yet');
    setText($('pools-note'), status.pools_total > status.pools.length ? `${status.pools.length} of ${status.pools_total}` : '');
  }
  function drawHosts() {
    drawTable($('hosts'), [
      {title: 'host', draw: (cell, host) => { setText(cell, lastPart(host.host)); cell.title = `${host.host} (${host.cluster}), ${host.servers} server connections`; }},
      {title: 'of', value: (host) => host.cluster},
      {title: 'role', value: (host) => host.role},
      {title: 'state', draw: (cell, host) => stateCell(cell, host.state, `${host.reason} ${host.detail}`)},
      {title: 'for', number: true, value: (host) => (host.since ? ago(host.since) : '')},
      {title: 'lag', number: true, value: (host) => (host.role === 'replica' ? `${host.lag_at_least ? '≥ ' : ''}${milliseconds(host.lag_ms)}` : '')},
      {title: 'now / peak', number: true, value: (host) => `${host.outstanding} / ${host.peak_outstanding}`},
      {title: 'req/s', number: true, value: (host) => count(host.requests)},
      {title: 'latency', number: true, value: (host) => (host.latency_us ? duration(host.latency_us) : '–')},
    ], filtered(status.hosts, 'host', 'cluster', 'role', 'state'), (host) => `${host.cluster}\n${host.host}`,
    state.q ? 'no host has this in its name' : 'no database has a list of hosts: nothing is watched');
  }
  function drawRoutes() {
    const all = status.routes.filter((route) => !route.retried).reduce((n, route) => n + route.count, 0);
    drawTable($('routes'), [
      {title: 'database', value: (route) => route.cluster}, {title: 'went to', value: (route) => (route.retried ? 'primary, after a replica' : route.target)},
      {title: 'since', value: (route) => route.reason}, {title: 'transactions', number: true, value: (route) => count(route.count)},
      {title: 'share', number: true, value: (route) => `${(100 * route.count / Math.max(1, all)).toFixed(1)} %`},
    ], filtered(status.routes, 'cluster', 'target', 'reason').sort((a, b) => b.count - a.count), (route) => Object.values({...route, count: 0}).join('\n'), 'nothing was routed yet');
    drawTable($('pins'), [
      {title: 'database', value: (pin) => pin.database}, {title: 'user', value: (pin) => pin.user}, {title: 'reason', value: (pin) => pin.reason},
      {title: 'now', number: true, value: (pin) => pin.begun - pin.lifted - pin.left}, {title: 'begun', number: true, value: (pin) => pin.begun},
      {title: 'lifted', number: true, value: (pin) => pin.lifted}, {title: 'refused', number: true, value: (pin) => pin.refused},
    ], filtered(status.pins, 'database', 'user', 'reason'), (pin) => `${pin.database}\n${pin.user}\n${pin.reason}`, 'no client has kept its server');
  }
  function drawEventsTable() {
    drawTable($('events'), [
      {title: 'time', value: (event) => dateAndTime(event.time)}, {title: 'kind', value: (event) => event.kind}, {title: 'what', class: 'text', value: (event) => event.text},
    ], filtered([...status.events].reverse(), 'kind', 'text'), (event) => `${event.time}\n${event.text}`, 'nothing has happened');
    if (errors) {
      drawTable($('errors'), [
        {title: 'SQLSTATE', value: (error) => error.sqlstate}, {title: 'database', value: (error) => error.database}, {title: 'user', value: (error) => error.user},
        {title: 'from', value: (error) => (error.from_server ? 'server' : 'pgweir')}, {title: 'times', number: true, value: (error) => count(error.count)},
        {title: 'last', value: (error) => dateAndTime(error.last_seen)},
      ], filtered(errors.errors, 'sqlstate', 'database', 'user'), (error) => `${error.sqlstate}\n${error.database}\n${error.user}\n${error.from_server}`, 'none');
    }
  }
  function drawRunning() {
    if (!sessions) return;
    setText($('running-note'), sessions.total > sessions.sessions.length ? `the oldest ${sessions.sessions.length} of ${sessions.total}` : `${sessions.total}`);
    drawTable($('running'), [
      {title: 'client', number: true, value: (one) => one.id}, {title: 'database / user', value: (one) => `${one.database} / ${one.user}`},
      {title: 'application', value: (one) => one.application}, {title: 'address', value: (one) => `${one.address}:${one.port}`},
      {title: 'what it does', value: (one) => (one.waits_for !== 'nothing' ? `waits for: ${one.waits_for}` : one.activity)}, {title: 'since', number: true, value: (one) => milliseconds(one.age_ms)},
      {title: 'wait', number: true, value: (one) => milliseconds(one.wait_ms)}, {title: 'transaction', number: true, value: (one) => milliseconds(one.transaction_ms)},
      {title: 'keeps its server', value: (one) => one.pin},
      {title: 'statement, or the last one', class: 'text', draw: (cell, one) => {
        // The row stays when its client goes on to another statement.
        if (cell.dataset.of !== one.fingerprint) {
          cell.dataset.of = one.fingerprint;
          cell.replaceChildren(one.fingerprint ? h('a', {href: `/?view=queries&query=${one.fingerprint}`, onclick: openQuery}, h('code')) : h('code'));
        }
        setText(cell.querySelector('code'), one.text);
      }},
    ], filtered(sessions.sessions, 'database', 'user', 'application', 'address', 'activity', 'pin', 'text'), (one) => String(one.id), 'nobody runs, waits, or has a transaction open');
  }

  // --- statements that have finished ---
  const queryColumns = [
    {title: 'statement', class: 'text', draw: (cell, query) => {
      if (!cell.firstChild) cell.append(query.fingerprint ? h('a', {href: `/?view=queries&query=${query.fingerprint}`, onclick: openQuery}, h('code')) : h('code'));
      setText(cell.querySelector('code'), query.text);
    }},
    {title: 'database / user', value: (query) => `${query.database} / ${query.user}`},
    {title: 'calls', number: true, sort: 'calls', value: (query) => count(query.calls)},
    {title: 'errors', number: true, sort: 'failed', value: (query) => count(query.failed)},
    {title: 'total', number: true, sort: 'total_ms', value: (query) => milliseconds(query.total_ms)},
    {title: 'mean', number: true, sort: 'mean_ms', value: (query) => milliseconds(query.mean_ms)},
    {title: 'p95', number: true, sort: 'p95_ms', value: (query) => milliseconds(query.p95_ms)},
    {title: 'p99', number: true, sort: 'p99_ms', value: (query) => milliseconds(query.p99_ms)},
    {title: 'max', number: true, sort: 'max_ms', value: (query) => milliseconds(query.max_ms)},
    {title: 'wait', number: true, sort: 'wait_ms', value: (query) => milliseconds(query.wait_ms)},
    {title: 'rows', number: true, sort: 'rows', value: (query) => count(query.rows)},
    {title: 'replica', number: true, sort: 'replica_share', value: (query) => `${Math.round(100 * query.replica_share)} %`},
    {title: 'N+1', number: true, sort: 'repeat_bursts', value: (query) => count(query.repeat_bursts)},
  ];
  function openQuery(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    state.query = new URL(event.currentTarget.href).searchParams.get('query');
    state.view = 'queries';
    saveState(true);
    drawTabs();
    showQueryPart();
    $('query-detail').replaceChildren(back());
    $('query-detail').dataset.text = '';
    $('query-detail').focus();
    refreshView();
  }
  function showQueryPart() {
    $('query-list').hidden = Boolean(state.query);
    $('query-detail').hidden = !state.query;
  }
  function drawQueries() {
    if (!queries) return;
    const by = state.sort.replace(/^-/, '') || 'total_ms';
    const sign = state.sort && !state.sort.startsWith('-') ? 1 : -1;
    const rows = filtered(queries.queries, 'text', 'database', 'user', 'fingerprint').sort((a, b) => sign * ((a[by] ?? 0) - (b[by] ?? 0)));
    const shown = queries.queries.length < queries.total ? `the ${queries.queries.length} of ${queries.total} that took the most time` : `${queries.total}`;
    setText($('queries-note'), `${shown}; of the last ${duration(queries.window_s * 1e6)}, by ${queryColumns.find((column) => column.sort === by)?.title || by}`);
    drawTable($('queries'), queryColumns, rows, (query) => `${query.fingerprint}\n${query.database}\n${query.user}`,
      !queries.enabled ? 'query_stats is off: nothing is counted' : state.q ? 'no statement has this in its text' : 'none has finished');
  }
  // `mixed`: each bar is about something else, and has a colour of its own.
  function bars(parts, mixed) {
    const most = Math.max(1e-9, ...parts.map(([, value]) => value));
    const box = h('div', {class: 'bars'});
    parts.forEach(([label, value, text], i) => {
      const fill = h('i', {class: `i${mixed ? i % 3 + 1 : 1}`});
      fill.style.width = `${100 * value / most}%`;
      box.append(h('span', {}, label), h('div', {class: 'bar'}, fill), h('span', {}, text));
    });
    return box;
  }
  // Written anew only if it says something else: what is selected or has the focus stays.
  function drawQuery(detail) {
    const box = $('query-detail');
    const text = JSON.stringify([state.query, detail]);
    if (box.dataset.text === text) return;
    box.dataset.text = text;
    if (!detail) { box.replaceChildren(back(), h('p', {}, 'No such statement, or not any more.')); return; }
    const sum = detail.sum;
    const calls = Math.max(1, sum.calls + sum.failed);
    const rest = Math.max(0, sum.total_ms - sum.wait_ms - sum.server_ms - sum.client_ms);
    const part = (label, value) => [label, value, `${milliseconds(value / calls)} · ${Math.round(100 * value / Math.max(1e-9, sum.total_ms))} %`];
    const facts = [['calls', count(sum.calls)], ['errors', count(sum.failed)], ['rows', count(sum.rows)], ['mean', milliseconds(sum.mean_ms)],
      ['p50', milliseconds(sum.p50_ms)], ['p95', milliseconds(sum.p95_ms)], ['p99', milliseconds(sum.p99_ms)], ['max', milliseconds(sum.max_ms)],
      ['on replicas', `${Math.round(100 * sum.replica_share)} %`], ['retries', count(sum.retries)], ['pins caused', count(sum.pins)], ['N+1 bursts', count(sum.repeat_bursts)],
      ['in', bytes(sum.bytes_in)], ['out', bytes(sum.bytes_out)], ['first seen', dateAndTime(sum.first_seen)], ['last seen', dateAndTime(sum.last_seen)]];
    const table = h('table', {id: 'query-rows'});
    box.replaceChildren(back(), h('h2', {}, `Statement ${detail.fingerprint}, since the start`), h('pre', {tabindex: 0, 'aria-label': 'Text', role: 'region'}, detail.text),
      h('h2', {}, 'Where its time goes, per call'), bars([part('wait', sum.wait_ms), part('server', sum.server_ms), part('client', sum.client_ms), part('pgweir', rest)], true),
      h('div', {class: 'facts'}, ...facts.map(([label, value]) => h('div', {class: 'tile'}, h('b', {}, value), h('span', {}, label)))),
      h('h2', {}, 'How long its calls took'), bars(sum.histogram.map(([upto, n]) => [`< ${duration(upto)}`, n, count(n)])),
      h('h2', {}, 'Who runs it'), h('div', {class: 'scroll', role: 'region', 'aria-label': 'Who runs it', tabindex: 0}, table));
    drawTable(table, [
      {title: 'database / user', value: (query) => `${query.database} / ${query.user}`}, {title: 'applications', value: (query) => query.applications.join(', ') || 'none named'},
      {title: 'calls', number: true, value: (query) => count(query.calls)},
      {title: 'errors by class', value: (query) => query.errors_by_class.map(([code, n]) => `${code}: ${count(n)}`).join(', ') || 'none'},
      {title: 'mean', number: true, value: (query) => milliseconds(query.mean_ms)}, {title: 'p99', number: true, value: (query) => milliseconds(query.p99_ms)},
      {title: 'longest wait', number: true, value: (query) => milliseconds(query.max_wait_ms)}, {title: 'longest burst', number: true, value: (query) => count(query.longest_burst)},
      {title: 'last trace', value: (query) => query.trace_id || '–'},
    ], detail.queries, (query) => `${query.database}\n${query.user}`, 'nobody');
  }
  function back() {
    return h('a', {href: '/?view=queries', onclick: (event) => { event.preventDefault(); closeQuery(); }}, '← all statements');
  }
  function closeQuery() {
    state.query = '';
    saveState(true);
    showQueryPart();
    refreshView();
  }

  // --- which part is shown ---
  function drawTabs() {
    $('tabs').replaceChildren(...views.map(([name, label], i) => h('a', {href: `/?view=${name}`, title: `key ${i + 1}`,
      'aria-current': name === state.view ? 'page' : null, onclick: (event) => { event.preventDefault(); show(name); }}, label)));
    for (const section of document.querySelectorAll('[data-view]')) section.hidden = section.dataset.view !== state.view;
  }
  function show(name) {
    state.view = name;
    state.query = '';
    saveState(true);
    drawTabs();
    draw();
    refreshView();
  }
  function draw() {
    if (!status) return;
    drawHealth();
    setText($('version'), `pgweir ${status.version}, ${status.workers} workers`);
    if (state.view === 'overview') { drawTiles(); drawPicture(); drawGraphs(); drawPools(); drawHosts(); }
    if (state.view === 'routes') drawRoutes();
    if (state.view === 'events') drawEventsTable();
    if (state.view === 'running') drawRunning();
    if (state.view === 'queries') drawQueries();
  }
  async function get(path) {
    const response = await fetch(path, {headers: {accept: 'application/json'}});
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.json();
  }
  // A statement may have left the tables since somebody wrote its address down.
  async function loadQuery(fingerprint) {
    const response = await fetch(`/api/v1/queries/${fingerprint}`, {headers: {accept: 'application/json'}});
    if (!response.ok && response.status !== 404) throw new Error(String(response.status));
    const detail = response.ok ? await response.json() : null;
    if (state.query === fingerprint) drawQuery(detail);
  }
  // What is not part of the stream, since it costs more: asked for while it is looked at.
  let refreshing = false;
  let refreshAgain = false;  // it was asked for something else meanwhile
  async function refreshView() {
    if (document.hidden) return;
    if (refreshing) { refreshAgain = true; return; }
    refreshing = true;
    refreshAgain = false;
    try {
      if (state.view === 'running') { sessions = await get('/api/v1/sessions'); drawRunning(); }
      if (state.view === 'events') { errors = await get('/api/v1/errors'); if (status) drawEventsTable(); }
      if (state.view === 'queries') {
        showQueryPart();
        if (state.query) await loadQuery(state.query);
        else { queries = await get(`/api/v1/queries?window=${state.window === 'all' ? 'all' : `${state.window}m`}`); drawQueries(); }
      }
    } catch (error) { /* the line at the top says it */ }
    refreshing = false;
    if (refreshAgain) refreshView();
  }

  // --- the stream ---
  function receive(text) {
    status = JSON.parse(text);
    lastMessage = performance.now();
    addPoint(status.now);
    draw();
    watch();
  }
  function watch() {
    const quiet = performance.now() - (lastMessage || connectedAt);
    const stale = quiet > 2500;
    const live = $('live');
    document.body.classList.toggle('stale', stale && Boolean(status));
    live.className = stale ? 'live stale' : 'live';
    setText(live, !status ? (stale ? 'no answer' : 'connecting') : stale ? `stale since ${clock(status.time)}` : `live ${clock(status.time)}`);
  }
  let source = null;
  function connect() {
    if (source) source.close();
    source = new EventSource('/api/v1/stream');
    source.onmessage = (event) => receive(event.data);
    source.onerror = () => {
      watch();
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 1000);
    };
  }
  let wasLost = false;
  async function loadSeries() {
    try { Object.assign(series, await get('/api/v1/series')); if (!series.time) series.time = []; } catch (error) { series.time = series.time || []; }
    draw();
  }
  setInterval(() => {
    watch();
    const lost = document.body.classList.contains('stale');
    if (wasLost && !lost) loadSeries();  // what was missed
    wasLost = lost;
  }, 500);
  setInterval(refreshView, 2000);

  // --- input ---
  $('search').value = state.q;
  $('window').value = state.window;
  $('search').addEventListener('input', () => { state.q = $('search').value.trim(); saveState(false); draw(); });
  $('find').addEventListener('submit', (event) => event.preventDefault());
  $('window').addEventListener('change', () => { state.window = $('window').value; saveState(false); draw(); refreshView(); });
  $('help-button').addEventListener('click', () => $('help').showModal());
  $('help-close').addEventListener('click', () => $('help').close());
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = ['INPUT', 'SELECT', 'TEXTAREA'].includes(document.activeElement?.tagName);
    if (event.key === 'Escape') {
      if ($('help').open) return;
      if (typing || state.q) { $('search').value = ''; state.q = ''; saveState(false); document.activeElement?.blur(); draw(); }
      else if (state.query) closeQuery();
      return;
    }
    if (typing || $('help').open) return;
    if (event.key === '/') { event.preventDefault(); $('search').focus(); }
    if (event.key === '?') $('help').showModal();
    if (/^[1-5]$/.test(event.key)) show(views[event.key - 1][0]);
  });
  window.addEventListener('popstate', () => location.reload());
  new ResizeObserver(() => { for (const graph of graphs) graph.plot?.setSize({width: Math.max(120, graph.element.clientWidth - 16), height: 96}); }).observe($('charts'));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { for (const graph of graphs) if (graph.plot) makePlot(graph); });

  graphs.forEach(makeGraph);
  drawTabs();
  loadSeries();
  connect();
  refreshView();
})();
