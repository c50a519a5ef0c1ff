/** What a service was when, as the timeline shows it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { WEB } = await import('./page.js');
const { levelOf, partsOf } = await import(`${WEB}service.js`);
const { slaLink } = await import(`${WEB}services.js`);

test('what counts as available goes by the chosen basis, and what was planned is told apart', () => {
  const level = (state, planned, basis = 'ready') => levelOf({ state, planned }, basis);
  assert.deepEqual(['up', 'degraded'].map((state) => level(state, true)), ['up', 'degraded'], 'available, whatever the cause');
  assert.deepEqual([level('down', false), level('down', true), level('scaled_to_zero', true)], ['down', 'planned', 'planned']);
  assert.deepEqual([level('draining', false), level('draining', true), level('draining', false, 'serving')], ['down', 'planned', 'degraded']);
  assert.deepEqual(['unknown', 'none_by_design'].map((state) => level(state, false)), ['unknown', 'unknown']);
});

test('the timeline draws what is worse over the rest, and an open interval to the end', () => {
  const at = (minute) => `2026-11-21T10:${minute}:00Z`;
  const interval = (from, until, state, cause = '', detail = '') => ({ from: at(from), until: until && at(until), state, cause, detail, planned: false });
  const parts = partsOf([interval('00', '10', 'down', 'deletion', 'pod web-1 deleted'), interval('10', '20', 'degraded', 'crash'), interval('20', null, 'up')], 'ready', at('30'));
  assert.deepEqual(parts.map(({ level }) => level), ['up', 'degraded', 'down']);
  assert.equal(parts[0].to, Date.parse(at('30')));
  assert.match(parts[2].title, /: down, pods deleted by hand, pod web-1 deleted$/);
  assert.match(parts[0].title, /: up$/);
});

test('the link to a service does not say that it is one', () => {
  assert.equal(slaLink({ kind: 'Service', namespace: 'shop', name: 'web' }), '/services/shop/web');
  assert.equal(slaLink({ kind: 'Deployment', namespace: 'shop', name: 'web' }), '/services/shop/web?kind=Deployment');
});
