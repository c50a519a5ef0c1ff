/** What the page says: both languages have a word for everything. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

const ROOT = new URL('../../', import.meta.url);
const { WEB } = await import('./page.js');
const { availabilityText, bytes, cores, figuresOf, lengthOf, percent, reasonOf, suppressionOf, TEXTS } = await import(`${WEB}words.js`);

const keysOf = (texts, prefix = '') => Object.entries(texts).flatMap(([key, value]) => [
  `${prefix}${key}`, ...(typeof value === 'object' ? keysOf(value, `${prefix}${key}.`) : [])]).sort();

test('both languages say the same things', () => assert.deepEqual(keysOf(TEXTS.zh), keysOf(TEXTS.en)));

test('no text hides another of the same name', async () => {
  const { TERMS } = await import(`${WEB}terms.js`);
  for (const language of ['en', 'zh']) {
    assert.ok(Object.keys(TERMS[language]).length > 30);
    assert.deepEqual(Object.keys(TERMS[language]).filter((name) => TERMS[language][name] !== TEXTS[language][name]), []);
  }
});

test('every text that the page asks for by name is there', () => {
  const source = fs.readdirSync(WEB).filter((name) => /\.(js|html)$/.test(name)).map((name) => fs.readFileSync(new URL(name, WEB), 'utf8')).join('\n');
  const used = [...source.matchAll(/\btext\('(\w+)'|data-text="(\w+)"/g)].map(([, called, written]) => called ?? written);
  assert.ok(used.length > 100);
  assert.deepEqual([...new Set(used)].filter((name) => !(name in TEXTS.en)), []);
});

test('what REST may say of checks has its words', () => {
  const code = fs.readFileSync(new URL('common/probe/result.c', ROOT), 'utf8');
  const namesOf = (prefix) => [...code.matchAll(new RegExp(`\\[NJ_${prefix}_\\w+\\] = "(\\w+)"`, 'g'))].map(([, name]) => name);
  assert.ok(namesOf('CAUSE').length > 20 && namesOf('PHASE').length > 5);
  assert.deepEqual(namesOf('CAUSE').filter((name) => name !== 'none' && !(name in TEXTS.en.checkCauses)), []);
  assert.deepEqual(namesOf('PHASE').filter((name) => !(name in TEXTS.en.phaseNames)), []);
  const { schemas } = JSON.parse(fs.readFileSync(new URL('collector/api/openapi.json', ROOT), 'utf8')).components;
  const enums = [schemas.Incident.properties.kind, schemas.Monitor.properties.source, schemas.Target.properties.state];
  assert.deepEqual(enums.flatMap((values) => values.enum).filter((name) => !(name in TEXTS.en)), []);
});

test('what leaks, limits and nodes are told with has its words, on the page and in messages', () => {
  const read = (file) => fs.readFileSync(new URL(file, ROOT), 'utf8');
  const reasons = [...read('collector/incident/engine_troubles.c').matchAll(/\[NJ_TROUBLE_\w+\] = "(\w+)"/g)].map(([, name]) => name);
  assert.ok(reasons.length > 20);
  const messages = read('collector/notify/words_troubles.c');
  for (const name of [...reasons, 'OOMKill']) {
    assert.ok(name in TEXTS.en.reasons, name);
    assert.ok(messages.includes(`{"${name}",`), name);
  }
});

test('figures are shown in their units', () => {
  const none = { reason: 'NotReady', value: null, limit: null, perHour: null };
  assert.deepEqual(figuresOf(none), { value: '', pace: '' });
  assert.deepEqual(figuresOf({ reason: 'SocketLeak', value: 3120, limit: 4096, perHour: 0.25 }), { value: '3120 / 4096', pace: '+0.3 an hour' });
  assert.deepEqual(figuresOf({ reason: 'MemoryLeak', value: 3 << 20, limit: null, perHour: 1536 }), { value: '3 MiB', pace: '+1.5 KiB an hour' });
  const leak = { reason: 'SocketLeak', detail: 'CLOSE_WAIT', exitCode: null, cause: null };
  assert.equal(reasonOf(leak), 'sockets climb: CLOSE_WAIT');
  const check = { kind: 'probe', reason: 'SomeFail', detail: '', exitCode: null, cause: 'status', status: 500 };
  assert.equal(reasonOf(check), 'some targets fail: not the expected status (500)');
});

test('why a rollout failed has its words', () => {
  const folder = new URL('collector/sla/', ROOT);
  const files = fs.readdirSync(folder).filter((file) => /^rollouts.*\.c$/.test(file));
  const code = files.map((file) => fs.readFileSync(new URL(file, folder), 'utf8')).join('\n');
  const reasons = [...code.matchAll(/fail\(record, "(\w+)"/g)].map(([, reason]) => reason);
  assert.ok(reasons.length > 1);
  assert.deepEqual(reasons.filter((reason) => !(reason in TEXTS.en.rolloutReasons)), []);
  assert.equal(reasonOf({ kind: 'rollout_failed', reason: 'RolledBack', detail: '', exitCode: null, cause: null }), 'it was undone');
  assert.equal(reasonOf({ kind: 'rollout_failed', reason: 'ErrImagePull', exitCode: null }), 'ErrImagePull');
});

test('why a service is not available is said once', () => {
  const [reason, words] = Object.entries(TEXTS.en.reasons).find(([name]) => /Readiness/.test(name));
  assert.equal(reasonOf({ kind: 'service_outage', reason, detail: 'Deployment/web', exitCode: null, cause: 'failed_readiness', status: null }), `${words}: Deployment/web`);
});

test('amounts of CPU, memory, time and shares are written short', () => {
  assert.deepEqual([0, 0.0042, 0.25, 0.2341, 0.9999, 1, 1.5, 2.345, 12.345, 123.4].map(cores), ['0', '4.2m', '250m', '234m', '1', '1', '1.5', '2.35', '12.3', '123']);
  assert.deepEqual([0, 1536, 128 << 20, 437.6 * 1024].map(bytes), ['0 B', '1.5 KiB', '128 MiB', '438 KiB']);
  assert.deepEqual([0, 0.034, 0.34, 0.99, 1, 1.5, 12].map(percent), ['0 %', '3.4 %', '34 %', '99 %', '100 %', '150 %', '1200 %']);
  assert.deepEqual([0.4, 12, 65, 3600, 3725, 90_000, 172_805].map(lengthOf), ['0.4 s', '12 s', '1 min 5 s', '1 h', '1 h 2 min', '1 d 1 h', '2 d']);
});

test('an availability that is near the whole is never rounded up to it', () => {
  assert.deepEqual([1, 0.9999, 0.99995, 0.9995, 0.995, 0.9999999, 0.5, 0].map(availabilityText), ['100 %', '99.99 %', '99.995 %', '99.95 %', '99.5 %', '99.999 %', '50 %', '0 %']);
});

test('why nobody is told has words, and the number of what explains it', () => {
  assert.deepEqual(suppressionOf('node'), { words: 'its node was in trouble, and that was told', incident: '', silence: '' });
  assert.deepEqual(suppressionOf('incident 4'), { words: 'that incident says it', incident: '4', silence: '' });
  assert.deepEqual(suppressionOf('rollout failed: incident 7'), { words: 'the failed rollout was told', incident: '7', silence: '' });
  assert.deepEqual(suppressionOf('silence 3'), { words: 'it is silenced', incident: '', silence: '3' });
  assert.deepEqual(suppressionOf('scale-down'), { words: 'it was scaled down', incident: '', silence: '' });
  assert.equal(suppressionOf('something new').words, 'something new');
  const header = fs.readFileSync(new URL('collector/incident/engine.h', ROOT), 'utf8');
  const reasons = [...header.matchAll(/NJ_SUPPRESSION_\w+, +\/\* "(.+)" \*\//g)].map(([, reason]) => reason);
  assert.ok(reasons.length > 10);
  assert.deepEqual(reasons.filter((reason) => suppressionOf(reason).words === reason), []);
});

test('why a service was not available has its words', () => {
  const code = fs.readFileSync(new URL('collector/sla/interval.c', ROOT), 'utf8');
  const causes = [...code.matchAll(/\[NJ_OUTAGE_BY_\w+\] = "(\w*)"/g)].map(([, name]) => name).filter((name) => name && name !== 'none');
  assert.ok(causes.length > 10, causes.join());
  assert.deepEqual(causes.filter((name) => !(name in TEXTS.en.outageCauses)), []);
  const states = [...code.matchAll(/\[NJ_SERVICE_\w+\] = "(\w+)"/g)].map(([, name]) => name);
  assert.ok(states.length === 7, states.join());
  assert.deepEqual(states.filter((name) => !(name in TEXTS.en.serviceStates)), []);
});
