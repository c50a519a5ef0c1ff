/** The pure parts of the page's pictures. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteTicks, ceiling, fitted, linePath, msText, niceStep, scale, sumErrors, ticks, timeText, timeTicks } from '../../collector/web/chart.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const at = (iso) => new Date(iso).getTime(); // local time, as the page's

test('a scale maps both ends of its range, also upside down, and does not divide by nothing', () => {
  const down = scale([0, 50], [200, 100]);
  assert.deepEqual([down(0), down(25), down(50)], [200, 150, 100]);
  assert.equal(scale([7, 7], [10, 90])(7), 10);
});

test('the axis has few round numbers, from 0 to above the largest', () => {
  assert.deepEqual([0.03, 0.1, 1, 1.01, 3, 5, 7, 1000].map(niceStep).map((step) => Number(step.toPrecision(6))), [0.05, 0.1, 1, 2, 5, 5, 10, 1000]);
  assert.deepEqual(ticks(7, 4), [0, 2, 4, 6, 8]);
  assert.deepEqual(ticks(0.3, 4), [0, 0.1, 0.2, 0.3]);
  assert.deepEqual(ticks(4000, 4), [0, 1000, 2000, 3000, 4000]);
  for (const nothing of [0, NaN, -1]) assert.deepEqual(ticks(nothing, 4), [0, 1]);
  for (let max = 0.001; max < 1e6; max *= 1.7) {
    const levels = ticks(max, 4);
    assert.ok(levels.at(-1) >= max * (1 - 1e-6) && levels.length >= 2 && levels.length <= 6, `${max}: ${levels}`);
  }
});

test('the times of the axis are whole ones, within the range, as many as there is room for', () => {
  assert.deepEqual(timeTicks(at('2026-11-21T16:07:20'), at('2026-11-21T17:07:20'), 6).map(timeText), ['16:10', '16:20', '16:30', '16:40', '16:50', '17:00']);
  assert.deepEqual(timeTicks(at('2026-11-20T17:07:20'), at('2026-11-21T17:07:20'), 4).map(timeText), ['18:00', '11-21', '06:00', '12:00']);
  assert.deepEqual(timeTicks(at('2026-11-14T17:00:00'), at('2026-11-21T17:00:00'), 7).map(timeText), ['11-15', '11-16', '11-17', '11-18', '11-19', '11-20', '11-21']);
  for (const range of [HOUR, 6 * HOUR, 24 * HOUR, 7 * 24 * HOUR, 30 * 24 * HOUR]) {
    for (const room of [2, 4, 12]) {
      const from = at('2026-03-20T03:04:05');
      const found = timeTicks(from, from + range, room);
      assert.ok(found.length >= 1 && found.length <= room + 1, `${range / HOUR} h in ${room}: ${found.length}`);
      assert.ok(found.every((time, i) => time >= from && time <= from + range && (i === 0 || time > found[i - 1])));
    }
  }
});

test('a line is broken where nothing ran, and a lonely point is still seen', () => {
  const same = (value) => value;
  const path = (...points) => linePath(points.map(([time, value]) => ({ at: time, value })), same, same, 1.5);
  assert.equal(path([0, 5], [1, 6], [2, 7]), 'M0 5L1 6L2 7');
  assert.equal(path([0, 5], [1, 6], [4, 7], [5, 8]), 'M0 5L1 6M4 7L5 8', 'a gap in time');
  assert.equal(path([0, 5], [1, null], [2, 7], [3, 8]), 'M0 5m-2 0h4M2 7L3 8', 'a minute in which nothing passed');
  assert.equal(path([0, 5]), 'M0 5m-2 0h4');
  assert.equal(path([0, 5], [9, 6]), 'M0 5m-2 0h4M9 6m-2 0h4');
  assert.equal(path([0, null], [1, null]), '');
  assert.equal(path(), '');
});

test('latencies are written short', () => {
  assert.deepEqual([0, 0.0421, 0.5, 2.34, 17.2, 812.4, 999, 1000, 1340, 30_000].map(msText),
    ['0 ms', '0.042 ms', '0.5 ms', '2.3 ms', '17 ms', '812 ms', '999 ms', '1 s', '1.3 s', '30 s']);
});

test('errors are summed up by cause and status, the most frequent first', () => {
  const points = [
    { errors: [{ cause: 'status', status: 500, count: 2 }, { cause: 'timeout', status: 0, count: 1 }] },
    { errors: [] },
    { errors: [{ cause: 'status', status: 503, count: 3 }, { cause: 'status', status: 500, count: 4 }] },
  ];
  assert.deepEqual(sumErrors(points), [
    { cause: 'status', status: 500, count: 6 }, { cause: 'status', status: 503, count: 3 }, { cause: 'timeout', status: 0, count: 1 }]);
});

test('a label without room loses its end, a Chinese one earlier', () => {
  assert.equal(fitted('shop/web', 56), 'shop/web');
  assert.equal(fitted('shop/payment-gateway', 70), 'shop/paym…');
  assert.equal(fitted('状态码不符', 70), '状态码不符');
  assert.equal(fitted('状态码不符合', 70), '状态码不…');
  assert.equal(fitted('shop', 0), 's…');
});

test('the axis of bytes has round numbers of KiB, MiB and GiB', () => {
  const MIB = 1 << 20;
  assert.deepEqual(byteTicks(300 * MIB, 4), [0, 100, 200, 300].map((level) => level * MIB));
  assert.deepEqual(byteTicks(3000 * MIB, 4), [0, 1, 2, 3].map((level) => level * 1024 * MIB));
  assert.deepEqual(byteTicks(500, 4), [0, 200, 400, 600]);
  assert.deepEqual(byteTicks(0, 4), [0, 1024]);
});

test('a request or limit far above what was used stays out of the picture', () => {
  const points = [{ average: 1, p95: 2, maximum: 3, request: 5, limit: 100 }, { average: null, p95: null, maximum: null, request: 6, limit: null }];
  assert.deepEqual(ceiling(points), { highest: 6, bounds: ['request'] });
  assert.deepEqual(ceiling(points.map((point) => ({ ...point, limit: 12 }))), { highest: 12, bounds: ['request', 'limit'] });
  assert.deepEqual(ceiling([{ average: 0.5, maximum: 0.9 }]), { highest: 0.9, bounds: [] });
  assert.deepEqual(ceiling([]), { highest: 0, bounds: [] });
});
