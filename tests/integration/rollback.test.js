/** Rolling back what has failed, through the real programs: a dry run first, once, and never over somebody else's change. */
// alone
import assert from 'node:assert/strict';
import { labTest } from '../lib/lab-test.js';
import { until } from '../lib/wait.js';
import { DaemonSet, Deployment, StatefulSet } from './rolled.js';

const WITHIN = '10m';

const options = {
  generate: 'pods=1,nodes=1',
  realTime: true,
  speed: 1,
  collector: (lab) => ({
    rollback: { enabled: true, max_per_hour: 100 },
    notify: { language: 'en', channels: [{ name: 'wecom', type: 'wecom_robot', url_file: lab.robotFile(), rate_per_minute: 1000 }] },
  }),
};

async function begin(lab) {
  await lab.startStandIns();
  lab.startCollector();
  await lab.collectorReady();
  await lab.run();
}

/** What the collector asked to be changed, in order: "dry run" or "patch", with the answer's status. */
async function patches(lab, name) {
  const requests = await lab.control('requests');
  return requests
    .filter(({ verb, path }) => verb === 'patch' && path.includes('fieldManager=nightjar-collector') && path.includes(`/${name}?`))
    .map(({ path, status }) => `${path.includes('dryRun=All') ? 'dry run' : 'patch'} ${status ?? 'open'}`);
}

async function rollouts(lab, name) {
  const { status, json, text } = await lab.api(`/api/v1/rollouts?namespace=shop&workload=${name}`);
  assert.equal(status, 200, text);
  return json.items;
}

/** The rollout of the workload's template, when `holds` of it. */
function rollout(lab, { name, hash }, what, holds) {
  return until(
    async () => (await rollouts(lab, name)).find((one) => one.templateHash.endsWith(hash) && holds(one)),
    { what: `the rollout of ${name} ${what}`, programs: [lab.collector] },
  );
}

const running = (lab, workload) => rollout(lab, workload, 'is seen', ({ outcome }) => outcome === 'running');
const told = (lab, workload, words) => rollout(lab, workload, `says "${words}"`, ({ message }) => message.includes(words));
const ended = (lab, workload, result) => rollout(lab, workload, `is ${result}`, ({ outcome }) => outcome === result);

/** The text of the message about a failure. */
function message(lab, name, words) {
  return until(
    async () => (await lab.messages()).map(({ text }) => text).find((text) => text?.includes(`/${name}`) && text.includes(words)),
    { what: `a message on ${name} says "${words}"`, programs: [lab.collector] },
  );
}

/** A workload at its good revision, then a bad one that fails. */
async function failing(lab, name, within = WITHIN) {
  const workload = new Deployment(lab, name, within);
  await workload.create('aaa', 'registry/web:1');
  await workload.rollOut('bbb', 'registry/web:2');
  await running(lab, workload);
  return workload;
}

const imageOf = ({ spec }) => spec.template.spec.containers[0].image;

labTest('a Deployment is rolled back once, after a dry run; that is recorded and told', options, async (lab) => {
  await begin(lab);
  const web = await failing(lab, 'web');
  const [first] = await rollouts(lab, 'web');
  assert.equal(first.changedBy, 'kubectl-set');
  await web.fail();
  await told(lab, web, 'rolled back to revision 1');
  assert.deepEqual(await patches(lab, 'web'), ['dry run 200', 'patch 200']);
  const object = await web.read();
  assert.equal(imageOf(object), 'registry/web:1');
  assert.deepEqual(object.spec.template.metadata.labels, { app: 'web' });
  assert.equal(object.metadata.annotations['nightjar.dev/rolled-back'], 'bbb');
  // One message says both: that it failed, with what differs, and what came of it.
  const text = await message(lab, 'web', 'rolled back to revision 1');
  assert.match(text, /has timed out progressing/);
  assert.match(text, /registry\/web:2/);

  await web.follow();
  const good = await ended(lab, web, 'done');
  assert.equal(good.changedBy, 'nightjar-collector');
  assert.match(good.changeCause, /^nightjar: rolled back revision 2 to revision 1: ProgressDeadlineExceeded$/);
  const [incident] = await lab.incidents({ kind: 'rollout_failed' });
  assert.match(incident.message, /rolled back to revision 1$/);

  // Whoever brings the same template again means it.
  await web.rollOut('bbb', 'registry/web:2');
  await running(lab, web);
  await web.fail();
  await told(lab, web, 'not rolled back: this template was rolled back before');
  // Another one that fails is another matter: it goes back to what was good, not to what failed before it.
  await web.rollOut('ccc', 'registry/web:3');
  await running(lab, web);
  await web.fail();
  await told(lab, web, 'rolled back to revision 3');
  assert.equal(imageOf(await web.read()), 'registry/web:1');
  assert.deepEqual(await patches(lab, 'web'), ['dry run 200', 'patch 200', 'dry run 200', 'patch 200']);
});

labTest('who does not ask for it is not rolled back', options, async (lab) => {
  await begin(lab);
  const quiet = await failing(lab, 'quiet', '');
  await quiet.fail();
  await rollout(lab, quiet, 'has failed', ({ failedAt }) => failedAt);
  // What is asked for afterwards is done: nothing is on its way for the one before.
  const web = await failing(lab, 'web');
  await web.fail();
  await told(lab, web, 'rolled back to revision 1');
  await message(lab, 'quiet', 'has timed out progressing');
  assert.deepEqual(await patches(lab, 'quiet'), []);
  assert.equal(imageOf(await quiet.read()), 'registry/web:2');
});

