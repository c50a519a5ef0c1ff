/** sla_day: a day of services that change often, from what the cluster tells to stored intervals and availability. */
import path from 'node:path';
import { binary } from './build.js';
import { runToEnd } from './process.js';

async function day({ services, changes, commitChanges }, { folder }) {
  const args = [path.join(folder, 'sla.db'), String(services), String(changes), String(commitChanges)];
  const { seconds, ...others } = JSON.parse(await runToEnd(binary('tests/bench/bench_sla'), args));
  return { value: seconds, unit: 's', services, changes, commitChanges, ...others };
}

const benchmark = (load) => ({
  help:
    `seconds for a day of ${load.services} services with ${load.changes} changes each, tracked, stored and its ` +
    'availability computed; and the time to compute a year of one of them',
  targets: ['bench_sla'],
  run: (context) => day(load, context),
});

/** 100 is what one transaction holds when much happens at once; with one change in each the disk is what counts. */
export const benchmarks = {
  sla_day: benchmark({ services: 5000, changes: 20, commitChanges: 100 }),
};
