/** incident_decide: what deciding who hears of an incident, and queueing it, costs (bench_decide). */
import { binary } from './build.js';
import { runToEnd } from './process.js';

const OPEN = 100000;
const MEASURED = 10000;

async function decide(folder) {
  const { microseconds, open } = JSON.parse(await runToEnd(binary('tests/bench/bench_decide'), [folder, String(OPEN), String(MEASURED)]));
  return { value: microseconds, unit: 'us', open };
}

export const benchmarks = {
  incident_decide: {
    help: `CPU time of deciding and queueing one incident, ${OPEN} being open: 20 silences, 10 routes, two channels`,
    targets: ['bench_decide'],
    run: ({ folder }) => decide(folder),
  },
};
