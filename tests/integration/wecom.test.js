/** WeCom refuses, hangs, lies and forgets: everybody is told once, somewhere, and nobody twice. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { ask } from '../lib/lab.js';
import { labTest } from '../lib/lab-test.js';
import { metricSum } from '../lib/prometheus.js';
import { until } from '../lib/wait.js';
import { subjectOf } from './expected.js';

/** Each pod is a workload of its own, so that each crash is an incident of its own. */
const cluster = { generate: 'pods=80,replicas=1', speed: 20 };

const robot = (lab, more) => ({
  ...{ name: 'wecom', type: 'wecom_robot', url_file: lab.robotFile(), attach_log: false, timeout: '700ms' },
  ...more,
});
const hook = (lab, more) => ({
  ...{ name: 'hook', type: 'webhook', url_file: lab.path('hook-url'), rate_per_minute: 1000, timeout: '700ms' },
  ...more,
});
const notify = (channels, told = [channels[0].name]) => ({
  // Each message for itself: what a storm folds is not what these tests are about.
  notify: { storm_after: 0, channels, routes: [{ group: 'oncall', channels: told }] },
});

const robotAlone = (lab) => notify([robot(lab)]);
const robotThenHook = (lab) => notify([robot(lab, { failover: 'hook' }), hook(lab)]);

/** Begins the test's cluster; returns what makes the next pod crash and gives its name. */
async function begin(lab) {
  await lab.startAll();
  await lab.run();
  const { json } = await ask(`${lab.cluster.api}/api/v1/pods`);
  const pods = json.items.map(({ metadata }) => metadata);
  return async (more) => {
    const { namespace, name } = pods.pop();
    await lab.control('crash', { namespace, pod: name, exitCode: 3, restartAfter: 0, lines: [`last of ${name}`], ...more });
    return name;
  };
}

const tellers = async (lab, pod, channel) => (await lab.messages(channel)).filter(({ text }) => text.includes(pod));

/** What became of the message about a pod's crash, by channel. */
async function notification(lab, pod, channel = 'wecom') {
  const incident = (await lab.incidents()).find((one) => one.pod === pod);
  const { json } = await lab.api(`/api/v1/incidents/${incident.id}/notifications`);
  return json.items.find((one) => one.channel === channel && one.transition === 'opened');
}

const toldOnce = async (lab, pod, channel) => {
  await until(async () => (await tellers(lab, pod, channel)).length > 0, { what: `${channel} is told of ${pod}` });
  await lab.settled();
  assert.equal((await tellers(lab, pod, channel)).length, 1, `${channel} is told of ${pod} once`);
};

for (const [name, faults] of [
  ['is busy (-1)', [{ action: 'errcode', errcode: -1, times: 2 }]],
  ['counts too many messages (45009)', [{ action: 'errcode', errcode: 45009 }]],
  ['has too many at once (45033)', [{ action: 'errcode', errcode: 45033, times: 2 }]],
  ['finds the message too long (45002)', [{ action: 'errcode', errcode: 45002 }]],
  ['answers HTTP 502 and 500', [{ action: 'status', status: 502 }, { action: 'status', status: 500 }]],
]) {
  labTest(`the robot ${name}: the message comes later, once`, { ...cluster, collector: robotAlone }, async (lab) => {
    const crash = await begin(lab);
    for (const fault of faults) await lab.wecomFault({ path: 'webhook/send', ...fault });
    const pod = await crash();
    await toldOnce(lab, pod, 'robot:robot-1');
    assert.equal((await notification(lab, pod)).status, 'sent');
    const next = await crash();
    await toldOnce(lab, next, 'robot:robot-1');
  });
}

/** Whether a message arrived cannot be known: a robot is not sent it again, and the fail-over is told. */
for (const action of ['close', 'half-answer', 'hang', 'garbage']) {
  for (const accept of [true, false]) {
    const title = `a robot that ${accept ? 'took' : 'did not take'} a message and then answers with ${action}`;
    labTest(`${title}: never twice`, { ...cluster, collector: robotThenHook }, async (lab) => {
      const crash = await begin(lab);
      await lab.wecomFault({ path: 'webhook/send', action, accept });
      const pod = await crash();
      await toldOnce(lab, pod, 'hook:default');
      assert.equal((await tellers(lab, pod, 'robot:robot-1')).length, accept ? 1 : 0);
      const attempts = (await lab.controlWecom('attempts')).filter(({ path }) => path.includes('webhook/send'));
      assert.equal(attempts.length, 1, 'the robot was asked once');
      assert.notEqual((await notification(lab, pod)).status, 'sent');
      const next = await crash();
      await toldOnce(lab, next, 'robot:robot-1');
    });
  }
}

