/** Remote write into a real Prometheus: what the collector committed is what is read back there. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { ask } from '../lib/lab.js';
import { freePort } from '../lib/ports.js';
import { createMonitor, probeTest, quick, wasProbed } from '../lib/probe-test.js';
import { metricSum, receiver } from '../lib/prometheus.js';
import { until } from '../lib/wait.js';

const USER = 'nightjar';
const PASSWORD = 'opensesame';
const HASH = '$2b$04$lPl/ut9P8QDm4adWvq2LEe34aiLWn022RmNSoNPFnmaZcH8NscSHy'; // of the password

const port = await freePort();
const authorization = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`;

/** @returns {Promise<{labels: object, value: number}[]>} */
async function query(expression) {
  const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(expression)}`;
  const { status, json, text } = await ask(url, { headers: { authorization } });
  assert.equal(status, 200, text);
  return json.data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
}

const settings = {
  collector: (lab) => {
    fs.writeFileSync(lab.path('password'), `${PASSWORD}\n`, { mode: 0o600 });
    return {
      probes: { derive: false },
      remote_write: { url: `http://127.0.0.1:${port}/api/v1/write`, user: USER, secret_file: lab.path('password') },
    };
  },
};

probeTest('minutes of checks arrive in Prometheus, also when it comes late, and once each', settings, async (create, lab, t) => {
  const prometheus = receiver({ folder: lab.path('prometheus'), port, user: USER, hash: HASH });
  t.after(() => prometheus.kill());
  const web = await create({ name: 'web' });
  await createMonitor(lab, 'web', quick('web'));
  const pod = await web.addPod();
  await wasProbed(pod);
  const metric = async (name) => metricSum(await lab.collectorMetrics(), `nightjar_remote_write_${name}`) ?? 0;
  await until(async () => (await metric('retries_total')) > 0, {
    what: 'the first minute finds nobody', timeoutMs: 150_000, programs: lab.programs,
  });
  assert.equal(await metric('samples_total'), 0);

  prometheus.start();
  const running = [...lab.programs, prometheus];
  await until(async () => (await metric('samples_total')) > 0, { what: 'Prometheus takes samples', timeoutMs: 90_000, programs: running });
  const selector = `{cluster="lab",namespace="shop",service="web",target_name="${pod.name}"}`;
  const minutes = async () => (await query(`sum(count_over_time(nightjar_probe_runs${selector}[1h]))`))[0].value;
  await until(async () => (await minutes()) >= 2, { what: 'a second minute', timeoutMs: 150_000, programs: running });
  assert.equal(await metric('dropped_samples_total'), 0);

  const latest = (name) => query(`last_over_time(${name}${selector}[10m])`);
  const [runs] = await latest('nightjar_probe_runs');
  assert.equal(runs.labels.monitor, 'apimonitor.shop.web');
  assert.ok(runs.value >= 1 && runs.value <= 61, `${runs.value} runs a minute`);
  assert.equal((await latest('nightjar_probe_failures'))[0].value, 0);
  const latencies = await latest('nightjar_probe_latency_seconds');
  assert.deepEqual(latencies.map(({ labels }) => labels.quantile).sort(), ['0.5', '0.95', '0.99']);
  const [highest] = await latest('nightjar_probe_latency_seconds_max');
  for (const { value } of latencies) assert.ok(value > 0 && value <= highest.value, `${value} of ${highest.value}`);

  // Minute by minute it is what REST says: a point's time there is the minute's beginning, here its end.
  const { json } = await lab.api(`/api/v1/series?monitor=${runs.labels.monitor}&target=${encodeURIComponent(runs.labels.target)}&from=1h&step=minute`);
  assert.ok(json.items.length >= 2, JSON.stringify(json));
  for (const { start, runs: count, failures } of json.items) {
    const end = Date.parse(start) / 1000 + 60;
    if (end * 1000 > Date.now() - 5_000) continue; // may be on its way
    const [there] = await query(`nightjar_probe_runs${selector} @ ${end}`);
    assert.deepEqual([there?.value, failures], [count, 0], start);
  }
});
