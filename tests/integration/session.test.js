/** The recorded session through the real programs: what a user sees of it. */
// alone
import assert from 'node:assert/strict';
import { RECORDING } from '../lib/lab.js';
import { labTest } from '../lib/lab-test.js';
import { outcome } from '../lib/outcome.js';
import { assertCrashes, assertIncidents, assertMessages, assertServiceIncidents, CRASHES, recordedLog } from './expected.js';

const recorded = { recording: RECORDING, speed: 80 };

/** For what comes all at once: no message has to wait for the next minute. */
const unlimited = {
  wecomsim: ['--rate', '1000'],
  collector: (lab) => ({
    notify: {
      channels: [{ name: 'wecom', type: 'wecom_robot', url_file: lab.robotFile(), rate_per_minute: 1000 }],
    },
  }),
};

labTest('the recorded session: 39 crashes with their logs, ten incidents of pods and two of a service, each told once', recorded, async (lab) => {
  await lab.startAll();
  await lab.run();
  await lab.finish();
  const { crashes, lostCrashes, incidents } = await outcome(lab);
  assert.equal(crashes.length, 39);
  assertCrashes(crashes);
  assert.equal(lostCrashes, 0);
  assertIncidents(incidents);
  assertServiceIncidents(incidents);
  const messages = await lab.messages();
  assertMessages(messages, await lab.incidents());

  const oom = messages.find(({ text }) => /shop\/oom/.test(text) && /137/.test(text)).text;
  for (const word of ['everybody', 'lab', 'shop', 'oom', 'node1', 'OOMKilled', '24 MiB', 'growing', lab.apiUrl]) {
    assert.ok(oom.includes(word), `the alert of oom says ${word}:\n${oom}`);
  }
  for (const { text } of messages) assert.ok(Buffer.byteLength(text) <= 4096);

  // The log goes along as a file, whole.
  const files = messages.filter(({ msgtype }) => msgtype === 'file');
  const logs = new Set(CRASHES.map((crash) => recordedLog(crash)));
  assert.ok(files.length > 0);
  for (const { file } of files) {
    const { text } = await lab.controlWecom(`media?id=${file.mediaId}`);
    assert.ok([...logs].some((log) => log !== '' && text.includes(log.trimEnd())), `${file.name} is a recorded log:\n${text}`);
  }

  const [agent] = (await lab.api('/api/v1/agents')).json.items;
  assert.deepEqual([agent.node, agent.watchSynced, agent.outboxEvents, agent.lostCrashes], ['node1', true, 0, 0]);
});

labTest('messages in English, as text, to several channels by route', {
  ...recorded,
  wecomsim: ['--robot', 'one', '--robot', 'two', '--rate', '1000'],
  collector: (lab) => ({
    notify: {
      language: 'en',
      channels: [
        { name: 'one', type: 'wecom_robot', url_file: lab.robotFile('one'), format: 'text', attach_log: false },
        { name: 'two', type: 'wecom_robot', url_file: lab.robotFile('two'), attach_log: false },
        { name: 'hook', type: 'webhook', url_file: lab.path('hook-url') },
      ],
      routes: [
        { group: 'memory', workload: 'oom', channels: ['one'], mentions: ['li'], resolved: false, proceed: true },
        { group: 'stuck', kind: 'image_*', channels: ['two'] },
        { group: 'machines', severity: 'info', channels: ['hook'] },
      ],
    },
  }),
}, async (lab) => {
  await lab.startAll();
  await lab.run();
  await lab.finish();
  const incidents = await lab.incidents();
  const one = await lab.messages('robot:one');
  assert.equal(one.length, 1, 'only oom');
  assert.match(one[0].text, /memory/);
  assert.match(one[0].text, /137/);
  assert.match(one[0].text, /24 MiB/);
  assert.deepEqual(one[0].mentions, ['li']);
  assert.equal(one[0].msgtype, 'text');
  const two = await lab.messages('robot:two');
  assertMessages(two, incidents.filter(({ kind }) => kind === 'image_pull'), 'robot:two');
  const hook = await lab.messages('hook:default');
  const expected = incidents
    .filter(({ kind, suppressed }) => kind !== 'image_pull' && !suppressed)
    .flatMap(({ id, state }) => [`${id} opened`, ...(state === 'resolved' ? [`${id} resolved`] : [])]);
  const got = hook.map(({ json }) => `${json.incident.id} ${json.transition}`);
  assert.deepEqual(got.sort(), expected.sort());
});

labTest('the collector is away for the whole session and comes afterwards', { ...recorded, ...unlimited }, async (lab) => {
  await lab.startStandIns();
  lab.startAgent();
  await lab.waitCluster('watch:pods:1');
  await lab.pace();
  await lab.run();
  await lab.waitCluster('finished');
  lab.startCollector();
  await lab.collectorReady();
  await lab.settled();
  const { crashes, lostCrashes, incidents } = await outcome(lab);
  assertCrashes(crashes);
  assert.equal(lostCrashes, 0);
  assertIncidents(incidents);
  assertMessages(await lab.messages(), await lab.incidents());
});

labTest('the agent comes when everything is over: what the cluster still shows is found', { ...recorded, ...unlimited }, async (lab) => {
  await lab.startStandIns();
  lab.startCollector();
  await lab.collectorReady();
  await lab.run();
  await lab.waitCluster('finished');
  lab.startAgent();
  await lab.agentReady();
  await lab.settled();
  const { crashes, lostCrashes } = await outcome(lab);
  // Of every container the newest two instances at most are left in its status.
  const newest = new Map();
  for (const crash of CRASHES) {
    const key = `${crash.pod} ${crash.container}`;
    newest.set(key, Math.max(newest.get(key) ?? 0, crash.attempt));
  }
  for (const crash of crashes) {
    const known = CRASHES.find(({ containerId }) => containerId === crash.containerId);
    assert.ok(known, `${crash.pod} ${crash.containerId} is one of the 39`);
    assert.ok(crash.attempt >= newest.get(`${crash.pod} ${crash.container}`) - 1);
    assert.equal(crash.log.text, recordedLog(known), `${crash.pod} ${crash.attempt}`);
  }
  for (const [key, attempt] of newest) {
    assert.ok(
      crashes.some((crash) => `${crash.pod} ${crash.container}` === key && crash.attempt === attempt),
      `the last crash of ${key} is found`,
    );
  }
  assert.equal(new Set(crashes.map(({ containerId }) => containerId)).size, crashes.length);
  // What the status no longer shows but restartCount counts is told as lost, once.
  assert.ok(crashes.length + lostCrashes <= 39);
});
