/** Checks of pods and Services, with real servers standing in as pods: what people are told, and what not. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { metricSum } from '../lib/prometheus.js';
import { listen, shut } from '../lib/http.js';
import { ask } from '../lib/lab.js';
import { MONITORS, alerts, createMonitor, messagesReach, probeTest, quick, runsPass, wasProbed } from '../lib/probe-test.js';
import { pause, until } from '../lib/wait.js';

const getMonitor = async (lab, name) => (await ask(`${lab.cluster.api}${MONITORS}/${name}`)).json;

probeTest('pods are probed as they come and go; a rollout and scaling say nothing, a broken page does', {}, async (create, lab) => {
  const web = await create({ name: 'web' });
  await createMonitor(lab, 'web', quick('web'));
  for (let count = 0; count < 3; count++) {
    const pod = await web.addPod();
    await wasProbed(pod);
    const after = pod.requests[0].at - pod.seenAt;
    assert.ok(after < 1000, `the first request came ${after} ms after the pod`);
    assert.equal(pod.requests[0].url, '/health');
  }

  await web.scale(20);
  await web.rollout(() => pause(150));
  await runsPass(lab, 2);
  const [leaving] = web.pods;
  const before = metricSum(await lab.agentMetrics(), 'nightjar_kube_events_total');
  await leaving.beginDeletion();
  await until(async () => metricSum(await lab.agentMetrics(), 'nightjar_kube_events_total') > before, {
    what: 'the agent has seen the deletion',
    programs: lab.programs,
  });
  const connections = leaving.connections;
  await runsPass(lab, 3);
  assert.equal(leaving.connections, connections, 'nothing connects to a pod that is being deleted');
  await leaving.endDeletion();

  await web.scale(2);
  await runsPass(lab, 3);
  await web.scale(0);
  await until(async () => metricSum(await lab.agentMetrics(), 'nightjar_probe_checks') === 0, {
    what: 'no check outlives its pod',
    programs: lab.programs,
  });
  await web.scale(2);
  await runsPass(lab, 3);
  await lab.settled();
  assert.deepEqual(await alerts(lab), [], 'not one message so far');

  const [bad] = web.pods;
  bad.answer = (_request, response) => {
    response.writeHead(500, { 'content-type': 'text/plain' });
    response.end('the database is away\n');
  };
  const [told] = await messagesReach(lab, 1);
  for (const word of [bad.name, 'front', '500', 'the database is away', 'shop', 'web']) {
    assert.ok(told.includes(word), `the message says ${word}:\n${told}`);
  }
  const [incident] = (await lab.incidents()).filter(({ kind }) => kind === 'probe');
  assert.deepEqual(
    [incident.state, incident.workloadKind, incident.workload, incident.namespace],
    ['open', 'Service', 'web', 'shop'],
  );

  const { status } = await until(
    async () => {
      const monitor = await getMonitor(lab, 'web');
      return monitor.status?.failing > 0 && monitor;
    },
    { what: 'kubectl get apimon shows it', programs: lab.programs },
  );
  assert.ok(status.targets >= 2, JSON.stringify(status));

  bad.answer = web.answer;
  await messagesReach(lab, 2);
  assert.equal((await lab.incidents()).find(({ id }) => id === incident.id).state, 'resolved');
});

probeTest('when every pod fails the Service is down, in one story', {}, async (create, lab) => {
  const web = await create({ name: 'web' });
  const other = await create({ name: 'other' });
  await createMonitor(lab, 'web', quick('web', { scope: 'pods', alert: { group: 'everybody', severity: 'critical' } }));
  await createMonitor(lab, 'other', quick('other', { scope: 'pods' }));
  await web.scale(3);
  await other.scale(1);
  for (const pod of [...web.pods, ...other.pods]) await wasProbed(pod);
  await runsPass(lab, 2);
  web.answer = (_request, response) => {
    response.writeHead(503);
    response.end('closed');
  };
  for (const pod of web.pods) pod.answer = web.answer;
  await until(
    async () => (await lab.incidents()).some(({ kind, reason }) => kind === 'probe' && reason === 'AllFail'),
    { what: 'the Service is down', programs: lab.programs },
  );
  await runsPass(lab, 3);
  const incidents = (await lab.incidents()).filter(({ kind }) => kind === 'probe');
  assert.equal(incidents.length, 1, JSON.stringify(incidents));
  assert.deepEqual([incidents[0].targetsFailing, incidents[0].targetsTotal, incidents[0].severity], [3, 3, 'critical']);
  const told = await alerts(lab);
  assert.ok(told.length <= 2 && told.length >= 1, told.join('\n----\n'));
});

probeTest('a node whose every check fails is one incident, not its pods\'', {}, async (create, lab) => {
  const names = ['one', 'two', 'three'];
  const workloads = [];
  for (const name of names) {
    const workload = await create({ name });
    await createMonitor(lab, name, quick(name, { scope: 'pods' }));
    await workload.scale(2);
    workloads.push(workload);
  }
  const pods = workloads.flatMap((workload) => workload.pods);
  for (const pod of pods) await wasProbed(pod);
  await runsPass(lab, 2);
  const working = new Map(pods.map((pod) => [pod, pod.answer]));
  for (const pod of pods) pod.answer = (request) => request.socket.destroy();
  await until(async () => (await lab.incidents()).some(({ kind }) => kind === 'node_probes'), {
    what: 'the node is told',
    programs: lab.programs,
  });
  await runsPass(lab, 3);
  assert.deepEqual((await lab.incidents()).map(({ kind, workload }) => `${kind} ${workload}`), ['node_probes node1']);
  assert.equal((await alerts(lab)).length, 1);
  for (const [pod, answer] of working) pod.answer = answer;
  await messagesReach(lab, 2);
});

probeTest('a Service without a monitor is checked by what its pods say of themselves, unless that is switched off', {}, async (create, lab) => {
  const readinessProbe = { httpGet: { path: '/ready', port: 'http' }, periodSeconds: 1 };
  const derived = await create({
    name: 'derived',
    annotations: { 'nightjar.dev/probe-interval': '1s' },
    container: { readinessProbe },
  });
  const annotated = await create({
    name: 'annotated',
    annotations: { 'nightjar.dev/probe': 'http', 'nightjar.dev/probe-path': '/up', 'nightjar.dev/probe-interval': '1s' },
  });
  const off = await create({ name: 'off', annotations: { 'nightjar.dev/probe': 'off' }, container: { readinessProbe } });
  const bare = await create({ name: 'bare', annotations: { 'nightjar.dev/probe-interval': '1s' } });
  for (const workload of [derived, annotated, off, bare]) await workload.scale(1);
  await wasProbed(derived.pods[0]);
  await wasProbed(annotated.pods[0]);
  await until(() => bare.pods[0].connections > 0, { what: 'a connection is tried', programs: lab.programs });
  await runsPass(lab, 3);
  assert.ok(derived.pods[0].requests.every(({ url }) => url === '/ready'));
  assert.ok(annotated.pods[0].requests.some(({ url }) => url === '/up'));
  assert.equal(off.pods[0].connections, 0);
  assert.equal(bare.pods[0].requests.length, 0);
  const { json } = await lab.api('/api/v1/monitors?namespace=shop');
  assert.deepEqual(
    json.items.map(({ id, source }) => `${id} ${source}`).sort(),
    ['service.shop.annotated annotation', 'service.shop.bare derived', 'service.shop.derived derived'],
  );
  assert.deepEqual(await alerts(lab), []);
});

/** A program that lets in who knows the password, and says what it was asked. */
function loginServer(password) {
  const token = 'token-7f3a';
  return async (request, response) => {
    const send = (status, body) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    const isIn = request.headers.authorization === `Bearer ${token}`;
    if (request.method === 'POST' && request.url === '/login') {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const given = JSON.parse(Buffer.concat(chunks).toString()).password;
      send(given === password ? 200 : 403, given === password ? { data: { token } } : { error: `no entry with ${given}` });
    } else if (request.url === '/orders/7' && isIn) {
      send(request.method === 'DELETE' ? 204 : 200, { id: 7, open: true });
    } else {
      send(isIn ? 404 : 401, {});
    }
  };
}

