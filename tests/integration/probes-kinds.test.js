/** Kinds of checks and rules of telling that need more than a page: by the real programs, with real peers. */
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { makeCertificates, tlsOptions } from '../lib/certificates.js';
import { listen, shut } from '../lib/http.js';
import { ROOT } from '../lib/lab.js';
import { alerts, createMonitor, probeTest, quick, runsPass, wasProbed } from '../lib/probe-test.js';
import { metricSum } from '../lib/prometheus.js';
import { until } from '../lib/wait.js';

const probeIncidents = async (lab) => (await lab.incidents()).filter(({ kind }) => kind === 'probe');

/** A name server that knows one name. @returns {Promise<{port: number, address: string, close: () => void}>} */
async function startDns() {
  const server = dgram.createSocket('udp4');
  const dns = { address: '10.9.8.7', close: () => server.close() };
  server.on('message', (question, peer) => {
    const head = Buffer.from(question.subarray(0, 12));
    head.writeUInt16BE(0x8180, 2); // an answer, no error
    head.writeUInt16BE(1, 6);
    head.writeUInt16BE(0, 8);
    head.writeUInt16BE(0, 10);
    const end = question.indexOf(0, 12) + 5;
    const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, ...dns.address.split('.').map(Number)]);
    server.send(Buffer.concat([head, question.subarray(12, end), record]), peer.port, peer.address);
  });
  await new Promise((resolve) => { server.bind(0, '127.0.0.1', resolve); });
  return Object.assign(dns, { port: server.address().port });
}

