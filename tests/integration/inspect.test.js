/** Containers inspected: real processes in real cgroups, and what Nightjar counts, tells and keeps of them. */
// alone
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Container, whyNoContainers } from '../lib/container.js';
import { ask } from '../lib/lab.js';
import { labTest } from '../lib/lab-test.js';
import { metricSum, parseMetrics, promtool } from '../lib/prometheus.js';
import { pause, until } from '../lib/wait.js';

const skip = whyNoContainers();
const MIB = 1 << 20;

/** What a test of hours asks in seconds. */
const quick = { enabled: true, interval: '200ms', leak_after: '4s', sockets_rest: 10, root: '' };

const options = {
  generate: 'pods=0',
  realTime: true,
  speed: 1,
  wecomsim: ['--rate', '1000'],
  agent: { inspect: quick, collector: { heartbeat: '1s' }, probes: { enabled: false } },
  collector: (lab) => ({
    notify: {
      language: 'en',
      channels: [{ name: 'wecom', type: 'wecom_robot', url_file: lab.robotFile(), rate_per_minute: 1000 }],
    },
  }),
};

function inspectTest(name, more, run) {
  labTest(name, { ...options, ...more, skip }, async (lab, t) => {
    const containers = [];
    const stopAll = () => Promise.all(containers.splice(0).map((container) => container.stop()));
    t.after(stopAll);
    await lab.startAll();
    await lab.run();
    const create = async (given) => {
      const container = new Container(lab, given);
      containers.push(container);
      return container.start();
    };
    try {
      await run(create, lab, t);
    } finally {
      await stopAll();
    }
  });
}

const alerts = async (lab) => (await lab.messages()).filter(({ msgtype }) => msgtype !== 'file').map(({ text }) => text);
const label = (container) => `pod="${container.name}-0"`;

/** The figure of a container on the agent's /metrics. */
async function figure(lab, container, name, more = '') {
  const metrics = await lab.agentMetrics();
  for (const [key, value] of metrics) {
    if (key.startsWith(`${name}{`) && key.includes(label(container)) && key.includes(more)) return value;
  }
  return undefined;
}

/** Two scans have begun and ended since. */
async function scansPass(lab, count = 2) {
  const scans = async () => metricSum(await lab.agentMetrics(), 'nightjar_inspect_scans_total') ?? 0;
  const wanted = (await scans()) + count + 1;
  await until(async () => (await scans()) >= wanted, { what: 'the node is scanned', programs: lab.programs });
}

const incidentOf = (lab, kind, container) =>
  until(
    async () => (await lab.incidents({ kind })).find(({ workload, state }) => workload === container.name && state === 'open'),
    { what: `an incident ${kind} of ${container.name}`, programs: lab.programs },
  );

const countFds = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;

inspectTest('what is counted of a container is what it has', {}, async (create, lab) => {
  const container = await create({ name: 'web', memoryLimit: 256 * MIB, pidsLimit: 100, fdLimit: 4096 });
  for (const command of ['fds 37', 'threads 5', 'zombies 3', 'memory 20480', 'established 4', 'close_wait 6']) {
    await container.ask(command);
  }
  await scansPass(lab);
  const { pid } = container.child;
  assert.equal(await figure(lab, container, 'nightjar_container_fds'), countFds(pid));
  assert.equal(await figure(lab, container, 'container_file_descriptors'), countFds(pid));
  assert.equal(await figure(lab, container, 'nightjar_container_zombies'), 3);
  assert.equal(await figure(lab, container, 'container_threads'), 6);
  assert.equal(await figure(lab, container, 'nightjar_container_sockets', 'state="CLOSE_WAIT"'), 6);
  assert.equal(await figure(lab, container, 'nightjar_container_sockets', 'state="ESTABLISHED"'), 8);
  assert.equal(await figure(lab, container, 'nightjar_container_sockets', 'state="LISTEN"'), 1);
  assert.equal(await figure(lab, container, 'container_spec_memory_limit_bytes'), 256 * MIB);
  const workingSet = await figure(lab, container, 'container_memory_working_set_bytes');
  assert.ok(workingSet >= 20 * MIB && workingSet < 40 * MIB, `the working set is ${workingSet}`);

  await container.ask('fds -30');
  await container.ask('disconnect');
  await scansPass(lab);
  assert.equal(await figure(lab, container, 'nightjar_container_fds'), countFds(pid));
  // A count of sockets that took long is not made again at once.
  await until(async () => ((await figure(lab, container, 'nightjar_container_sockets', 'state="CLOSE_WAIT"')) ?? 0) === 0, {
    what: 'no socket waits to be closed',
    programs: lab.programs,
  });
  assert.deepEqual(await alerts(lab), [], 'and nobody is told anything');
});