const CHAIN = {
  interval: '1s',
  timeout: '900ms',
  retries: { count: 0 },
  scope: 'pods',
  variables: [{ name: 'password', valueFrom: { secretKeyRef: { name: 'login-probe', key: 'password' } } }],
  steps: [
    {
      name: 'log in',
      http: {
        method: 'POST',
        path: '/login',
        headers: [{ name: 'content-type', value: 'application/json' }],
        body: '{"password":"${password}"}',
      },
      extract: [{ name: 'token', jsonPointer: '/data/token' }],
      expect: { status: [200] },
    },
    {
      name: 'order',
      http: { path: '/orders/7', headers: [{ name: 'Authorization', value: 'Bearer ${token}' }] },
      expect: { status: [200], json: [{ pointer: '/open', equals: true }] },
    },
  ],
  finally: [
    {
      name: 'tidy up',
      http: { method: 'DELETE', path: '/orders/7', headers: [{ name: 'Authorization', value: 'Bearer ${token}' }] },
      expect: { status: [204] },
    },
  ],
};

probeTest('a chain that logs in with a Secret, which is nowhere to be read afterwards', {}, async (create, lab) => {
  const password = 'correct-horse-"battery"-staple';
  const web = await create({ name: 'web', answer: loginServer(password) });
  await createMonitor(lab, 'web', { target: { service: { name: 'web', port: 'http' } }, ...CHAIN });
  await web.scale(1);
  const monitor = async () => (await lab.api('/api/v1/monitors/apimonitor.shop.web')).json;
  await until(async () => /login-probe/.test((await monitor()).trouble), {
    what: 'it is said that there is no Secret',
    programs: lab.programs,
  });
  const secrets = `${lab.cluster.api}/api/v1/namespaces/shop/secrets`;
  const data = { password: Buffer.from(password).toString('base64') };
  await ask(secrets, { method: 'POST', body: { metadata: { name: 'login-probe' }, data } });
  await until(() => web.pods[0].requests.some(({ method }) => method === 'DELETE'), {
    what: 'the whole chain runs',
    timeoutMs: 120_000,
    programs: lab.programs,
  });
  const passes = async () => (await monitor()).targets?.some(({ state }) => state === 'passing');
  await until(passes, { what: 'it passes', programs: lab.programs });

  web.pods[0].answer = loginServer('another');
  const [told] = (await messagesReach(lab, 1)).slice(-1);
  assert.ok(told.includes('log in') && told.includes('403'), told);
  const kept = [told, JSON.stringify(await monitor()), JSON.stringify(await lab.incidents()), ...lab.programs.map((program) => program.logTail(100_000))];
  const files = ['collector.db', 'collector.db-wal', `outbox-${lab.nodes[0]}.db`, `outbox-${lab.nodes[0]}.db-wal`];
  for (const file of files) if (fs.existsSync(lab.path(file))) kept.push(fs.readFileSync(lab.path(file), 'latin1'));
  for (const text of kept) assert.ok(!/correct-horse|battery/.test(text), text.slice(0, 2000));
});