/** @returns {Promise<{port: number, stop: () => void}>} */
async function startGrpc() {
  const child = spawn(process.execPath, [path.join(ROOT, 'tests', 'lib', 'grpc-health.js')], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise((resolve) => { child.stdout.once('data', (line) => resolve(Number(line))); });
  return { port, stop: () => child.kill() };
}

const allowed = {
  collector: (lab) => ({
    probes: { allowed_hosts: ['127.0.0.1'] },
    notify: {
      language: 'en',
      channels: [{ name: 'wecom', type: 'wecom_robot', url_file: lab.robotFile(), rate_per_minute: 1000 }],
    },
  }),
};

probeTest('DNS, gRPC, TLS and TCP: what passes, and why what fails does', allowed, async (create, lab, t) => {
  const dns = await startDns();
  const grpc = await startGrpc();
  const folder = lab.path('tls');
  fs.mkdirSync(folder);
  await makeCertificates(folder);
  const secure = https.createServer(tlsOptions(folder), (_request, response) => response.end('safe'));
  t.after(() => {
    dns.close();
    grpc.stop();
    return shut(secure);
  });
  const port = await listen(secure, '127.0.0.1', 0);
  const web = await create({ name: 'web' });
  await web.scale(1);
  const pem = fs.readFileSync(path.join(folder, 'ca.crt'), 'utf8');
  const often = { interval: '1s', timeout: '900ms', retries: { count: 0 } };
  const url = (text) => ({ target: { url: text }, ...often });
  const ask = { name: 'db.example.com.', type: 'A' };
  const answers = [{ regex: '^10\\.9\\.8\\.7$' }];
  const monitors = {
    names: { ...url(`dns://127.0.0.1:${dns.port}`), steps: [{ name: 'look up', dns: ask, expect: { answers } }] },
    health: { ...url(`grpc://127.0.0.1:${grpc.port}`), steps: [{ grpc: { service: 'up' } }] },
    sick: { ...url(`grpc://127.0.0.1:${grpc.port}`), steps: [{ grpc: { service: 'down' } }] },
    safe: { ...url(`https://127.0.0.1:${port}/`), tls: { ca: { pem } }, steps: [{ http: {}, expect: { body: [{ contains: 'safe' }] } }] },
    strange: { ...url(`https://127.0.0.1:${port}/`) }, // nobody said whom to trust
    raw: { ...quick('web', { steps: [{ tcp: { send: 'GET /raw HTTP/1.0\r\n\r\n' }, expect: { body: [{ contains: 'ok' }] } }] }), ...often },
  };
  for (const [name, spec] of Object.entries(monitors)) await createMonitor(lab, name, spec);
  const statesOf = async (name) => (await lab.api(`/api/v1/monitors/apimonitor.shop.${name}`)).json?.targets ?? [];
  const isState = (name, state) =>
    until(
      async () => {
        const targets = await statesOf(name);
        return targets.length > 0 && targets.every((target) => target.state === state) && targets;
      },
      { what: `${name} is ${state}`, timeoutMs: 30_000, programs: lab.programs },
    );
  for (const name of ['names', 'health', 'safe', 'raw']) await isState(name, 'passing');
  const [sick] = await isState('sick', 'failing');
  assert.deepEqual([sick.lastFailure.cause, sick.lastFailure.got], ['answer', 'NOT_SERVING'], JSON.stringify(sick));
  const [strange] = await isState('strange', 'failing');
  assert.equal(strange.lastFailure.cause, 'certificate', JSON.stringify(strange));
  assert.ok(strange.lastFailure.evidence.steps[0].certificate, 'the certificate that is to blame is shown');
  assert.ok(web.pods[0].requests.some(({ url: asked }) => asked === '/raw'));
  dns.address = '10.9.8.6';
  const [names] = await isState('names', 'failing');
  assert.equal(names.lastFailure.cause, 'answer');
  assert.match(names.lastFailure.got, /10\.9\.8\.6/);
});

probeTest('what flaps is told as that, once', {}, async (create, lab) => {
  const web = await create({ name: 'web' });
  await web.scale(1);
  const [pod] = web.pods;
  pod.answer = (_request, response) => {
    response.writeHead(Math.floor(pod.requests.length / 3) % 2 === 0 ? 200 : 500);
    response.end();
  };
  await createMonitor(lab, 'web', quick('web', { scope: 'pods', retries: { count: 0 } }));
  const isFlapping = async () => (await probeIncidents(lab)).some(({ reason, state }) => reason === 'Flapping' && state === 'open');
  await until(isFlapping, { what: 'it is known to flap', timeoutMs: 120_000, programs: lab.programs });
  const told = (await alerts(lab)).length;
  await runsPass(lab, 15); // five changes more
  assert.ok(await isFlapping());
  const messages = await alerts(lab);
  assert.ok(messages.length <= told + 1, messages.join('\n----\n'));
  assert.equal(messages.filter((text) => /flap/i.test(text)).length, 1, messages.join('\n----\n'));
});

probeTest('a pod that does not come up is told when its start-up allowance has passed, not before', {}, async (create, lab) => {
  const startupProbe = { tcpSocket: { port: 'http' }, periodSeconds: 2, failureThreshold: 3 };
  const web = await create({ name: 'web', container: { startupProbe } });
  await createMonitor(lab, 'web', quick('web', { scope: 'pods', retries: { count: 0 } }));
  const pod = await web.addPod({ listens: false });
  const failed = async () => metricSum(await lab.agentMetrics(), 'nightjar_probe_runs_total', 'result="failed"') ?? 0;
  await until(async () => (await failed()) >= 3, { what: 'it is probed while it starts', programs: lab.programs });
  assert.deepEqual(await probeIncidents(lab), []);
  const [incident] = await until(
    async () => {
      const open = await probeIncidents(lab);
      return open.length > 0 && open;
    },
    { what: 'its time is over', programs: lab.programs },
  );
  assert.equal(incident.pod, pod.name);
  const allowance = Date.parse(incident.firstAt) - Date.parse(pod.createdAt);
  assert.ok(allowance >= 6000, `six seconds are its startup probe's alone, it was told of after ${allowance} ms`);
});

probeTest('the metrics page of a pod that wants to be scraped is checked', {}, async (create, lab) => {
  const web = await create({ name: 'web', annotations: { 'nightjar.dev/probe-interval': '1s' } });
  web.podAnnotations = { 'prometheus.io/scrape': 'true', 'prometheus.io/port': String(web.podPort), 'prometheus.io/path': '/own/metrics' };
  await web.scale(1);
  const [pod] = web.pods;
  await wasProbed(pod);
  await until(() => pod.requests.some(({ url }) => url === '/own/metrics'), { what: 'its metrics page is asked for', programs: lab.programs });
  const { json } = await lab.api('/api/v1/monitors/metrics.shop.web');
  assert.deepEqual([json.source, json.targetsTotal], ['metrics', 1]);
});
