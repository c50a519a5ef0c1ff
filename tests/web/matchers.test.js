/** Matchers of silences, as people write them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchersOf, matchersText, parseMatchers } from '../../collector/web/matchers.js';

test('all four operators are read, with quotes and without', () => {
  assert.deepEqual(parseMatchers('namespace="shop", workload=~"web-.*", severity!=critical, pod!~"a|b"'), [
    { name: 'namespace', value: 'shop', isEqual: true, isRegex: false }, { name: 'workload', value: 'web-.*', isEqual: true, isRegex: true },
    { name: 'severity', value: 'critical', isEqual: false, isRegex: false }, { name: 'pod', value: 'a|b', isEqual: false, isRegex: true }]);
  assert.deepEqual(parseMatchers('{kind="crash"}'), [{ name: 'kind', value: 'crash', isEqual: true, isRegex: false }]);
  assert.deepEqual(parseMatchers('  '), []);
});

test('what cannot be read is named', () => {
  for (const [words, what] of [['namespace', 'namespace'], ['a="b" c="d"', 'a="b" c="d"'], ['a="b", =c', '=c'], ['a="unended', 'a="unended']]) {
    assert.throws(() => parseMatchers(words), { name: 'SyntaxError', message: what });
  }
});

test('what is written is read again the same, quotes and backslashes too', () => {
  const matchers = [{ name: 'reason', value: 'a "b" \\\\d, c', isEqual: false, isRegex: true }, { name: 'pod', value: '', isEqual: true, isRegex: false }];
  assert.deepEqual(parseMatchers(matchersText(matchers)), matchers);
  assert.equal(matchersText([{ name: 'namespace', value: 'shop' }]), 'namespace="shop"');
});

test('an incident is silenced by what it is of', () => {
  assert.equal(matchersOf({ namespace: 'shop', workload: 'web', workloadKind: 'Deployment', kind: 'crash' }), 'namespace="shop", workload="web", kind="crash"');
  assert.equal(matchersOf({ namespace: 'shop', workload: 'web', workloadKind: 'Service', kind: 'probe' }), 'namespace="shop", service="web", kind="probe"');
  assert.equal(matchersOf({ namespace: '', workload: 'node1', workloadKind: 'Node', kind: 'node' }), 'node="node1", kind="node"');
});