probeTest('kill -9 at both ends: what fails is told once, its end once', {}, async (create, lab) => {
  const web = await create({ name: 'web' });
  await createMonitor(lab, 'web', quick('web', { scope: 'pods' }));
  await web.scale(2);
  for (const pod of web.pods) await wasProbed(pod);
  await runsPass(lab, 2);
  web.pods[0].answer = (_request, response) => {
    response.writeHead(500);
    response.end('broken');
  };
  await messagesReach(lab, 1);
  for (let round = 0; round < 2; round++) {
    await lab.agent.kill();
    lab.startAgent();
    await lab.agentReady();
    await runsPass(lab, 3);
    await lab.collector.kill();
    lab.startCollector();
    await lab.collectorReady();
    await runsPass(lab, 3);
  }
  await messagesReach(lab, 1);
  web.pods[0].answer = web.answer;
  await messagesReach(lab, 2);
  assert.deepEqual((await lab.incidents()).map(({ kind, state }) => `${kind} ${state}`), ['probe resolved']);
});

probeTest('a spec is tried before it is saved, and goes only where it may', {}, async (create, lab) => {
  const web = await create({ name: 'web' });
  await web.scale(2);
  const attempt = (spec) => lab.api('/api/v1/monitors/test', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: { namespace: 'shop', spec },
    });
  const good = await attempt(quick('web', { steps: [{ name: 'front', http: { path: '/try' }, expect: { body: [{ contains: 'ok' }] } }] }));
  assert.equal(good.status, 200, good.text);
  assert.ok(web.pods.every((pod) => pod.requests.some(({ url }) => url === '/try')), good.text);
  const bad = await attempt(quick('web', { steps: [{ http: { path: '/try' }, expect: { status: ['2x'] } }] }));
  assert.equal(bad.status, 400);
  assert.match(bad.json.detail, /spec\.steps\[0\]\.expect\.status\[0\]/);
  for (const url of ['http://169.254.169.254/latest/meta-data/', 'http://127.0.0.1:1/', 'http://example.com/']) {
    const { status, text } = await attempt({ target: { url } });
    assert.ok(status === 400 || status === 403 || /"ok":false/.test(text), `${url}: ${status} ${text}`);
    assert.doesNotMatch(text, /"ok":true/);
  }
  await createMonitor(lab, 'away', { target: { url: 'http://169.254.169.254/latest/meta-data/' } });
  await createMonitor(lab, 'wrong', { target: { service: { name: 'web', port: 'nowhere' } }, interval: '0s' });
  for (const name of ['away', 'wrong']) {
    const { status } = await until(
      async () => {
        const monitor = await getMonitor(lab, name);
        return monitor.status?.conditions && monitor;
      },
      { what: `${name} has a status`, programs: lab.programs },
    );
    const accepted = status.conditions.find(({ type }) => type === 'Accepted');
    assert.equal(accepted.status, 'False', JSON.stringify(status));
    assert.ok(accepted.message.length > 10);
  }
  assert.deepEqual(await alerts(lab), []);
});

