/** REST over the recorded session: every endpoint is what openapi.json says, with its filters, pages, errors and rights. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { ask, RECORDING } from '../lib/lab.js';
import { labTest } from '../lib/lab-test.js';
import { violations } from '../lib/schema.js';

const recorded = { recording: RECORDING, speed: 60 };

/** Each server-sent event of the stream, until the caller is done. */
async function follow(url, signal, onEvent) {
  const response = await fetch(url, { signal });
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  let text = '';
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response.body) {
      text += decoder.decode(chunk, { stream: true });
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const fields = Object.fromEntries(
          text
            .slice(0, end)
            .split('\n')
            .filter((line) => !line.startsWith(':'))
            .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
        );
        if (fields.event) onEvent(fields);
        text = text.slice(end + 2);
      }
    }
  } catch (error) {
    if (error.name !== 'AbortError') throw error;
  }
}

/** Asks a path of openapi.json and holds the answer against its schema. */
async function checked(lab, document, template, where, status = 200) {
  const answer = await lab.api(where);
  const { responses } = document.paths[template].get;
  assert.equal(answer.status, status, `${where}: ${answer.text.slice(0, 200)}`);
  let described = responses[status];
  if (described?.$ref) described = document.components.responses.Problem;
  assert.ok(described, `${template} describes ${status}`);
  const type = answer.headers.get('content-type').split(';')[0];
  assert.ok(described.content[type], `${template}: ${type} is described`);
  if (answer.json) assert.deepEqual(violations(document, described.content[type].schema, answer.json), [], where);
  return answer;
}

const withBuiltin = { ...recorded, collector: () => ({ probes: { builtin: true } }) };