inspectTest('a process that is OOM-killed in a container that lives on is an incident within a second', {}, async (create, lab) => {
  const container = await create({ name: 'worker', memoryLimit: 48 * MIB });
  await scansPass(lab);
  for (let count = 1; count <= 3; count++) {
    assert.equal(await container.ask('glutton 200000'), '9', 'the kernel has killed it');
    const killedAt = Date.now();
    const incident = await until(
      async () => (await lab.incidents({ kind: 'oom_kill' })).find((found) => found.count === count),
      { what: `OOM kill ${count} is told`, programs: lab.programs },
    );
    const after = Date.now() - killedAt;
    assert.ok(after < 1000, `told ${after} ms after the kill`);
    assert.deepEqual(
      [incident.state, incident.workloadKind, incident.workload, incident.container],
      ['open', 'StatefulSet', 'worker', 'c'],
    );
    assert.ok(incident.value > 0.9 * 48 * MIB, `the usage was the limit's, not ${incident.value}`);
  }
  await lab.settled();
  const told = await alerts(lab);
  assert.equal(told.length, 1, told.join('\n----\n'));
  for (const word of ['OOM', 'shop', 'worker', '48 MiB']) assert.ok(told[0].includes(word), `the message says ${word}:\n${told[0]}`);
  assert.equal(await figure(lab, container, 'nightjar_container_oom_kills_total'), 3);
  assert.equal((await lab.crashes()).length, 0);
});

inspectTest('leaks are told before half of the limit is used, and what looks like one is not', { timeoutMs: 900_000 }, async (create, lab) => {
  const limits = { memoryLimit: 512 * MIB, pidsLimit: 2000, fdLimit: 3000 };
  const leaking = {
    fds: { command: 'fds 10', what: /fd|descriptor/i, used: (container) => countFds(container.child.pid) / 3000 },
    sockets: { command: 'close_wait 2', what: /CLOSE_WAIT/, used: (container) => countFds(container.child.pid) / 3000 },
    zombies: { command: 'zombies 8', what: /zombie/i, used: (container) => Number(container.read('pids', 'pids.current')) / 2000 },
    threads: { command: 'threads 8', what: /thread/i, used: (container) => Number(container.read('pids', 'pids.current')) / 2000 },
    memory: { command: 'memory 2048', what: /memory/i, used: (container) => Number(container.read('memory', 'memory.usage_in_bytes')) / (512 * MIB) },
  };
  const makes = Object.keys(leaking).map((name) => create({ name: `leak-${name}`, ...limits }));
  const leaks = await Promise.all(makes);
  const sawtooth = await create({ name: 'sawtooth', ...limits });
  const warmup = await create({ name: 'warmup', ...limits });
  const pool = await create({ name: 'pool', ...limits });
  const told = new Map();
  const look = async () => {
    for (const incident of await lab.incidents({ kind: 'leak' })) {
      const at = leaks.find(({ name }) => name === incident.workload);
      if (!at || told.has(at.name)) continue;
      // Sockets are descriptors too: that these leak may be found first.
      const { what, used } = leaking[at.name.slice(5)];
      if (what.test(`${incident.reason} ${incident.message}`)) told.set(at.name, { incident, used: used(at) });
    }
  };
  for (let step = 0; step < 600 && told.size < leaks.length; step++) {
    for (const container of leaks) {
      if (!told.has(container.name)) await container.ask(leaking[container.name.slice(5)].command);
    }
    await sawtooth.ask(step % 20 === 19 ? 'fds -190' : 'fds 10');
    if (step % 20 === 19) await sawtooth.ask('memory -38000');
    else await sawtooth.ask('memory 2000');
    if (step < 10) await warmup.ask('memory 8192');
    if (step < 25) await pool.ask('established 2');
    await pause(150);
    await look();
  }
  assert.deepEqual([...told.keys()].sort(), leaks.map(({ name }) => name).sort(), 'every leak is told');
  for (const [name, { used }] of told) {
    assert.ok(used < 0.5, `${name} was told when ${(used * 100).toFixed(0)} % of its limit was used`);
  }
  await lab.settled();
  const others = (await lab.incidents({ kind: 'leak' })).filter(({ workload }) => !workload.startsWith('leak-'));
  assert.deepEqual(others, [], 'none that is healthy');
  assert.match((await alerts(lab)).join('\n'), /nj_hog/, 'the process is named');
});

