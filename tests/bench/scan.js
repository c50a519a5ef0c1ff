/** scan_cpu: CPU of one scan of a full node beside that of one scrape of Debian's process-exporter. */
import fs from 'node:fs';
import path from 'node:path';
import { binary } from './build.js';
import { median, tool } from './probe.js';
import { cpuSecondsOf, freePort, Program, runToEnd, until } from './process.js';
import { ask } from './services.js';

const PROCESSES = 1000;
const FDS = 100; // of each
const CONTAINERS = 100;
const SLICES = 3; // of each, in turn: what else the machine does meets both
const SCANS = 20; // in a slice; the agent makes one every 10 s
const SCRAPES = 3;

/** Its own defaults, which also read memory maps and threads; `options` may turn that off. */
async function startExporter(folder, options) {
  const port = await freePort();
  const file = path.join(folder, 'all.yml');
  fs.writeFileSync(file, `process_names:\n  - name: "{{.Comm}}"\n    cmdline: ['.+']\n`);
  const program = new Program({
    command: [
      tool('prometheus-process-exporter', 'prometheus-process-exporter'),
      `-config.path=${file}`,
      `-web.listen-address=127.0.0.1:${port}`,
      ...options,
    ],
    log: path.join(folder, 'exporter.log'),
  });
  const url = `http://127.0.0.1:${port}/metrics`;
  await until(async () => {
    program.check();
    return (await ask(url)).status === 200;
  }, `${url} answering`);
  return { program, url };
}

async function scrapeMs({ program, url }) {
  const before = cpuSecondsOf(program.pid);
  for (let i = 0; i < SCRAPES; i++) {
    const { status, text } = await ask(url);
    if (status !== 200) throw new Error(`the exporter answered ${status}`);
    const found = Number(/^namedprocess_namegroup_num_procs\{groupname="bench_scan_load"\} (\d+)$/m.exec(text)?.[1]);
    if (!(found >= PROCESSES)) throw new Error(`the exporter sees ${found} processes`);
  }
  return ((cpuSecondsOf(program.pid) - before) * 1000) / SCRAPES;
}

async function scan(contained) {
  const result = JSON.parse(await runToEnd(binary('tests/bench/bench_scan'), [String(SCANS)]));
  const { processes, containers, fds } = result;
  if (processes < PROCESSES || (contained && (containers < CONTAINERS || fds < PROCESSES * FDS))) {
    throw new Error(`the scan sees ${processes} processes, ${containers} containers, ${fds} descriptors`);
  }
  return result;
}

async function scanCpu({ folder }) {
  const amounts = [PROCESSES, FDS, CONTAINERS].map(String);
  const load = new Program({ command: [binary('tests/bench/bench_scan_load'), ...amounts], log: path.join(folder, 'load.log') });
  const exporters = [];
  try {
    const { containers } = await load.ready();
    const full = await startExporter(folder, []);
    exporters.push(full);
    const lean = await startExporter(folder, ['-threads=false', '-gather-smaps=false']);
    exporters.push(lean);
    const ours = [];
    const theirs = [];
    const leanest = [];
    for (let i = 0; i < SLICES; i++) {
      theirs.push(await scrapeMs(full));
      ours.push(await scan(containers > 0));
      leanest.push(await scrapeMs(lean));
    }
    const value = median(ours.map(({ cpuMs }) => cpuMs));
    const peerValue = median(theirs);
    return {
      value,
      unit: 'ms of CPU',
      peer: "a scrape of Debian's prometheus-process-exporter",
      peerValue,
      ratio: peerValue / value,
      firstScanMs: median(ours.map(({ firstMs }) => firstMs)),
      containers: ours[0].containers,
      peerWithoutThreadsAndMapsMs: median(leanest),
      ratioWithoutThreadsAndMaps: median(leanest) / value,
    };
  } finally {
    for (const { program } of exporters) await program.stop();
    await load.stop();
  }
}

export const benchmarks = {
  scan_cpu: {
    help: `CPU of one scan: ${PROCESSES} processes with ${FDS} fds each in ${CONTAINERS} containers; aim: under 20 ms, 40 times less than process-exporter`,
    targets: ['bench_scan', 'bench_scan_load'],
    run: scanCpu,
  },
};