labTest('every answer is as described, filtered, paged, refused', withBuiltin, async (lab) => {
  await lab.startAll();
  const stream = new AbortController();
  const events = [];
  const following = follow(`${lab.apiUrl}/api/v1/incidents/stream`, stream.signal, (event) => events.push(event));
  following.catch(() => {}); // what fails first is what is told
  await lab.run();
  await lab.finish();

  const document = (await lab.api('/openapi.json')).json;
  assert.match(document.openapi, /^3\./);
  const check = (template, where = template, status = 200) => checked(lab, document, template, where, status);

  const { items: incidents } = (await check('/api/v1/incidents')).json;
  const { items: crashes } = (await check('/api/v1/crashes')).json;
  assert.equal(incidents.length, 13); // of pods 10, of the Services 2, of a rollout 1
  assert.equal(crashes.length, 39);
  assert.deepEqual(incidents.map(({ id }) => id), incidents.map(({ id }) => id).sort((a, b) => b - a), 'the newest first');

  // Each filter gives just those that it names.
  const filters = {
    '/api/v1/incidents': [incidents, ['cluster', 'namespace', 'workload', 'pod', 'kind', 'state', 'severity']],
    '/api/v1/crashes': [crashes, ['cluster', 'namespace', 'workload', 'pod', 'container', 'reason']],
  };
  for (const [where, [all, names]] of Object.entries(filters)) {
    for (const name of names) {
      for (const value of new Set(all.map((item) => item[name]))) {
        const { items } = (await check(where, `${where}?${new URLSearchParams({ [name]: value })}`)).json;
        assert.deepEqual(items, all.filter((item) => item[name] === value || value === ''), `${where} ${name}=${value}`);
      }
    }
  }
  const crasher = incidents.find(({ workload }) => workload === 'crasher');
  assert.equal((await check('/api/v1/crashes', `/api/v1/crashes?incident=${crasher.id}`)).json.items.length, 7);
  const since = crashes[10].finishedAt;
  const recent = (await check('/api/v1/crashes', `/api/v1/crashes?since=${since}`)).json.items;
  assert.deepEqual(recent, crashes.filter(({ finishedAt }) => finishedAt >= since));

  // Pages hold everything once, in order.
  for (const [where, [all]] of Object.entries(filters)) {
    const paged = [];
    for (let cursor = ''; cursor !== null; ) {
      const { items, nextCursor } = (await check(where, `${where}?limit=3${cursor && `&cursor=${cursor}`}`)).json;
      assert.ok(items.length <= 3);
      paged.push(...items);
      cursor = nextCursor;
    }
    assert.deepEqual(paged, all);
  }

  // One of each.
  await check('/api/v1/incidents/{id}', `/api/v1/incidents/${crasher.id}`);
  const told = (await check('/api/v1/incidents/{id}/notifications', `/api/v1/incidents/${crasher.id}/notifications`)).json;
  assert.deepEqual(told.items.map(({ transition, status }) => [transition, status]), [['opened', 'sent']]);
  await check('/api/v1/notifications');
  const crash = (await check('/api/v1/crashes/{id}', `/api/v1/crashes/${crasher.crashId}`)).json;
  assert.equal(crash.log.text, 'starting\nFATAL: cannot reach db\n');
  const log = await check('/api/v1/crashes/{id}/log', `/api/v1/crashes/${crasher.crashId}/log?download=1`);
  assert.equal(log.text, crash.log.text);
  assert.match(log.headers.get('content-disposition'), /^attachment; filename="shop_crasher-.*_c_6\.log"$/);
  await check('/api/v1/agents');

  // Checks: each monitor by itself, how they did, what failed, and one that is not saved.
  const { items: monitors } = (await check('/api/v1/monitors')).json;
  assert.ok(monitors.some(({ id }) => id === 'builtin.apiserver'));
  assert.deepEqual(monitors.map(({ id }) => id), monitors.map(({ id }) => id).sort());
  for (const { id } of monitors) {
    const detail = (await check('/api/v1/monitors/{id}', `/api/v1/monitors/${encodeURIComponent(id)}`)).json;
    assert.equal(detail.id, id);
    await check('/api/v1/series', `/api/v1/series?monitor=${encodeURIComponent(id)}&from=1d`);
  }
  await check('/api/v1/errors', '/api/v1/errors?from=7d');
  const attempt = async (body, headers = { 'content-type': 'application/json' }) => {
    const answer = await lab.api('/api/v1/monitors/test', { method: 'POST', body, headers });
    const described = document.paths['/api/v1/monitors/test'].post.responses[answer.status];
    assert.ok(described, `${answer.status} is described`);
    const schema = (described.$ref ? document.components.responses.Problem : described).content;
    assert.deepEqual(violations(document, Object.values(schema)[0].schema, answer.json), []);
    return answer;
  };
  const unknownField = await attempt({ namespace: 'shop', spec: { target: { url: 'tcp://127.0.0.1:1' }, nosuch: 1 } });
  assert.equal(unknownField.status, 400);
  assert.match(unknownField.json.detail, /nosuch/);
  const elsewhere = await attempt({ namespace: 'shop', spec: { target: { url: 'http://169.254.169.254/latest/meta-data/' } } });
  assert.ok(elsewhere.status === 403 || elsewhere.json.ok === false, 'cloud metadata is out of reach');
  assert.equal((await attempt({ namespace: 'shop', spec: {} }, {})).status, 415);

  // What is wrong is said as problem+json, naming what is wrong.
  const wrong = [
    ['/api/v1/incidents', 'kind=nosuch', /kind/],
    ['/api/v1/incidents', 'state=maybe', /state/],
    ['/api/v1/incidents', 'limit=0', /limit.*1.*1000/],
    ['/api/v1/incidents', 'cursor=x', /cursor/],
    ['/api/v1/incidents', 'sinec=1h', /sinec/],
    ['/api/v1/crashes', 'since=yesterday', /since/],
    ['/api/v1/monitors', 'source=nosuch', /source/],
    ['/api/v1/series', 'from=2h', /monitor/],
    ['/api/v1/series', 'monitor=m&step=second', /step/],
    ['/api/v1/errors', 'from=1h&to=2h', /from/],
  ];
  for (const [where, query, words] of wrong) {
    assert.match((await check(where, `${where}?${query}`, 400)).json.detail, words);
  }
  await check('/api/v1/incidents/{id}', '/api/v1/incidents/999999', 404);
  await check('/api/v1/crashes/{id}', '/api/v1/crashes/nosuch', 404);
  await check('/api/v1/monitors/{id}', '/api/v1/monitors/nosuch', 404);
  assert.equal((await lab.api('/api/v1/nosuch')).status, 404);
  assert.equal((await lab.api('/api/v1/incidents', { method: 'POST', body: {} })).status, 405);

  // The stream told of every incident as it opened, and of its last state.
  stream.abort();
  await following;
  const last = new Map(events.map(({ data }) => JSON.parse(data)).map((incident) => [incident.id, incident]));
  const schema = document.components.schemas.Incident;
  for (const incident of last.values()) assert.deepEqual(violations(document, schema, incident), []);
  assert.deepEqual([...last.values()].sort((a, b) => b.id - a.id), incidents);
  for (const { id, data } of events) assert.equal(id, `${JSON.parse(data).id}.${JSON.parse(data).revision}`);
});

labTest('tokens decide who may read', {
  ...recorded,
  collector: (lab) => ({ api: { read_token_file: lab.path('read-token'), write_token_file: lab.path('write-token') } }),
}, async (lab) => {
  const [read, write] = [1, 2].map(() => randomBytes(16).toString('hex'));
  fs.writeFileSync(lab.path('read-token'), `${read}\n`);
  fs.writeFileSync(lab.path('write-token'), `${write}\n`);
  await lab.startAll();
  const get = (where, token, headers) => ask(lab.apiUrl + where, { token, headers });
  for (const where of ['/api/v1/incidents', '/api/v1/crashes', '/api/v1/agents', '/api/v1/incidents/stream']) {
    for (const [token, headers] of [[undefined], ['wrong'], [`${read}x`], [undefined, { authorization: `Basic ${read}` }]]) {
      const { status, headers: answered } = await get(where, token, headers);
      assert.equal(status, 401, `${where} with ${token}`);
      assert.match(answered.get('www-authenticate'), /^Bearer/);
    }
  }
  for (const token of [read, write]) assert.equal((await get('/api/v1/incidents', token)).status, 200);
  for (const where of ['/livez', '/readyz', '/metrics', '/openapi.json', '/']) assert.equal((await get(where)).status, 200);
  const logs = lab.programs.map(({ log }) => (fs.existsSync(log) ? fs.readFileSync(log, 'utf8') : '')).join('');
  assert.ok(!logs.includes(read) && !logs.includes(write), 'no token in a log');
});