inspectTest('a limit that is near is told, and told worse', {}, async (create, lab) => {
  const container = await create({ name: 'near', fdLimit: 200, pidsLimit: 1000 });
  await container.ask(`fds ${165 - countFds(container.child.pid)}`);
  const incident = await incidentOf(lab, 'near_limit', container);
  assert.equal(incident.severity, 'warning');
  await container.ask('fds 28');
  await until(async () => (await incidentOf(lab, 'near_limit', container)).severity === 'critical', {
    what: 'it is worse',
    programs: lab.programs,
  });
  await container.ask('fds -150');
  await until(async () => (await lab.incidents({ kind: 'near_limit' })).every(({ state }) => state === 'resolved'), {
    what: 'it is over',
    programs: lab.programs,
  });
});

inspectTest('the table of resources agrees with the kernel', {}, async (create, lab) => {
  const container = await create({ name: 'table', memoryLimit: 128 * MIB, cpuLimitMillis: 500 });
  await container.ask('memory 30720');
  const counter = () => Number(container.read('cpuacct', 'cpuacct.usage')) / 1e9;
  // From the beginning of a minute to its end, as near as can be told from outside.
  const untilMinute = async () => pause(60_000 - (Date.now() % 60_000) + 5);
  await untilMinute();
  const [beganAt, began] = [Date.now(), counter()];
  while (Date.now() - beganAt < 55_000) {
    await container.ask('cpu 100');
    await pause(300);
  }
  await untilMinute();
  const cores = (counter() - began) / ((Date.now() - beganAt) / 1000);
  const from = new Date(Math.round(beganAt / 60_000) * 60_000).toISOString();
  const row = await until(
    async () => {
      const query = new URLSearchParams({ by: 'container', namespace: 'shop', from, to: new Date().toISOString() });
      const { status, json, text } = await lab.api(`/api/v1/resources?${query}`);
      assert.equal(status, 200, text);
      return json.items.find(({ pod }) => pod === 'table-0');
    },
    { what: 'the minute is in the table', programs: lab.programs },
  );
  const near = (got, wanted, share, what) =>
    assert.ok(Math.abs(got - wanted) <= share * wanted, `${what}: ${got} in the table, ${wanted} by the kernel`);
  near(row.cpu.average, cores, 0.02, 'CPU in cores');
  near(row.memory.average, await figure(lab, container, 'container_memory_working_set_bytes'), 0.02, 'memory in bytes');
  assert.equal(row.memory.limit, 128 * MIB);
  assert.equal(row.cpu.limit, 0.5);

  const csv = await lab.api('/api/v1/resources?by=pod&namespace=shop&format=csv&from=10m');
  assert.match(csv.headers.get('content-type'), /^text\/csv/);
  assert.match(csv.text, /table-0/);
  const advice = await lab.api('/api/v1/resources/recommendations?namespace=shop&from=10m');
  assert.equal(advice.status, 200, advice.text);
  assert.ok(advice.json.items.some(({ workload, reasons }) => workload === 'table' && reasons.length > 0), advice.text);
});

inspectTest('figures are what promtool takes for good', {}, async (create, lab) => {
  await create({ name: 'web', memoryLimit: 64 * MIB });
  await scansPass(lab);
  const { text } = await ask(`${lab.agentUrl()}/metrics`);
  const names = new Set([...parseMetrics(text).keys()].map((key) => key.replace(/\{.*/s, '')));
  for (const name of ['container_cpu_usage_seconds_total', 'node_cpu_seconds_total', 'node_filesystem_avail_bytes', 'nightjar_loop_stall_seconds_bucket']) {
    assert.ok(names.has(name), `${name} is there`);
  }
  const { status, stdout, stderr } = promtool(text);
  assert.equal(status, 0, `${stdout}${stderr}`);
});
