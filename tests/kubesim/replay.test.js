import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { ClockFileReader } from '../lib/clock-file.js';
import { formatTime, parseTime } from '../lib/time.js';
import { ask, post, PROTOBUF, RECORDING, startKubesim, take, watch } from './testing.js';

const recorded = (kind, file) => fs.readFileSync(path.join(RECORDING, kind, file));
const lines = (kind, file) =>
  recorded(kind, file)
    .toString()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

function temporary(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'kubesim-test-'));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  return folder;
}

async function startReplay(t, ...more) {
  const folder = temporary(t);
  const files = ['--clock-file', path.join(folder, 'clock'), '--pod-logs', path.join(folder, 'pods')];
  const args = ['--recording', RECORDING, ...files, '--speed', 'max', '--start', 'control', ...more];
  return startKubesim(t, args);
}

test('before the start the lists are the recorded ones, byte for byte in protobuf', async (t) => {
  const { api } = await startReplay(t);
  for (const [kind, where] of [
    ['pods', '/api/v1/pods'],
    ['events', '/api/v1/events'],
    ['nodes', '/api/v1/nodes'],
  ]) {
    const proto = await ask(`${api}${where}`, { headers: { accept: `${PROTOBUF},application/json` } });
    assert.equal(proto.headers['content-type'], PROTOBUF);
    assert.ok(proto.body.equals(recorded(kind, 'list.pb')), kind);
    const json = await ask(`${api}${where}`);
    assert.deepEqual(json.json, JSON.parse(recorded(kind, 'list.json')));
  }
});

test('watches of all kinds in both encodings give the recorded events', async (t) => {
  const { api, control } = await startReplay(t);
  const prefixes = {
    deployments: '/apis/apps/v1',
    replicasets: '/apis/apps/v1',
    jobs: '/apis/batch/v1',
    endpointslices: '/apis/discovery.k8s.io/v1',
    poddisruptionbudgets: '/apis/policy/v1',
  };
  const kinds = ['pods', 'nodes', 'services', 'endpoints', 'events', ...Object.keys(prefixes)];
  const checks = kinds.map(async (kind) => {
    const from = JSON.parse(recorded(kind, 'list.json')).metadata.resourceVersion;
    const url = `${api}${prefixes[kind] ?? '/api/v1'}/${kind}?resourceVersion=${from}&allowWatchBookmarks=true`;
    const isChange = ({ type }) => type !== 'BOOKMARK';
    const json = lines(kind, 'watch.ndjson').map(({ event }) => event);
    const proto = lines(kind, 'watch-pb.ndjson').map(({ frame }) => Buffer.from(frame, 'base64'));
    const [gotJson, gotProto] = await Promise.all([
      take(watch(url), json.length),
      take(watch(url, { accept: PROTOBUF }), proto.length),
    ]);
    const recordedChanges = json.map((event, index) => ({ ...event, frame: proto[index] })).filter(isChange);
    const jsonChanges = gotJson.filter(isChange);
    const protoChanges = gotProto.filter(isChange);
    jsonChanges.forEach(({ type, object }, index) => {
      assert.deepEqual({ type, object }, { type: recordedChanges[index].type, object: recordedChanges[index].object });
    });
    protoChanges.forEach(({ frame }, index) =>
      assert.ok(frame.equals(recordedChanges[index].frame), `${kind} ${index}`),
    );
  });
  await ask(`${control}/kubesim/wait?until=watch:pods:2`);
  await post(`${control}/kubesim/start`);
  const state = await ask(`${control}/kubesim/wait?until=finished`);
  assert.equal(state.json.applied, state.json.total);
  await post(`${control}/kubesim/clock`, { advance: 3600 }); // bookmarks to those that still wait for their number
  await Promise.all(checks);
});

test('the clock shows no time whose events were not sent yet, and never goes back', async (t) => {
  const { api, control, clockFile } = await startReplay(t);
  const clock = new ClockFileReader(clockFile);
  t.after(() => clock.close());
  const times = lines('pods', 'watch.ndjson')
    .filter(({ event }) => event.type !== 'BOOKMARK')
    .map(({ at }) => parseTime(at));
  const started = clock.now();
  assert.ok(started < times[0]);
  const events = watch(`${api}/api/v1/pods?resourceVersion=2499`);
  const first = take(events, times.length);
  await ask(`${control}/kubesim/wait?until=watch:pods`);
  await post(`${control}/kubesim/start`);
  await first;
  assert.ok(clock.now() >= times.at(-1));
});