for (const { status, words } of [
  { status: 403, words: 'the right to patch deployments is missing (deploy/manifests/rollback grants it)' },
  { status: 422, words: 'the dry run was refused with status 422: no thanks' },
]) {
  labTest(`a dry run that is refused with ${status} is told, and nothing is changed`, options, async (lab) => {
    await begin(lab);
    const web = await failing(lab, 'web');
    await lab.fault({ verb: 'patch', resource: 'deployments', action: 'status', status, message: 'no thanks', agent: 'nightjar' });
    await web.fail();
    await told(lab, web, `not rolled back: ${words}`);
    await message(lab, 'web', words);
    assert.deepEqual(await patches(lab, 'web'), [`dry run ${status}`]);
    assert.equal(imageOf(await web.read()), 'registry/web:2');
  });
}

labTest('the collector that is killed between dry run and patch patches once', options, async (lab) => {
  await begin(lab);
  const web = await failing(lab, 'web');
  await lab.fault({ verb: 'patch', resource: 'deployments', action: 'hang', skip: 1, agent: 'nightjar' });
  await web.fail();
  await lab.waitCluster('fault:hang');
  await lab.collector.kill();
  lab.startCollector();
  await told(lab, web, 'rolled back to revision 1');
  assert.deepEqual((await patches(lab, 'web')).filter((one) => !one.startsWith('patch 0')), [
    'dry run 200',
    'dry run 200',
    'patch 200',
  ]);
  await message(lab, 'web', 'rolled back to revision 1');
});

labTest('the collector that is killed after the patch does not patch again, and says what it did', options, async (lab) => {
  await begin(lab);
  const web = await failing(lab, 'web');
  await web.fail();
  await until(async () => imageOf(await web.read()) === 'registry/web:1', { what: 'the template is the one before', programs: [lab.collector] });
  await lab.collector.kill();
  const failed = { name: web.name, hash: web.hash };
  await web.follow();
  lab.startCollector();
  await lab.collectorReady();
  await told(lab, failed, 'rolled back');
  await ended(lab, failed, 'rolled_back');
  await message(lab, 'web', 'rolled back');
  // The same template again: what was done is written in the cluster.
  await web.rollOut('bbb', 'registry/web:2');
  await running(lab, web);
  await web.fail();
  await told(lab, web, 'not rolled back: this template was rolled back before');
  assert.deepEqual(await patches(lab, 'web'), ['dry run 200', 'patch 200']);
});

labTest("somebody else's newer revision is not undone", options, async (lab) => {
  await begin(lab);
  const web = await failing(lab, 'web');
  await lab.fault({ verb: 'patch', resource: 'deployments', action: 'delay', delayMs: 3000, skip: 1, agent: 'nightjar' });
  await web.fail();
  await lab.waitCluster('fault:delay');
  const failed = { name: web.name, hash: web.hash };
  await web.rollOut('ccc', 'registry/web:3', 'helm');
  await told(lab, failed, 'not rolled back: it was changed meanwhile');
  assert.deepEqual(await patches(lab, 'web'), ['dry run 200', 'patch 409']);
  assert.equal(imageOf(await web.read()), 'registry/web:3');
  assert.equal((await running(lab, web)).changedBy, 'helm');
});

for (const [Kind, name, pod, revisions] of [
  [StatefulSet, 'db', 'db-2', ['db-bbb', 'db-aaa']],
  [DaemonSet, 'log', 'log-x2x7k', ['2', '1']],
]) {
  labTest(`a ${Kind.name} is rolled back to its ControllerRevision before`, options, async (lab) => {
    await lab.startAll();
    await lab.run();
    const workload = new Kind(lab, name, WITHIN);
    await workload.create('aaa', 'registry/db:1');
    await workload.rollOut('bbb', 'registry/db:2', 'argocd');
    const seen = await rollout(lab, workload, 'says what differs', ({ difference }) => difference);
    assert.equal(seen.difference, 'containers[c].image: "registry/db:1" -> "registry/db:2"');
    assert.deepEqual([seen.revision, seen.fromRevision], revisions);
    assert.deepEqual([seen.images, seen.fromImages], ['c=registry/db:2', 'c=registry/db:1']);
    assert.equal(seen.changedBy, 'argocd');
    for (let time = 1; time <= 3; time++) {
      await workload.crash(pod, time);
      await rollout(lab, workload, `has ${time} crashes`, ({ crashes }) => crashes >= time);
    }
    const { message: why } = await told(lab, workload, `rolled back to revision 1 (${name}-aaa)`);
    assert.match(why, /crashes again and again/);
    if (Kind === StatefulSet) assert.match(why, /Kubernetes issue 67250\): if db-2 stays so, delete it by hand$/);
    assert.deepEqual(await patches(lab, name), ['dry run 200', 'patch 200']);
    const object = await workload.read();
    assert.equal(imageOf(object), 'registry/db:1');
    assert.equal(object.spec.template.$patch, undefined);
    await message(lab, name, `rolled back to revision 1 (${name}-aaa)`);
    const failed = { name, hash: workload.hash };
    await workload.follow();
    assert.equal((await ended(lab, workload, 'done')).changedBy, 'nightjar-collector');
    await ended(lab, failed, 'rolled_back');
    const { status } = await lab.api('/api/v1/rollouts?namespace=shop&outcome=rolled_back');
    assert.equal(status, 200);
  });
}
