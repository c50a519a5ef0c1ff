/**
 * Rolling updates of every kind of workload and the drain of a node, through the real programs: what is meant tells nobody
 * anything, what is broken is one message, and what a drain costs is said with its cause.
 */
// alone
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { labTest } from '../lib/lab-test.js';
import { Story, Workload } from '../lib/story.js';

const NODES = ['node1', 'node2'];

/** @param {(story: Story) => () => void} make what there is; returns what happens to it */
function tell(make, seconds) {
  const story = new Story(NODES);
  story.tell = make(story);
  return story.save(fs.mkdtempSync(path.join(os.tmpdir(), 'nightjar-story-')), seconds);
}

const options = {
  nodes: NODES,
  speed: 20,
  wecomsim: ['--rate', '1000'],
  collector: (lab) => ({
    notify: { language: 'en', channels: [{ name: 'wecom', type: 'wecom_robot', url_file: lab.robotFile(), rate_per_minute: 1000 }] },
  }),
};

/** A session of its own; its recording goes with it. */
function storyTest(name, { make, seconds }, check) {
  const recording = tell(make, seconds);
  process.on('exit', () => fs.rmSync(recording, { recursive: true, force: true }));
  labTest(name, { ...options, recording }, async (lab, t) => {
    await lab.startAll();
    await lab.control('clock', { pace: [...NODES.map((node) => `${lab.agentUrl(node)}/livez`), `${lab.apiUrl}/livez`] });
    await lab.run();
    await lab.finish();
    await check(lab, t);
  });
}

const told = async (lab) => (await lab.messages()).filter(({ msgtype }) => msgtype !== 'file').map(({ text }) => text);

const rolloutsOf = async (lab) =>
  (await lab.api('/api/v1/rollouts?namespace=shop')).json.items.map(({ workloadKind, workload, outcome, crashes }) => `${workloadKind}/${workload} ${outcome} ${crashes}`).sort();

async function outagesOf(lab, service) {
  const { json } = await lab.api(`/api/v1/services/shop/${service}/outages?basis=ready&from=2026-11-21T10:00:00Z&to=2026-11-21T11:00:00Z`);
  return json.outages;
}

storyTest('a StatefulSet, a DaemonSet and a Deployment are rolled out: nobody is told anything', {
  seconds: 60,
  make: (story) => {
    const all = [
      new Workload(story, 'StatefulSet', 'db', { nodes: NODES, replicas: 3 }),
      new Workload(story, 'StatefulSet', 'alone', { nodes: ['node1'], replicas: 1 }),
      new Workload(story, 'DaemonSet', 'logs', { nodes: NODES }),
      new Workload(story, 'Deployment', 'web', { nodes: NODES, replicas: 2 }),
    ];
    return () => all.forEach((workload, index) => story.after(5 + index, () => workload.roll(`registry.example/${workload.name}:2`)));
  },
}, async (lab) => {
  assert.deepEqual(await told(lab), []);
  assert.deepEqual(await lab.incidents().then((incidents) => incidents.filter(({ suppressed }) => !suppressed)), []);
  assert.deepEqual(await rolloutsOf(lab), ['DaemonSet/logs done 0', 'Deployment/web done 0', 'StatefulSet/alone done 0', 'StatefulSet/db done 0']);
  for (const service of ['db', 'logs', 'web']) assert.deepEqual(await outagesOf(lab, service), [], `one pod at a time: ${service} is there`);
  // Its only pod: away for as long as that takes to end and to begin.
  const [outage, ...more] = await outagesOf(lab, 'alone');
  assert.deepEqual([outage.cause, outage.planned, more], ['rollout', true, []]);
  assert.ok(outage.seconds > 7 && outage.seconds < 9, `${outage.seconds} s`);
});

for (const [kind, name, revision] of [
  ['Deployment', 'web', /^Revision: 2 \(before: 1\)$/m],
  ['StatefulSet', 'db', /^Revision: db-[a-z]{9} \(before: db-[a-z]{9}\)$/m],
  ['DaemonSet', 'logs', /^Revision: 2 \(before: 1\)$/m],
]) {
  storyTest(`a broken image in a ${kind}'s rollout: one message with the revision and the image`, {
    seconds: 90,
    make: (story) => {
      const workload = new Workload(story, kind, name, { nodes: NODES, replicas: 2 });
      return () => story.after(5, () => workload.roll(`registry.example/${name}:broken`));
    },
  }, async (lab) => {
    const messages = await told(lab);
    assert.equal(messages.length, 1, messages.join('\n----\n'));
    assert.match(messages[0], new RegExp(`${kind}/${name}`));
    assert.match(messages[0], revision);
    assert.ok(messages[0].includes(`registry.example/${name}:broken`), messages[0]);
    const shown = (await lab.incidents()).filter(({ suppressed }) => !suppressed).map(({ kind: what, workload }) => [what, workload]);
    assert.deepEqual(shown, [['rollout_failed', name]]);
    assert.deepEqual(await outagesOf(lab, name), [], 'the pods before serve on');
  });
}

storyTest('a node is drained: nobody is told but of the outage that it costs, with its cause', {
  seconds: 70,
  make: (story) => {
    const web = new Workload(story, 'Deployment', 'web', { nodes: NODES, replicas: 2, budget: true });
    const alone = new Workload(story, 'Deployment', 'alone', { nodes: ['node2'], replicas: 1, readyS: 12 });
    const logs = new Workload(story, 'DaemonSet', 'logs', { nodes: NODES });
    assert.equal(logs.pods.length, 2);
    return () => {
      story.after(5, () => story.cordon('node2'));
      for (const workload of [web, alone]) story.after(6, () => workload.podsOn('node2').forEach((pod) => workload.evict(pod, 'node1')));
    };
  },
}, async (lab) => {
  assert.deepEqual([await outagesOf(lab, 'web'), await outagesOf(lab, 'logs')], [[], []]);
  const [outage, ...more] = await outagesOf(lab, 'alone');
  assert.deepEqual([outage.cause, outage.planned, more], ['drain', false, []]);
  assert.ok(outage.seconds > 13 && outage.seconds < 15, `${outage.seconds} s`);
  const messages = await told(lab);
  assert.equal(messages.length, 2, messages.join('\n----\n'));
  assert.match(messages[0], /\[Critical\] Service is not available: shop\/alone/);
  assert.match(messages[0], /drain/i);
  assert.match(messages[1], /\[Resolved\] Service is not available: shop\/alone/);
});

storyTest('what a drain costs is not told where it is soon over', {
  seconds: 50,
  make: (story) => {
    const alone = new Workload(story, 'Deployment', 'alone', { nodes: ['node2'], replicas: 1 });
    return () => {
      story.after(5, () => story.cordon('node2'));
      story.after(6, () => alone.podsOn('node2').forEach((pod) => alone.evict(pod, 'node1')));
    };
  },
}, async (lab) => {
  const outages = await outagesOf(lab, 'alone');
  assert.deepEqual(outages.map(({ cause, planned }) => [cause, planned]), [['drain', false]]);
  assert.ok(outages[0].seconds > 4 && outages[0].seconds < 7, `${outages[0].seconds} s`);
  assert.deepEqual(await told(lab), []);
});
