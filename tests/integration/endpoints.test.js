/** A cluster without EndpointSlices: when the recorded service was available, from its Endpoints, through the real programs. */
// alone
import assert from 'node:assert/strict';
import { RECORDING } from '../lib/lab.js';
import { labTest } from '../lib/lab-test.js';

/** tests/recordings/README.md's truth table of shop/web, which the recorded Endpoints tell within some milliseconds, too. */
const TRUTH = [
  ['2026-11-21T09:15:32.080Z', '2026-11-21T09:15:33.236Z', 'deletion'],
  ['2026-11-21T09:16:12.185Z', '2026-11-21T09:16:48.449Z', 'scaled_to_zero'],
  ['2026-11-21T09:17:02.404Z', '2026-11-21T09:17:53.646Z', 'failed_rollout'],
  ['2026-11-21T09:18:36.874Z', '2026-11-21T09:18:54.835Z', 'failed_readiness'],
];

const TOLERANCE_MS = 100;
const RANGE = 'from=2026-11-21T09:13:00Z&to=2026-11-21T09:20:00Z';

const options = {
  recording: RECORDING,
  speed: 40,
  kubesim: ['--fault', JSON.stringify({ action: 'status', status: 404, resource: 'endpointslices', times: -1 })],
};

labTest('without slices, the recorded outages are those of the Endpoints', options, async (lab) => {
  await lab.startAll();
  await lab.control('clock', { pace: [`${lab.agentUrl()}/livez`, `${lab.apiUrl}/livez`] });
  await lab.run();
  await lab.finish();
  // An Endpoints object leaves out who is terminating: who is ready serves, and nobody else.
  for (const basis of ['ready', 'serving']) {
    const { status, json, text } = await lab.api(`/api/v1/services/shop/web/outages?basis=${basis}&${RANGE}`);
    assert.equal(status, 200, text);
    const show = `by ${basis}\n${JSON.stringify(json.outages, null, 1)}`;
    assert.deepEqual(json.outages.map(({ cause }) => cause), TRUTH.map(([, , cause]) => cause), show);
    for (const [index, [from, until]] of TRUTH.entries()) {
      const found = json.outages[index];
      for (const [is, shall] of [[found.from, from], [found.until, until]]) {
        assert.ok(Math.abs(Date.parse(is) - Date.parse(shall)) <= TOLERANCE_MS, `${is} is ${shall}, ${show}`);
      }
    }
  }
});
