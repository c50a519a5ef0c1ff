/** list_* and agent_rss_*: memory and CPU of the real agent that lists its node's pods over TLS and holds them. */
import https from 'node:https';
import { cpuSecondsOf, memoryOf, pause } from './process.js';
import { control, NODE_NAME, withServices } from './services.js';

const POD_BYTES = 5000; // of JSON
const MANY = 10_000;
const USUAL = 110; // what a kubelet takes
const IDLE_MS = 12_000; // past the first heartbeat, which comes after 10 s
const SYNC_S = 60;
const TOKEN = 'kubesim-token';
const MIB = 1024 * 1024;
/** The first list fails once: the agent, which then waits to try again, is looked at before it has done any work. */
const FIRST_LIST_FAILS = { action: 'status', status: 503, verb: 'list', resource: 'pods', agent: 'nightjar' };

/** Client-go's numbers for the same list, measured once elsewhere against a real API server: no peer of this run. */
const CLIENT_GO = { rssMiB: 200, protobufCpuSeconds: 0.45, jsonCpuSeconds: 2.0 };

/** The list as the agent will ask for it: kubesim encodes every pod once, at its first request. @returns bytes */
function warmUp(api) {
  const url = `${api}/api/v1/pods?fieldSelector=spec.nodeName%3D${NODE_NAME}&resourceVersion=0`;
  const headers = { accept: 'application/vnd.kubernetes.protobuf', authorization: `Bearer ${TOKEN}` };
  return new Promise((resolve, reject) => {
    const request = https.get(url, { headers, rejectUnauthorized: false, agent: false }, (response) => {
      let bytes = 0;
      response.on('data', (piece) => {
        bytes += piece.length;
      });
      response.on('end', () => (response.statusCode === 200 ? resolve(bytes) : reject(new Error(`${url}: refused`))));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

/** Has the agent list and hold so many pods. @returns {Promise<object>} memory in MiB, CPU in seconds */
function measure(folder, pods) {
  return withServices(folder, async (services) => {
    const kubesim = await services.startKubesim([
      ...['--tls', '--token', TOKEN, '--generate', `pods=${pods},nodes=1,size=${POD_BYTES}`],
      ...['--fault', JSON.stringify(FIRST_LIST_FAILS)],
    ]);
    const wait = (condition) => control(`${kubesim.control}/kubesim/wait?until=${condition}&timeout=${SYNC_S}`);
    const listBytes = await warmUp(kubesim.api);
    const collector = await services.startCollector();
    const { kubeconfig } = kubesim;
    const { program } = await services.startAgent({ kubeconfig, collectorPort: collector.ingestPort });
    await wait('fault:status:1');
    const before = { ...memoryOf(program.pid), cpu: cpuSecondsOf(program.pid) };
    await wait('watch:pods:1');
    const cpuSeconds = cpuSecondsOf(program.pid);
    await pause(IDLE_MS);
    program.check();
    return {
      memory: memoryOf(program.pid),
      before,
      listCpuSeconds: cpuSeconds - before.cpu,
      allCpuSeconds: cpuSecondsOf(program.pid),
      listMiB: listBytes / MIB,
    };
  });
}

/** Memory and CPU of one run, for both of list_*. */
let manyPods;
const measureMany = (folder) => (manyPods ??= measure(folder, MANY));

const memoryExtras = ({ memory, before }) => ({
  rssAnonMiB: memory.RssAnon,
  rssFileMiB: memory.RssFile,
  highestRssMiB: memory.VmHWM,
  rssBeforeListMiB: before.VmRSS,
  rssAnonBeforeListMiB: before.RssAnon,
});

const TARGETS = ['nightjar-agent', 'nightjar-collector'];

export const benchmarks = {
  list_memory_10k_pods: {
    help: 'MiB of memory (VmRSS) of the agent that holds 10,000 pods of 5 KB of JSON; aim: less than 16',
    targets: TARGETS,
    async run({ folder }) {
      const measured = await measureMany(folder);
      return {
        value: measured.memory.VmRSS,
        unit: 'MiB',
        ...memoryExtras(measured),
        listMiB: measured.listMiB,
        note: `client-go's informer, measured elsewhere: ${CLIENT_GO.rssMiB} MiB`,
      };
    },
  },
  list_cpu_10k_pods: {
    help: 'seconds of CPU time the agent needs for listing them, TLS included; aim: less than 0.15',
    targets: TARGETS,
    async run({ folder }) {
      const { listCpuSeconds, allCpuSeconds, listMiB } = await measureMany(folder);
      const { protobufCpuSeconds, jsonCpuSeconds } = CLIENT_GO;
      return {
        value: listCpuSeconds,
        unit: 's',
        sinceStartSeconds: allCpuSeconds,
        listMiB,
        note: `client-go's informer, measured elsewhere: ${protobufCpuSeconds} s with protobuf, ${jsonCpuSeconds} s with JSON`,
      };
    },
  },
  agent_rss_110_pods: {
    help: 'MiB of memory (VmRSS) of the agent that holds 110 pods and idles; aim: less than 8',
    targets: TARGETS,
    async run({ folder }) {
      const measured = await measure(folder, USUAL);
      return { value: measured.memory.VmRSS, unit: 'MiB', ...memoryExtras(measured) };
    },
  },
};
