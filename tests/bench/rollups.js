/** rollups_*: minutes of checks a second that the store takes, each merged into its hour and its day. */
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

/** 256 is what one event of an agent holds at most; a group of many agents' holds more. */
export const benchmarks = {
  rollups_5000: benchmark({ series: 5000, minutes: 60, commitRollups: 256 }),
  rollups_5000_grouped: benchmark({ series: 5000, minutes: 60, commitRollups: 5000 }),
};
