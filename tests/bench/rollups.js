/** rollups_*, usage_*: minutes of checks, or of containers' use, that the store takes in a second, each merged into
 * its hour and its day. */
import path from 'node:path';
import { binary } from './build.js';
import { runToEnd } from './process.js';

async function rollups({ series, minutes, commitRollups }, { folder }) {
  const args = [path.join(folder, 'rollups.db'), String(series), String(minutes), String(commitRollups)];
  const { rollupsPerSecond, ...others } = JSON.parse(await runToEnd(binary('tests/bench/bench_rollups'), args));
  return { value: rollupsPerSecond, unit: 'rollups/s', series, minutes, commitRollups, ...others };
}

const benchmark = (load) => ({
  help:
    `minutes of checks a second stored and committed, ${load.series} series, ${load.commitRollups} in a commit; ` +
    `that many series bring ${Math.ceil(load.series / 60)} a second`,
  targets: ['bench_rollups'],
  run: (context) => rollups(load, context),
});

async function usage({ containers, minutes, commitItems }, { folder }) {
  const args = [path.join(folder, 'usage.db'), String(containers), String(minutes), String(commitItems)];
  const { itemsPerSecond, ...others } = JSON.parse(await runToEnd(binary('tests/bench/bench_usage'), args));
  return { value: itemsPerSecond, unit: 'items/s', containers, minutes, commitItems, ...others };
}

const usageBenchmark = (load) => ({
  help:
    `containers' minutes a second stored and committed, ${load.containers} containers, ${load.commitItems} in a ` +
    `commit; that many bring ${Math.ceil(load.containers / 60)} a second`,
  targets: ['bench_usage'],
  run: (context) => usage(load, context),
});

/** 256 is what one event of an agent holds at most; a group of many agents' holds more. */
export const benchmarks = {
  rollups_5000: benchmark({ series: 5000, minutes: 60, commitRollups: 256 }),
  rollups_5000_grouped: benchmark({ series: 5000, minutes: 60, commitRollups: 5000 }),
  usage_5000: usageBenchmark({ containers: 5000, minutes: 60, commitItems: 256 }),
};
