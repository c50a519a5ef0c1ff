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
const { TEXTS } = await import(`${WEB}words.js`);

const keysOf = (texts, prefix = '') => Object.entries(texts).flatMap(([key, value]) => [
  `${prefix}${key}`, ...(typeof value === 'object' ? keysOf(value, `${prefix}${key}.`) : [])]).sort();

test('both languages say the same things', () => assert.deepEqual(keysOf(TEXTS.zh), keysOf(TEXTS.en)));

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
