/** ingest_*: events a second that a real collector commits and acknowledges to simulated agents (bench_ingest). */
import { binary } from './build.js';
import { cpuSecondsOf, memoryOf, runToEnd } from './process.js';
import { ask, metric, withServices } from './services.js';

const SECONDS = 10; // at most; what is acknowledged until then counts
const PEER_EVENTS = 200_000;

async function counters({ url }) {
  const { text } = await ask(`${url}/metrics`);
  const value = (name) => metric(text, `nightjar_ingest_${name}_total`) ?? 0;
  return { events: value('events'), duplicates: value('duplicate_events'), commits: value('commits') };
}

/** How many crashes REST says that its incidents hold, which it reads from the database. */
async function crashesInIncidents({ url }) {
  const { text } = await ask(`${url}/api/v1/incidents?kind=crash&limit=1000`);
  return JSON.parse(text).items.reduce((sum, { count }) => sum + count, 0);
}

/** Throws unless what was acknowledged is what is there, once. @returns {Promise<number>} commits */
async function verify(collector, acknowledged) {
  const { events, duplicates, commits } = await counters(collector);
  const served = await crashesInIncidents(collector);
  if (events !== acknowledged || served !== acknowledged || duplicates !== 0) {
    throw new Error(
      `${acknowledged} crashes were acknowledged, but the collector counts ${events} and ${duplicates} duplicates, ` +
        `and its incidents hold ${served}`,
    );
  }
  return commits;
}

/** SQLite alone with the same rows, and as many in a commit as the collector had. */
async function insertsAlone(services, eventsInCommit) {
  const commits = Math.ceil(PEER_EVENTS / eventsInCommit);
  const args = [services.path('peer.db'), services.keyFile, String(commits), String(eventsInCommit)];
  return JSON.parse(await runToEnd(binary('tests/bench/bench_inserts'), args)).eventsPerSecond;
}

function ingest({ folder }, { agents, batches, batchEvents }) {
  return withServices(folder, async (services) => {
    const collector = await services.startCollector();
    const { pid } = collector.program;
    const cpuBefore = cpuSecondsOf(pid);
    const load = [collector.ingestPort, services.keyFile, agents, batches, batchEvents, SECONDS].map(String);
    const result = JSON.parse(await runToEnd(binary('tests/bench/bench_ingest'), load));
    const { events, eventsPerSecond, ...others } = result;
    const cpuSeconds = cpuSecondsOf(pid) - cpuBefore;
    const { VmHWM: highestRssMiB } = memoryOf(pid);
    const commits = await verify(collector, events);
    const eventsInCommit = Math.round(events / commits);
    await collector.program.stop();
    const peerValue = await insertsAlone(services, eventsInCommit);
    return {
      value: eventsPerSecond,
      unit: 'events/s',
      peer: 'SQLite alone inserting the same rows, no index, as many in a commit',
      peerValue,
      ratio: eventsPerSecond / peerValue,
      events,
      batchEvents,
      eventsInCommit,
      ...others,
      collectorCpuSeconds: cpuSeconds,
      eventsPerCollectorCpuSecond: events / cpuSeconds, // what a busy machine disturbs least
      collectorHighestRssMiB: highestRssMiB,
    };
  });
}

const benchmark = (load) => ({
  help:
    `events a second committed and acknowledged, ${load.agents} simulated agents with batches of ` +
    `${load.batchEvents} crashes; aim: 50,000`,
  targets: ['nightjar-collector', 'bench_ingest', 'bench_inserts'],
  run: (context) => ingest(context, load),
});

/** Few agents that catch up send full batches (collector.batch_events); many send what has just happened. */
export const benchmarks = {
  ingest_1: benchmark({ agents: 1, batches: 600, batchEvents: 500 }),
  ingest_100: benchmark({ agents: 100, batches: 30, batchEvents: 100 }),
  ingest_2000: benchmark({ agents: 2000, batches: 15, batchEvents: 10 }),
};
