/** model_memory_5000_services: what the collector takes that watches a large cluster (cluster.js). */
import fs from 'node:fs';
import { kubeconfigFor, startCluster } from './cluster.js';
import { pause, until } from './process.js';
import { ask, metric, withServices } from './services.js';

const SIZE = { services: 5000, endpoints: 150000, nodes: 5000 };
const READ_MS = 120_000;
const SETTLE_MS = 5000; // a few of its seconds after all was read

/** In MiB: its own pages and its share of the others; and the most it had. */
function memoryOf(pid) {
  const number = (file, key) => Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(fs.readFileSync(`/proc/${pid}/${file}`, 'utf8'))[1]) / 1024;
  return { pss: number('smaps_rollup', 'Pss'), highest: number('status', 'VmHWM') };
}

/** Of a collector that has read the cluster, `checks` or not: of each Service and of metrics pages, without being asked. */
async function follow(folder, cluster, checks) {
  return withServices(folder, async (services) => {
    const kubeconfig = services.file('kubeconfig', kubeconfigFor(cluster.url));
    const collector = await services.startCollector({ kubeconfig, database: `checks-${checks}.db`, config: `probes: {derive: ${checks}}` });
    const scrape = async () => {
      collector.program.check();
      return (await ask(`${collector.url}/metrics`)).text;
    };
    const followed = (text) => ['services', 'workloads'].every((what) => metric(text, `nightjar_sla_${what}`) === SIZE.services);
    await until(async () => followed(await scrape()), 'every Service being followed', READ_MS);
    await pause(SETTLE_MS);
    const up = metric(await scrape(), 'nightjar_service_up');
    if (up !== SIZE.services) throw new Error(`${up} of ${SIZE.services} Services are up`);
    return memoryOf(collector.program.pid);
  });
}

async function memory({ folder }) {
  const cluster = await startCluster(SIZE);
  try {
    const { pss, highest } = await follow(folder, cluster, false);
    const { pss: withChecks } = await follow(folder, cluster, true);
    return { value: pss, unit: 'MiB', ...SIZE, highest, withChecks };
  } finally {
    cluster.stop();
  }
}

export const benchmarks = {
  model_memory_5000_services: {
    help:
      `memory (PSS) of the whole collector that follows ${SIZE.services} Services of ${SIZE.endpoints} endpoints, as many Deployments ` +
      `with two ReplicaSets each and ${SIZE.nodes} nodes, listed in protobuf; \`highest\`: while it read them; \`withChecks\`: when it ` +
      'also checks each Service',
    targets: ['nightjar-collector'],
    run: memory,
  },
};