test('a watch sees only what its selector lets through, and what leaves it as DELETED', async (t) => {
  const { api, control } = await startReplay(t);
  const unbound = take(
    watch(`${api}/api/v1/pods?resourceVersion=2499&fieldSelector=${encodeURIComponent('spec.nodeName=')}`),
    6,
  );
  const bound = take(watch(`${api}/api/v1/pods?resourceVersion=2499&fieldSelector=spec.nodeName%3Dnode1`), 200);
  const other = [];
  const elsewhere = (async () => {
    for await (const event of watch(
      `${api}/api/v1/pods?resourceVersion=2499&fieldSelector=spec.nodeName%3Dnode2&timeoutSeconds=4`,
    )) {
      other.push(event);
    }
  })();
  await ask(`${control}/kubesim/wait?until=watch:pods:3`);
  await post(`${control}/kubesim/start`);
  const seen = await unbound;
  const [entered] = seen;
  assert.equal(entered.type, 'ADDED');
  assert.equal(entered.object.spec.nodeName, undefined);
  const left = seen.find(({ type, name }) => type === 'DELETED' && name === entered.name);
  assert.ok(left, 'a pod that got its node left the watch for those without one');
  assert.equal(left.object.spec.nodeName, undefined);
  const onNode = await bound;
  assert.ok(onNode.every(({ object }) => object.spec.nodeName === 'node1'));
  const added = onNode.find(({ name, type }) => name === entered.name && type === 'ADDED');
  assert.equal(added.version, left.version);
  await elsewhere;
  assert.deepEqual(other, []);
});

test('log files appear when the instance starts, and only the two newest stay', async (t) => {
  const { control, podLogs } = await startReplay(t);
  const folder = path.join(podLogs, 'shop_crasher-67b9f7c946-64xpn_c5b38d33-1407-47cc-a790-52a0e01b4b69', 'c');
  assert.deepEqual(fs.readdirSync(folder).sort(), ['0.log', '1.log'], 'what lies before the recording is there');
  assert.match(fs.readFileSync(path.join(folder, '0.log'), 'utf8'), / starting\n.* cannot reach db\n$/);
  await post(`${control}/kubesim/start`);
  await ask(`${control}/kubesim/wait?until=finished`);
  const source = path.join(RECORDING, 'podlogs', path.basename(path.dirname(folder)), 'c');
  assert.deepEqual(fs.readdirSync(folder).sort(), ['5.log', '6.log']);
  for (const file of ['5.log', '6.log']) {
    assert.ok(fs.readFileSync(path.join(folder, file)).equals(fs.readFileSync(path.join(source, file))));
  }
});

test('with --keep-logs every recorded log is there in the end, whole', async (t) => {
  const { control, podLogs } = await startReplay(t, '--keep-logs');
  await post(`${control}/kubesim/clock`, { advance: 600 });
  const source = path.join(RECORDING, 'podlogs');
  let files = 0;
  for (const pod of fs.readdirSync(source)) {
    for (const container of fs.readdirSync(path.join(source, pod))) {
      for (const file of fs.readdirSync(path.join(source, pod, container))) {
        const name = path.join(pod, container, file);
        assert.ok(fs.readFileSync(path.join(podLogs, name)).equals(fs.readFileSync(path.join(source, name))), name);
        files++;
      }
    }
  }
  assert.ok(files > 60);
});

test('logs that were found rotated and compressed are put aside again, and go with their instance', async (t) => {
  const folder = temporary(t);
  fs.cpSync(RECORDING, folder, { recursive: true });
  const [pod] = fs.readdirSync(path.join(folder, 'podlogs')).filter((name) => name.startsWith('shop_oom-'));
  const where = path.join(folder, 'podlogs', pod, 'c');
  const at = (seconds, text) => `2026-11-21T09:19:4${seconds}.5Z stdout F ${text}\n`;
  fs.writeFileSync(path.join(where, '6.log.20261121-091941.gz'), gzipSync(at(0, 'one') + at(0, 'two')));
  fs.writeFileSync(path.join(where, '6.log.20261121-091942'), at(1, 'three'));
  fs.writeFileSync(path.join(where, '6.log'), at(2, 'four'));
  const podLogs = path.join(temporary(t), 'pods');
  const { control } = await startKubesim(t, [
    ...['--recording', folder, '--clock-file', path.join(temporary(t), 'clock')],
    ...['--pod-logs', podLogs, '--start', 'control'],
  ]);
  await post(`${control}/kubesim/clock`, { advance: 600 });
  const played = path.join(podLogs, pod, 'c');
  const read = (name) => fs.readFileSync(path.join(played, name));
  assert.deepEqual(fs.readdirSync(played), ['5.log', '6.log', '6.log.20261121-091941.gz', '6.log.20261121-091942']);
  assert.equal(gunzipSync(read('6.log.20261121-091941.gz')).toString(), at(0, 'one') + at(0, 'two'));
  assert.equal(read('6.log.20261121-091942').toString(), at(1, 'three'));
  assert.equal(read('6.log').toString(), at(2, 'four'));
});

