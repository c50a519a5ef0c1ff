/** What the views of nodes and resources say of what REST has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { WEB } = await import('./page.js');
const { lossOf, millis } = await import(`${WEB}nodes.js`);
const { workloadLink } = await import(`${WEB}resources.js`);

const fine = { byRequests: { unplaceable: 0 }, byUse: { unplaceable: 0 }, falling: [], podsMovable: 3 };

test('of what losing a node would do, the worst is said', () => {
  assert.deepEqual(lossOf(null), { words: 'not known', level: 'aside' });
  assert.deepEqual(lossOf(fine), { words: 'its pods fit elsewhere', level: 'resolved' });
  assert.deepEqual(lossOf({ ...fine, podsMovable: 0 }), { words: 'nothing would move', level: 'resolved' });
  assert.deepEqual(lossOf({ ...fine, byUse: { unplaceable: 2 } }), { words: 'by use 2 pods would not fit', level: 'warning' });
  assert.deepEqual(lossOf({ ...fine, byUse: { unplaceable: 2 }, falling: ['n2', 'n3'] }), { words: 'would fell n2, n3', level: 'critical' });
  assert.deepEqual(lossOf({ ...fine, byRequests: { unplaceable: 1 }, falling: ['n2'] }), { words: '1 pod would find no other node', level: 'critical' });
});

test('millicores are written as Kubernetes does', () => assert.deepEqual([0, 250, 1000, 64_000].map(millis), ['0', '250m', '1', '64']));

test('a link to a workload takes along what was asked for, and any name', () => {
  assert.equal(workloadLink({ namespace: 'shop', workload: 'web' }), '/resources/shop/web');
  assert.equal(workloadLink({ namespace: 'shop', workload: 'a b' }, { range: '7d' }), '/resources/shop/a%20b?range=7d');
});
