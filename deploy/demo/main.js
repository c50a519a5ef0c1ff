/** The demo: a recorded session played through the real programs. Started by deploy/demo.sh, which builds them. */
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Lab, RECORDING } from '../../tests/lib/lab.js';
import { crashesOf, incidentsOf, lostCrashesOf, messagesOf, servicesOf } from '../../tests/lib/outcome.js';
import { Show } from './show.js';

/** Recorded seconds in one, when it is to be over soon. */
const FAST = 100;
/** How long the session takes when it is to be watched. */
const WATCHED_S = 36;
/** What waits for the rate of a robot is sent within so much recorded time. */
const DRAIN_S = 3600;
const DRAIN_STEP_S = 5;

const OPTIONS = {
  once: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  recording: { type: 'string', default: RECORDING },
  language: { type: 'string', default: 'zh' },
  speed: { type: 'string' },
  timeout: { type: 'string', default: '300' },
  build: { type: 'string' },
};

function parseOptions() {
  const { values } = parseArgs({ options: OPTIONS });
  const seconds = Number(values.timeout);
  if (!(seconds > 0)) throw new Error(`--timeout ${values.timeout}: seconds are wanted`);
  if (values.speed !== undefined && !(Number(values.speed) > 0)) {
    throw new Error(`--speed ${values.speed}: a number is wanted`);
  }
  if (!['zh', 'en'].includes(values.language)) throw new Error(`--language ${values.language}: zh or en is wanted`);
  if (!fs.existsSync(path.join(values.recording, 'pods', 'list.json'))) {
    throw new Error(`--recording ${values.recording}: there is no pods/list.json in it`);
  }
  return {
    ...values,
    once: values.once || values.json,
    recording: path.resolve(values.recording),
    timeoutS: seconds,
  };
}

/** The recorded time that passes between the first and the last event. */
async function durationS(lab) {
  const { time, endTime } = await lab.control('state');
  return Math.max(1, (Date.parse(endTime) - Date.parse(time)) / 1000);
}

/**
 * Messages that a robot's rate holds back go out while time runs on. The agents have ended by then: nothing is seen that
 * was not recorded.
 */
async function drain(lab) {
  for (let waited = 0; waited < DRAIN_S; waited += DRAIN_STEP_S) {
    const waiting = (await lab.openNotifications()).filter(({ status }) => /^(pending|sending)$/.test(status));
    if (waiting.length === 0) return;
    if (waiting.every(({ status }) => status === 'pending')) await lab.control('clock', { advance: DRAIN_STEP_S });
    await lab.settled({ looks: 4, told: false });
  }
  throw new Error('messages still wait, an hour of recorded time after the end');
}

/** @returns {Promise<object>} what `--json` prints */
async function play(lab, show, speed) {
  await lab.control('clock', { speed });
  await lab.run();
  const shown = show.follow(lab);
  await lab.waitCluster('finished', 86400);
  await lab.settled({ told: false });
  const seen = {
    crashes: await crashesOf(lab),
    lostCrashes: await lostCrashesOf(lab),
    incidents: await incidentsOf(lab),
    services: await servicesOf(lab),
  };
  return { seen, shown };
}

async function main() {
  const options = parseOptions();
  const show = new Show({ out: options.json ? process.stderr : process.stdout, quiet: options.once });
  const lab = new Lab({
    recording: options.recording,
    build: options.build,
    agent: { cluster: 'demo' },
    collector: { cluster: 'demo', notify: { language: options.language, storm_after: 3 } },
  });
  const timer = setTimeout(() => {
    process.stderr.write(`demo: not over within ${options.timeoutS} s; logs are in ${lab.path('logs')}\n`);
    process.exit(1);
  }, options.timeoutS * 1000);
  let left = false; // somebody has had enough
  let isOver = false;
  const leave = () => {
    left = true;
    lab.destroy().finally(() => process.exit(isOver ? 0 : 130));
  };
  process.once('SIGINT', leave);
  process.once('SIGTERM', leave);
  try {
    await show.starting(lab, options.recording);
    await lab.startAll();
    const duration = await durationS(lab);
    const speed = Number(options.speed ?? (options.once ? FAST : Math.max(1, duration / WATCHED_S)));
    show.started(lab, { duration, speed });
    const { seen, shown } = await play(lab, show, speed);
    const staysUp = !options.once && process.stdout.isTTY;
    if (!staysUp) await Promise.all([...lab.agents.values()].map((agent) => agent.stop()));
    await drain(lab);
    const result = { ...seen, messages: await messagesOf(lab) };
    await shown.stop();
    clearTimeout(timer);
    show.summary(lab, result);
    if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    if (staysUp) {
      isOver = true;
      show.whereToLook(lab);
      await new Promise(() => {}); // until Ctrl-C
    }
    await lab.stopPrograms();
    await lab.destroy();
  } catch (error) {
    if (left) await new Promise(() => {});
    process.stderr.write(`demo: ${error.message}\nlogs are in ${lab.path('logs')}\n`);
    await lab.destroy({ keep: true });
    process.exit(1);
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`demo: ${error.message} (try --help)\n`);
    process.exit(64);
  },
);