test('a recording may lack kinds, watches and logs', async (t) => {
  const folder = temporary(t);
  fs.mkdirSync(path.join(folder, 'pods'));
  for (const file of ['list.json', 'watch.ndjson']) {
    fs.copyFileSync(path.join(RECORDING, 'pods', file), path.join(folder, 'pods', file));
  }
  const { api, control } = await startKubesim(t, ['--recording', folder, '--start', 'control']);
  await post(`${control}/kubesim/clock`, { advance: 600 });
  const { json } = await ask(`${api}/api/v1/pods`, { headers: { accept: 'application/json' } });
  assert.ok(json.items.length > 10);
  assert.equal((await ask(`${api}/apis/apps/v1/replicasets`)).json.items.length, 0);
});

test('time can be held while nobody watches', async (t) => {
  const { api, control } = await startReplay(t);
  await post(`${control}/kubesim/clock`, { hold: 1 });
  await post(`${control}/kubesim/start`);
  const { timeNs } = (await ask(`${control}/kubesim/state`)).json;
  // A round of answers takes several of the simulator's ticks, each of which would move the time.
  for (let round = 0; round < 20; round++) {
    assert.equal((await ask(`${control}/kubesim/state`)).json.timeNs, timeNs);
  }
  const events = await take(watch(`${api}/api/v1/pods?resourceVersion=2499`), 3);
  assert.equal(events.length, 3);
});

test('pods/log tells the instances that are kept, without their prefixes', async (t) => {
  const { api, control } = await startReplay(t);
  await post(`${control}/kubesim/clock`, { advance: 600 });
  const pod = `${api}/api/v1/namespaces/shop/pods/crasher-67b9f7c946-64xpn`;
  const previous = await ask(`${pod}/log?previous=true`);
  assert.equal(previous.status, 200);
  assert.equal(previous.body.toString(), 'starting\nFATAL: cannot reach db\n');
  assert.equal((await ask(`${pod}/log?previous=true&tailLines=1`)).body.toString(), 'FATAL: cannot reach db\n');
  assert.equal((await ask(`${pod}/log?previous=true&tailLines=1&limitBytes=5`)).body.toString(), 'FATAL');
  assert.match(
    (await ask(`${pod}/log?previous=true&timestamps=true`)).body.toString(),
    /^2026-11-21T09:\S+Z starting\n/,
  );
  const stuck = await ask(`${api}/api/v1/namespaces/shop/pods?labelSelector=app%3Dnoimage`);
  const [{ metadata }] = stuck.json.items;
  const none = await ask(`${api}/api/v1/namespaces/shop/pods/${metadata.name}/log?previous=true`);
  assert.equal(none.status, 400);
  assert.match(none.json.message, /previous terminated container .* not found/);
});

test('without a clock file the times are moved to now, alike in both encodings', async (t) => {
  const { api, control } = await startKubesim(t, ['--recording', RECORDING, '--start', 'control']);
  const { json } = await ask(`${api}/api/v1/pods`);
  const original = JSON.parse(recorded('pods', 'list.json'));
  const age = Date.parse('2026-11-21T09:13:32Z') - Date.parse(original.items[0].metadata.creationTimestamp);
  const state = (await ask(`${control}/kubesim/state`)).json;
  assert.ok(Math.abs(Date.now() - Date.parse(state.time)) < 60_000);
  assert.ok(Math.abs(Date.parse(state.time) - Date.parse(json.items[0].metadata.creationTimestamp) - age) < 2000);
  const proto = await ask(`${api}/api/v1/pods`, { headers: { accept: PROTOBUF } });
  assert.equal(proto.body.length, recorded('pods', 'list.pb').length);
  assert.ok(!proto.body.equals(recorded('pods', 'list.pb')));
});

test('times keep their precision when they are written', () => {
  for (const [digits, text] of [
    [0, '2026-11-21T09:13:32Z'],
    [6, '2026-11-21T09:13:32.000123Z'],
    [9, '2026-11-21T09:13:32.100000009Z'],
  ]) {
    assert.equal(formatTime(parseTime(text), digits), text);
  }
  assert.equal(parseTime('2026-11-21T10:13:32+01:00'), parseTime('2026-11-21T09:13:32Z'));
  assert.equal(parseTime('no time'), undefined);
});

test('time waits for programs that are to see each event', async (t) => {
  const { api, control } = await startReplay(t);
  let answers = 0;
  const slow = http.createServer((request, response) => {
    answers++;
    setImmediate(() => response.end('ok'));
  });
  await new Promise((resolve) => {
    slow.listen(0, '127.0.0.1', resolve);
  });
  t.after(() => slow.close());
  await post(`${control}/kubesim/clock`, { pace: [`http://127.0.0.1:${slow.address().port}/livez`] });
  const events = take(watch(`${api}/api/v1/pods?resourceVersion=2499`), 100);
  await ask(`${control}/kubesim/wait?until=watch:pods`);
  await post(`${control}/kubesim/start`);
  await events;
  assert.ok(answers >= 2 * 99, `${answers} answers for 100 events`);
});