const ingressOf = (address, paths) => ({
  metadata: { name: 'front', annotations: { 'nightjar.dev/probe-interval': '1s' } },
  spec: {
    rules: [
      {
        host: 'shop.example',
        http: { paths: paths.map((path) => ({ path, pathType: 'Prefix', backend: { service: { name: 'web', port: { name: 'http' } } } })) },
      },
    ],
  },
  status: { loadBalancer: { ingress: [{ ip: address }] } },
});

probeTest('an Ingress is asked for each host and path at its address, and a dead one is told', {}, async (create, lab, t) => {
  const web = await create({ name: 'web', annotations: { 'nightjar.dev/probe': 'off' } });
  await web.scale(1);
  const asked = [];
  let status = 404;
  const balancer = http.createServer((request, response) => {
    asked.push(`${request.headers.host}${request.url}`);
    response.writeHead(status, { 'content-type': 'text/plain' });
    response.end('from the balancer\n');
  });
  t.after(() => shut(balancer));
  const refusal = await listen(balancer, web.clusterIp, 80).catch(({ code }) => code);
  if (refusal === 'EACCES') {
    t.skip('an Ingress is at port 80, where only root may listen');
    return;
  }
  assert.equal(refusal, 80);
  await web.write('POST', '/apis/networking.k8s.io/v1/namespaces/shop/ingresses', ingressOf(web.clusterIp, ['/', '/cart']));
  const wasAskedMore = (count, what) => {
    const wanted = asked.length + count;
    return until(() => asked.length >= wanted, { what, programs: lab.programs });
  };
  await wasAskedMore(6, 'the Ingress is asked again and again');
  assert.deepEqual([...new Set(asked)].sort(), ['shop.example/', 'shop.example/cart']);
  await lab.settled();
  assert.deepEqual(await alerts(lab), [], 'a page that is not there is an answer');

  status = 502;
  const incident = await until(
    async () => (await lab.incidents()).find(({ kind, targetsFailing }) => kind === 'probe' && targetsFailing === 2),
    { what: 'it is told', programs: lab.programs },
  );
  assert.deepEqual(
    [incident.state, incident.workloadKind, incident.workload, incident.namespace],
    ['open', 'Ingress', 'front', 'shop'],
  );
  await until(async () => (await alerts(lab)).length > 0, { what: 'somebody is told', programs: lab.programs });
  for (const word of ['front', 'shop.example', '502']) assert.ok((await alerts(lab))[0].includes(word), (await alerts(lab))[0]);
  status = 200;
  await until(async () => (await lab.incidents()).every(({ state }) => state === 'resolved'), {
    what: 'its end is told',
    programs: lab.programs,
  });

  await createMonitor(lab, 'mine', { target: { ingress: { name: 'front' } }, interval: '1s' });
  const monitors = async () => (await lab.api('/api/v1/monitors?namespace=shop')).json.items.map(({ id }) => id);
  await until(async () => (await monitors()).includes('apimonitor.shop.mine'), { what: 'the monitor is known', programs: lab.programs });
  assert.deepEqual(await monitors(), ['apimonitor.shop.mine'], 'it takes the place of the derived check');
});
