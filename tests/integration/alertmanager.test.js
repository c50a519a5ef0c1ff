/** Alerts in a real Alertmanager: there while they last, over when they are over, whoever is killed in between. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { after } from 'node:test';
import { listen, readJson, shut } from '../lib/http.js';
import { ask } from '../lib/lab.js';
import { labTest } from '../lib/lab-test.js';
import { freePort } from '../lib/ports.js';
import { alertmanager } from '../lib/prometheus.js';
import { until } from '../lib/wait.js';

const USER = 'nightjar';
const PASSWORD = 'opensesame';
const HASH = '$2b$04$lPl/ut9P8QDm4adWvq2LEe34aiLWn022RmNSoNPFnmaZcH8NscSHy'; // of the password
const BASIC = Buffer.from(`${USER}:${PASSWORD}`).toString('base64');
const MINUTE_S = 60;
const STABLE_S = 600;

const port = await freePort();
const url = `http://127.0.0.1:${port}`;

/** Keeps what is posted: Alertmanager does not show what is over. */
const copy = { posted: [] };
const server = http.createServer(async (request, response) => {
  assert.equal(request.url, '/api/v2/alerts');
  assert.equal(request.headers.authorization, undefined);
  copy.posted.push(...(await readJson(request)));
  response.end();
});
copy.url = `http://127.0.0.1:${await listen(server, '127.0.0.1', 0)}`;
after(() => shut(server));

/** The lab's time begins with the real one, which Alertmanager has; what it is moved on is minutes. */
const options = {
  generate: 'pods=20,replicas=1',
  speed: 1,
  agent: { crash: { stable_after: `${STABLE_S}s` } },
  collector: (lab) => {
    fs.writeFileSync(lab.path('am-url'), `${url}/`);
    fs.writeFileSync(lab.path('copy-url'), copy.url);
    fs.writeFileSync(lab.path('am-password'), lab.options.password ?? PASSWORD, { mode: 0o600 });
    return {
      notify: {
        language: 'en',
        channels: [
          { name: 'am', type: 'alertmanager', url_file: lab.path('am-url'), user: USER, secret_file: lab.path('am-password') },
          { name: 'copy', type: 'alertmanager', url_file: lab.path('copy-url') },
        ],
        routes: [{ group: 'oncall', channels: ['am', 'copy'] }],
      },
    };
  },
};

function manager(lab, t) {
  const program = alertmanager({ folder: lab.path('alertmanager'), port, user: USER, hash: HASH });
  t.after(() => program.kill());
  return program;
}

/** What Alertmanager shows: what is not over. */
async function alerts() {
  const { status, json, text } = await ask(`${url}/api/v2/alerts`, { headers: { authorization: `Basic ${BASIC}` } });
  assert.equal(status, 200, text);
  return json;
}

const find = async ({ workload }) => (await alerts()).find(({ labels }) => labels.workload === workload);

const advance = (lab, seconds) => lab.control('clock', { advance: seconds });

async function crash(lab, more) {
  const { json } = await ask(`${lab.cluster.api}/api/v1/pods`);
  const used = new Set((await lab.incidents()).map(({ pod }) => pod));
  const { metadata } = json.items.find(({ metadata: { name } }) => !used.has(name));
  await lab.control('crash', { namespace: metadata.namespace, pod: metadata.name, exitCode: 3, restartAfter: 0, ...more });
  return until(async () => (await lab.incidents()).find(({ pod }) => pod === metadata.name), { what: 'an incident' });
}

const notification = async (lab, { id }) => (await lab.api(`/api/v1/incidents/${id}/notifications`)).json.items;

function assertSecret(lab) {
  for (const { log } of [lab.collector]) {
    const text = fs.readFileSync(log, 'utf8');
    for (const secret of [PASSWORD, BASIC]) assert.ok(!text.includes(secret), 'no secret is in a log');
  }
}