labTest('the robot is thrown out of its group: the fail-over is told', { ...cluster, collector: robotThenHook }, async (lab) => {
  const crash = await begin(lab);
  const before = await crash();
  await toldOnce(lab, before, 'robot:robot-1');
  await lab.controlWecom('remove-robot', { key: 'robot-1' });
  const pods = [await crash(), await crash()];
  for (const pod of pods) {
    await toldOnce(lab, pod, 'hook:default');
    assert.equal((await tellers(lab, pod, 'robot:robot-1')).length, 0);
  }
});

labTest('nobody can be told: the message waits with its reason, a day at most, and goes when the robot is put right', {
  ...cluster,
  wecomsim: ['--robot', 'robot-1', '--robot', 'robot-2'],
  collector: robotAlone,
}, async (lab) => {
  const crash = await begin(lab);
  await lab.controlWecom('remove-robot', { key: 'robot-1' });
  const late = await crash();
  const waits = async (pod) => (await notification(lab, pod))?.error.includes('93000');
  await until(() => waits(late), { what: 'it is known why nobody is told' });
  const { error, status } = await notification(lab, late);
  assert.equal(status, 'pending');
  assert.ok(!error.includes('robot-1'), `the robot's key is a secret: ${error}`);
  await lab.control('clock', { advance: 25 * 3600 });
  await until(async () => (await notification(lab, late)).status === 'failed', { what: 'it is a dead letter' });
  const pod = await crash();
  await until(async () => (await notification(lab, pod)) !== undefined, { what: 'it is to be told' });
  fs.copyFileSync(lab.robotFile('robot-2'), lab.robotFile());
  lab.collector.signal('SIGHUP');
  await toldOnce(lab, pod, 'robot:robot-2');
  assert.equal((await tellers(lab, late, 'robot:robot-2')).length, 0, 'what is a day old is no news');
});

const application = (lab, more) => {
  fs.writeFileSync(lab.path('corp-secret'), more?.secret ?? 'secret');
  return {
    ...{ name: 'app', type: 'wecom_app', corp_id: 'corp', agent_id: 1000002, secret_file: lab.path('corp-secret') },
    ...{ api_url: lab.wecom.url, to_users: ['li', 'wang'], attach_log: true, timeout: '700ms', failover: 'hook' },
  };
};

labTest('an application whose token ends early fetches another, and sends once', {
  ...cluster,
  collector: (lab) => notify([application(lab), hook(lab)]),
}, async (lab) => {
  const crash = await begin(lab);
  const first = await crash();
  await toldOnce(lab, first, 'app:1000002');
  const [message] = await tellers(lab, first, 'app:1000002');
  assert.deepEqual(message.users, ['li', 'wang']);
  const file = () => lab.messages('app:1000002').then((all) => all.find(({ msgtype }) => msgtype === 'file'));
  await until(file, { what: 'the log follows' });
  await lab.controlWecom('revoke-tokens', {});
  const second = await crash();
  await toldOnce(lab, second, 'app:1000002');
  const { tokensGiven } = await lab.controlWecom('state');
  assert.equal(tokensGiven, 2, 'a token is kept until it ends');
  assert.equal((await lab.messages('hook:default')).length, 0);
});

labTest('an application that is asked again after silence drops the duplicate itself', {
  ...cluster,
  collector: (lab) => notify([application(lab), hook(lab)]),
}, async (lab) => {
  const crash = await begin(lab);
  for (const action of ['close', 'half-answer', 'hang']) {
    await lab.wecomFault({ path: 'message/send', action, accept: true });
    const pod = await crash();
    await toldOnce(lab, pod, 'app:1000002');
    assert.equal((await tellers(lab, pod, 'hook:default')).length, 0, 'the fail-over is not needed');
  }
});

labTest('a wrong secret is not tried again and again', {
  ...cluster,
  collector: (lab) => notify([application(lab, { secret: 'wrong' }), hook(lab)]),
}, async (lab) => {
  const crash = await begin(lab);
  const pods = [];
  for (let index = 0; index < 5; index++) pods.push(await crash());
  for (const pod of pods) {
    await until(async () => (await tellers(lab, pod, 'hook:default')).length > 0, { what: `the fail-over is told of ${pod}` });
  }
  await lab.settled();
  const { badSecrets } = await lab.controlWecom('state');
  assert.ok(badSecrets <= 2, `asked ${badSecrets} times with the wrong secret: WeCom bans the address for that`);
});

labTest('some of the people do not exist: the others are told, and the fail-over', {
  ...cluster,
  wecomsim: ['--users', 'li'],
  collector: (lab) => notify([application(lab), hook(lab)]),
}, async (lab) => {
  const crash = await begin(lab);
  const pod = await crash();
  await toldOnce(lab, pod, 'app:1000002');
  await toldOnce(lab, pod, 'hook:default');
});

