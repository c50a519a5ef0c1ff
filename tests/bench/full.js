/** agent_full_110_pods: what the agent costs on a full node, with real processes in real cgroups and every duty on. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { binary } from './build.js';
import { cpuSecondsOf, memoryOf, pause, until } from './process.js';
import { ask, metric, NODE_NAME, withServices } from './services.js';

const PODS = 110; // what a kubelet takes
const PROCESSES = 3; // of a container
const FDS = 30; // of a process
const SETTLE_MS = 25_000;
const MEASURE_MS = 90_000;
const SCRAPE_MS = 15_000; // Prometheus' default is a minute, its users' habit 15 s
const CGROUP = '/sys/fs/cgroup';
const CONTROLLERS = ['memory', 'cpu', 'cpuacct', 'pids', 'blkio'];
const isUnified = fs.existsSync(path.join(CGROUP, 'cgroup.controllers'));
const PREFIX = `nightjar-bench-${process.pid}`; // something may precede "kubepods", and nobody else's cgroups are there
const COUNTED = 'nightjar_inspect_containers';

function placesOf(place) {
  if (isUnified) return [path.join(CGROUP, place)];
  return CONTROLLERS.filter((controller) => fs.existsSync(path.join(CGROUP, controller))).map((controller) => path.join(CGROUP, controller, place));
}

function makeFolder(folder) {
  if (!isUnified) {
    fs.mkdirSync(folder, { recursive: true });
    return;
  }
  let at = CGROUP; // a controller is handed down level by level
  for (const part of path.relative(CGROUP, folder).split('/')) {
    fs.writeFileSync(path.join(at, 'cgroup.subtree_control'), '+memory +pids +cpu +io');
    at = path.join(at, part);
    if (!fs.existsSync(at)) fs.mkdirSync(at);
  }
}

/** The containers of the pods that kubesim has made up, and each pod's sandbox. */
class Node {
  #folders = [];
  #program;

  async start(pods, log) {
    const fd = fs.openSync(log, 'a');
    this.#program = spawn(binary('tests/bench/bench_full_node'), [String(PROCESSES), String(FDS)], { stdio: ['pipe', 'pipe', fd] });
    fs.closeSync(fd);
    this.ended = new Promise((resolve) => {
      this.#program.once('close', resolve);
    });
    for (const { metadata, status } of pods) {
      const id = status.containerStatuses[0].containerID.replace('containerd://', '');
      this.#add(`${PREFIX}/kubepods/burstable/pod${metadata.uid}/${id.split('').reverse().join('')}`, false); // the sandbox
      this.#add(`${PREFIX}/kubepods/burstable/pod${metadata.uid}/${id}`, true);
    }
    this.#program.stdin.write('\n');
    const lines = createInterface({ input: this.#program.stdout })[Symbol.asyncIterator]();
    const { done } = await lines.next();
    if (done) throw new Error(`the containers cannot be made, see ${log}`);
  }

  #add(place, network) {
    const folders = placesOf(place);
    folders.forEach(makeFolder);
    this.#folders.push(...folders);
    this.#program.stdin.write(`${network ? 1 : 0} ${folders.map((folder) => path.join(folder, 'cgroup.procs')).join(',')}\n`);
  }

  async stop() {
    this.#program?.stdin.end();
    await this.ended;
    for (const folder of this.#folders) {
      await until(() => fs.readFileSync(path.join(folder, 'cgroup.procs'), 'utf8') === '', `${folder} being left`);
      for (let at = folder; ; at = path.dirname(at)) {
        if (fs.readdirSync(at, { withFileTypes: true }).some((entry) => entry.isDirectory())) break;
        fs.rmdirSync(at);
        if (path.basename(at) === PREFIX) break;
      }
    }
  }
}

async function measure({ program, url }) {
  await pause(SETTLE_MS);
  const { text: before } = await ask(`${url}/metrics`);
  if (metric(before, COUNTED) !== PODS) throw new Error(`${metric(before, COUNTED)} of ${PODS} containers are found`);
  const [began, cpuBefore] = [performance.now(), cpuSecondsOf(program.pid)];
  while (performance.now() - began < MEASURE_MS) {
    await pause(SCRAPE_MS);
    await ask(`${url}/metrics`);
  }
  const cpuSeconds = cpuSecondsOf(program.pid) - cpuBefore;
  const seconds = (performance.now() - began) / 1000;
  const memory = memoryOf(program.pid);
  program.check();
  const { text: after } = await ask(`${url}/metrics`);
  const rise = (name) => metric(after, name) - metric(before, name);
  return {
    value: (100 * cpuSeconds) / seconds,
    unit: '% of a core',
    rssMiB: memory.VmRSS,
    rssAnonMiB: memory.RssAnon,
    highestRssMiB: memory.VmHWM,
    scanMilliseconds: (1000 * rise('nightjar_inspect_scan_seconds_sum')) / rise('nightjar_inspect_scan_seconds_count'),
    loopTurns: rise('nightjar_loop_stall_seconds_count'),
    loopTurnsAbove20Ms: rise('nightjar_loop_stall_seconds_count') - rise('nightjar_loop_stall_seconds_bucket{le="0.02"}'),
    metricsKiB: after.length / 1024,
  };
}

async function fullNode({ folder }) {
  if (process.getuid() !== 0) throw new Error('only root makes cgroups');
  const node = new Node();
  try {
    return await withServices(folder, async (services) => {
      const kubesim = await services.startKubesim(['--generate', `pods=${PODS},nodes=1`]);
      const list = await ask(`${kubesim.api}/api/v1/pods?fieldSelector=spec.nodeName%3D${NODE_NAME}`);
      await node.start(JSON.parse(list.text).items, path.join(folder, 'node.log'));
      const collector = await services.startCollector();
      return measure(await services.startAgent({ kubeconfig: kubesim.kubeconfig, collectorPort: collector.ingestPort }));
    });
  } finally {
    await node.stop();
  }
}

export const benchmarks = {
  agent_full_110_pods: {
    help:
      'CPU share and memory of the agent on a node of 110 pods, 330 processes, a network namespace each: default intervals, ' +
      'a scrape every 15 s; aim: under 0.5 % of a core and 12 MiB',
    targets: ['nightjar-agent', 'nightjar-collector', 'bench_full_node'],
    run: fullNode,
  },
};