labTest('an alert is there with its labels while it lasts, and over when it is over', options, async (lab, t) => {
  await lab.startAll();
  await lab.run();
  const incident = await crash(lab);
  await until(async () => (await notification(lab, incident)).some(({ status, error }) => status === 'pending' && error !== ''), {
    what: 'Alertmanager is not there yet',
  });
  const program = manager(lab, t).start();
  await until(alerts, { what: 'Alertmanager is there', programs: [program] });
  const shown = await until(
    async () => {
      await advance(lab, 5);
      return find(incident);
    },
    { what: 'the alert comes', programs: [lab.collector, program] },
  );

  const { cluster, namespace, workload, workloadKind, container } = incident;
  assert.deepEqual(shown.labels, {
    alertname: 'crash', severity: incident.severity, cluster, namespace, workload_kind: workloadKind, workload, container,
  });
  assert.equal(shown.annotations.summary, `Container crashes: ${namespace}/${workload}`);
  assert.match(shown.annotations.description, /^3 Error: /);
  assert.deepEqual([shown.annotations.group, shown.annotations.reason, shown.annotations.pod, shown.annotations.incident], [
    'oncall', 'Error', incident.pod, String(incident.id),
  ]);
  assert.equal(Date.parse(shown.startsAt), Date.parse(incident.firstAt));
  assert.equal(shown.generatorURL, `${lab.apiUrl}/incidents/${incident.id}`);
  assert.equal(shown.status.state, 'active');

  // It is told again each minute, so that it does not end before it is over...
  let last = shown;
  const later = async (what) => {
    await advance(lab, MINUTE_S + 1);
    last = await until(
      async () => {
        const now = await find(incident);
        return Date.parse(now?.endsAt) > Date.parse(last.endsAt) && now;
      },
      { what, programs: [lab.collector, program] },
    );
    assert.equal(last.fingerprint, shown.fingerprint, 'it is the same alert');
  };
  await later('it is told again');
  await later('and again');
  // ...by a collector that was killed too,
  await lab.collector.kill();
  await advance(lab, MINUTE_S);
  lab.startCollector();
  await lab.collectorReady();
  await later('it is told again by the collector that was killed');
  // ...and to an Alertmanager that has forgotten.
  await program.kill();
  await advance(lab, MINUTE_S + 1);
  program.start();
  await until(alerts, { what: 'Alertmanager is there again', programs: [program] });
  await until(
    async () => {
      await advance(lab, MINUTE_S + 1);
      return find(incident);
    },
    { what: 'Alertmanager has it again', timeoutMs: 30_000, programs: [lab.collector, program] },
  );

  await advance(lab, STABLE_S);
  const resolved = await until(
    async () => (await lab.incidents({ state: 'resolved' })).find(({ id }) => id === incident.id),
    { what: 'it is over', programs: lab.programs },
  );
  const posted = () => copy.posted.filter(({ annotations }) => annotations.incident === String(incident.id));
  await until(() => Date.parse(posted().at(-1).endsAt) === Date.parse(resolved.resolvedAt), { what: 'the end is told' });
  const times = posted().length;
  const ends = posted().slice(0, -1).map(({ endsAt }) => Date.parse(endsAt));
  assert.deepEqual(ends, [...ends].sort((a, b) => a - b), 'while it lasts its end is put off');
  for (const { labels } of posted()) {
    for (const [name, value] of Object.entries(labels)) assert.match(`${name}=${value}`, /^[a-zA-Z_][a-zA-Z0-9_]*=./);
  }
  await advance(lab, 2 * MINUTE_S);
  await lab.settled();
  assert.equal(posted().length, times, 'what is over is not told again');
  assertSecret(lab);
});

labTest('an alert goes when its pod is deleted', options, async (lab, t) => {
  await lab.startAll();
  await lab.run();
  const program = manager(lab, t).start();
  await until(alerts, { what: 'Alertmanager is there', programs: [program] });
  const incident = await crash(lab);
  await until(() => find(incident), { what: 'the alert comes', programs: [lab.collector, program] });
  const { namespace, pod } = incident;
  const { status } = await ask(`${lab.cluster.api}/api/v1/namespaces/${namespace}/pods/${pod}`, { method: 'DELETE' });
  assert.equal(status, 200);
  await until(async () => (await find(incident)) === undefined, { what: 'the alert goes', programs: [lab.collector, program] });
  assertSecret(lab);
});

labTest('a wrong password is said, what waits is told when it is put right, and no log has it', { ...options, password: 'opensesam' }, async (lab, t) => {
  await lab.startAll();
  await lab.run();
  const program = manager(lab, t).start();
  await until(alerts, { what: 'Alertmanager is there', programs: [program] });
  const incident = await crash(lab);
  await until(async () => (await notification(lab, incident)).some(({ error }) => /HTTP status 401.*secret_file/.test(error)), {
    what: 'it is known why nobody is told',
  });
  assert.ok(!fs.readFileSync(lab.collector.log, 'utf8').includes('opensesam'));
  fs.writeFileSync(lab.path('am-password'), PASSWORD);
  lab.collector.signal('SIGHUP');
  await until(() => find(incident), { what: 'the alert comes', programs: [lab.collector, program] });
  assertSecret(lab);
});
