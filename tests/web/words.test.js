/** What the page says: both languages have a word for everything. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

const ROOT = new URL('../../', import.meta.url);
const WEB = new URL('collector/web/', ROOT);
const storage = { getItem: () => null };
for (const [name, value] of Object.entries({
  location: { search: '' }, sessionStorage: storage, localStorage: storage, navigator: { languages: ['en'] } })) {
  Object.defineProperty(globalThis, name, { value, configurable: true });
}
const { TEXTS, figuresOf, reasonOf } = await import(`${WEB}words.js`);

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
});