labTest('a webhook that fails for a while gets every message once, in order for each incident', {
  ...cluster,
  collector: (lab) => notify([hook(lab, { retries: 20 })]),
}, async (lab) => {
  const crash = await begin(lab);
  await lab.wecomFault({ path: '/hook/', action: 'status', status: 503, times: 3 });
  await lab.wecomFault({ path: '/hook/', action: 'close', accept: true, times: 2 });
  await lab.wecomFault({ path: '/hook/', action: 'half-answer', accept: true });
  const pods = [];
  for (let index = 0; index < 6; index++) pods.push(await crash());
  for (const pod of pods) await toldOnce(lab, pod, 'hook:default');
  assert.deepEqual(await lab.openNotifications(), []);
});

labTest('sixty incidents at once: the robot gets a few alerts and digests, and each incident is in one of them', {
  ...cluster,
  collector: robotAlone,
}, async (lab) => {
  const crash = await begin(lab);
  await lab.control('clock', { speed: 0 });
  for (let index = 0; index < 60; index++) await crash();
  await lab.control('clock', { speed: cluster.speed });
  await until(async () => (await lab.incidents()).length === 60, { what: 'sixty incidents' });
  await lab.settled({ timeoutMs: 180_000 });
  const messages = await lab.messages('robot:robot-1');
  assert.ok(messages.length < 60, `${messages.length} messages`);
  for (const { id } of await lab.incidents()) {
    const naming = messages.filter(({ text }) => new RegExp(`#${id}\\b`).test(text));
    assert.equal(naming.length, 1, `#${id} is told once`);
  }
  const { errcodes } = await lab.controlWecom('state');
  assert.equal(errcodes['45009'], undefined, 'the robot never has to say that it is too much');
  for (const { text } of messages) assert.ok(Buffer.byteLength(text) <= 4096);
});

labTest('the collector is killed while WeCom keeps it waiting: a robot is not told again, a webhook once', {
  ...cluster,
  collector: (lab) => notify([robot(lab, { timeout: '30s' }), hook(lab, { timeout: '30s' })], ['wecom', 'hook']),
}, async (lab) => {
  const crash = await begin(lab);
  await lab.wecomFault({ path: 'webhook/send', action: 'hang', accept: true });
  await lab.wecomFault({ path: '/hook/', action: 'hang', accept: true });
  const pod = await crash();
  await lab.controlWecom('wait?until=attempts:2&timeout=30');
  await lab.collector.kill();
  lab.startCollector();
  await lab.collectorReady();
  await lab.settled();
  assert.equal((await tellers(lab, pod, 'robot:robot-1')).length, 1);
  assert.equal((await tellers(lab, pod, 'hook:default')).length, 1);
  assert.equal((await notification(lab, pod, 'wecom')).status, 'uncertain');
  assert.equal((await notification(lab, pod, 'hook')).status, 'sent');
  assert.equal(metricSum(await lab.collectorMetrics(), 'nightjar_notifications_total', 'uncertain'), 1);
  const { duplicates } = await lab.controlWecom('state');
  assert.equal(duplicates, 1, 'the webhook knew it by its key');
});

labTest('what waits is sent after a restart, and what was sent stays sent', { ...cluster, collector: robotAlone }, async (lab) => {
  const crash = await begin(lab);
  const before = await crash();
  await toldOnce(lab, before, 'robot:robot-1');
  await lab.wecomFault({ path: 'webhook/send', action: 'status', status: 503, times: -1 });
  const waiting = await crash();
  await lab.controlWecom('wait?until=attempts:2&timeout=30');
  await lab.collector.stop();
  await lab.clearWecomFaults();
  lab.startCollector();
  await lab.collectorReady();
  await toldOnce(lab, waiting, 'robot:robot-1');
  assert.equal((await tellers(lab, before, 'robot:robot-1')).length, 1);
});

labTest('the end is told where the beginning was, when the container has stayed up', { ...cluster, speed: 60, collector: robotAlone }, async (lab) => {
  const crash = await begin(lab);
  const pod = await crash();
  await until(async () => (await tellers(lab, pod, 'robot:robot-1')).length === 2, { what: 'the end is told' });
  const told = (await tellers(lab, pod, 'robot:robot-1')).map(({ text }) => subjectOf(text));
  assert.deepEqual(told.map(({ isEnd }) => isEnd), [false, true]);
  assert.equal(told[0].id, told[1].id);
  const [incident] = await lab.incidents();
  assert.deepEqual([incident.state, incident.resolvedCause], ['resolved', 'stable']);
});
