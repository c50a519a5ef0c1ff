/** crash_to_message_p99: from a container's crash to the message in WeCom, through the real agent and collector. */
import { control, withServices } from './services.js';

const CRASHES = 200;
const WARM_UP = 5; // more, before them: connections, caches
const MESSAGE_S = 20; // a crash whose message has not come by then is lost
const MESSAGES = 2; // of one crash: the text, then its log as a file
const RATE = 100_000; // messages a minute, instead of WeCom's 20
const LOG_LINES = 10;
const SHARES = { p50Ms: 0.5, p90Ms: 0.9, p99Ms: 0.99, maxMs: 1 };

const CONFIG = (urlFile) => `notify:
  channels: [{name: robot, type: wecom_robot, url_file: ${urlFile}, rate_per_minute: ${RATE}}]
  routes: [{group: bench, channels: [robot]}]
`;

const lastWords = (number) =>
  Array.from({ length: LOG_LINES }, (_, line) => `crash ${number}: line ${line + 1} of ${LOG_LINES}`);

/** Starts everything; one workload a pod, so that each crash is an incident, and a message, of its own. */
async function startAll(services) {
  const wecomsim = await services.startWecomsim(['--rate', String(RATE)]);
  const config = CONFIG(services.file('robot-url', wecomsim.robots[0]));
  const collector = await services.startCollector({ config });
  const podLogs = services.path('podlogs');
  const generate = `pods=${WARM_UP + CRASHES},nodes=1,replicas=1`;
  const kubesim = await services.startKubesim(['--tls', '--generate', generate, '--pod-logs', podLogs]);
  const { kubeconfig } = kubesim;
  await services.startAgent({ kubeconfig, collectorPort: collector.ingestPort, podLogs });
  await control(`${kubesim.control}/kubesim/wait?until=watch:pods:1&timeout=${MESSAGE_S}`);
  return { wecomsim, kubesim };
}

/** Lets one pod crash and waits for the message that names it. @returns {Promise<number>} ms in between */
async function crashOne({ wecomsim, kubesim }, number) {
  const url = `${wecomsim.control}/control`;
  await control(`${url}/messages`, { method: 'DELETE' });
  const began = Date.now();
  const body = { exitCode: 3, lines: lastWords(number), restartAfter: null }; // stays down: the next is another pod's
  const { pod } = await control(`${kubesim.control}/kubesim/crash`, { method: 'POST', body });
  await control(`${url}/wait?until=messages:${MESSAGES}&timeout=${MESSAGE_S}`);
  const messages = await control(`${url}/messages`);
  const told = messages.find(({ text }) => text.includes(pod));
  if (!told) throw new Error(`no message after the crash of ${pod} names it: ${JSON.stringify(messages)}`);
  return told.realMs - began;
}

function percentiles(latencies) {
  const sorted = [...latencies].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return Object.fromEntries(Object.entries(SHARES).map(([name, share]) => [name, at(share)]));
}

function crashToMessage({ folder }) {
  return withServices(folder, async (services) => {
    const running = await startAll(services);
    const latencies = [];
    for (let number = -WARM_UP; number < CRASHES; number++) {
      const latency = await crashOne(running, number);
      if (number >= 0) latencies.push(latency);
    }
    const { p99Ms, ...others } = percentiles(latencies);
    return { value: p99Ms, unit: 'ms', crashes: latencies.length, ...others };
  });
}

export const benchmarks = {
  crash_to_message_p99: {
    help: `ms from a lone crash's status change to the message in WeCom's stand-in, of ${CRASHES}; aim: less than 300`,
    targets: ['nightjar-agent', 'nightjar-collector'],
    run: crashToMessage,
  },
};
