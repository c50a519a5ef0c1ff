/** probe_rate: probes a second on one core, each over a new connection, beside Debian's blackbox_exporter. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { binary, BUILD } from './build.js';
import { cpuSecondsOf, freePort, Program, runToEnd, until } from './process.js';
import { ask } from './services.js';

const HOSTS = 8; // as many addresses of one nginx, so that no port of ours is used again too soon
const CONCURRENCY = 64;
const SLICES = 3; // of each, in turn: what else the machine does meets both
const SLICE_SECONDS = 3;
const PROBER_CORE = 0;
export const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

/** Where a Debian package's program is: installed, else unpacked aside, as installing it would start a service. */
export function tool(name, package_) {
  const unpacked = path.join(BUILD, 'tools');
  const places = ['/usr/bin', '/usr/sbin'].flatMap((place) => [path.join(place, name), path.join(unpacked, place, name)]);
  const find = () => places.find((file) => fs.existsSync(file));
  if (!find()) {
    process.stderr.write(`bench: fetching ${package_}\n`);
    fs.mkdirSync(unpacked, { recursive: true });
    const command = `apt-get download -qq ${package_} && dpkg-deb -x ${package_}_*.deb .`;
    const { status } = spawnSync('sh', ['-c', command], { cwd: unpacked, stdio: ['ignore', 'ignore', 'inherit'] });
    if (status !== 0 || !find()) throw new Error(`the Debian package ${package_} cannot be fetched`);
  }
  return find();
}

export const pinned = (core, command) => (os.cpus().length > 1 ? ['taskset', '-c', String(core), ...command] : command);

const isUp = (program, url) =>
  until(async () => {
    program.check();
    return (await ask(url)).status === 200;
  }, `${url} answering`);

async function startNginx(folder) {
  const port = await freePort();
  const listen = Array.from({ length: HOSTS }, (_, i) => `listen 127.0.0.${i + 1}:${port};`).join(' ');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((of) => `${of}_temp_path ${folder}/${of};`).join(' ');
  const file = path.join(folder, 'nginx.conf');
  fs.writeFileSync(
    file,
    `${process.getuid() === 0 ? 'user root;' : ''} daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr;
events { worker_connections 1024; }
http { access_log off; ${temporary}
  server { ${listen} location = / { default_type text/plain; return 200 'hello from the page'; } } }
`,
  );
  const command = [tool('nginx', 'nginx'), '-e', 'stderr', '-p', folder, '-c', file];
  const program = new Program({ command: pinned(1, command), log: path.join(folder, 'nginx.log') });
  await isUp(program, `http://127.0.0.1:${port}/`);
  return { program, port };
}

async function startBlackbox(folder) {
  const port = await freePort();
  const file = path.join(folder, 'blackbox.yml');
  fs.writeFileSync(file, 'modules:\n  http_2xx: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4}}\n');
  const options = [`--config.file=${file}`, `--web.listen-address=127.0.0.1:${port}`, '--log.level=error'];
  const command = [tool('prometheus-blackbox-exporter', 'prometheus-blackbox-exporter'), ...options];
  const program = new Program({ command: pinned(PROBER_CORE, command), log: path.join(folder, 'blackbox.log') });
  await isUp(program, `http://127.0.0.1:${port}/-/healthy`);
  return { program, port };
}

async function engineSlice(nginxPort) {
  const args = [nginxPort, HOSTS, SLICE_SECONDS, CONCURRENCY].map(String);
  const [program, ...rest] = pinned(PROBER_CORE, [binary('tests/bench/bench_probe_rate'), ...args]);
  const { probes, failures, seconds, cpuSeconds } = JSON.parse(await runToEnd(program, rest));
  if (failures > 0) throw new Error(`${failures} of ${probes} probes failed`);
  return { rate: probes / seconds, cpuMicroseconds: (cpuSeconds * 1e6) / probes };
}

function askBlackbox(agent, port, target) {
  const query = `/probe?module=http_2xx&target=${encodeURIComponent(target)}`;
  return new Promise((resolve, reject) => {
    const request = http.get({ agent, host: '127.0.0.1', port, path: query }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece) => {
        text += piece;
      });
      response.on('end', () => resolve(text.includes('\nprobe_success 1')));
    });
    request.on('error', reject);
  });
}

async function blackboxSlice({ program, port }, nginxPort) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: CONCURRENCY });
  const cpuBefore = cpuSecondsOf(program.pid);
  const begin = performance.now();
  let probes = 0;
  const work = async () => {
    while (performance.now() - begin < SLICE_SECONDS * 1000) {
      const target = `http://127.0.0.${(probes++ % HOSTS) + 1}:${nginxPort}/`;
      if (!(await askBlackbox(agent, port, target))) throw new Error(`blackbox_exporter's probe of ${target} failed`);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  const seconds = (performance.now() - begin) / 1000;
  agent.destroy();
  return { rate: probes / seconds, cpuMicroseconds: ((cpuSecondsOf(program.pid) - cpuBefore) * 1e6) / probes };
}

async function probeRate({ folder }) {
  const nginx = await startNginx(folder);
  try {
    const blackbox = await startBlackbox(folder);
    const ours = [];
    const theirs = [];
    try {
      for (let i = 0; i < SLICES; i++) {
        theirs.push(await blackboxSlice(blackbox, nginx.port));
        ours.push(await engineSlice(nginx.port));
      }
    } finally {
      await blackbox.program.stop();
    }
    const of = (slices, key) => median(slices.map((slice) => slice[key]));
    return {
      value: of(ours, 'rate'),
      unit: 'probes/s',
      peer: "Debian's prometheus-blackbox-exporter on the same core, against the same nginx",
      peerValue: of(theirs, 'rate'),
      ratio: of(ours, 'rate') / of(theirs, 'rate'),
      cpuMicrosecondsPerProbe: of(ours, 'cpuMicroseconds'),
      peerCpuMicrosecondsPerProbe: of(theirs, 'cpuMicroseconds'),
      cpuRatio: of(theirs, 'cpuMicroseconds') / of(ours, 'cpuMicroseconds'),
    };
  } finally {
    await nginx.program.stop();
  }
}

export const benchmarks = {
  probe_rate: {
    help: 'HTTP probes a second on one core, each over a new connection; aim: 8 times blackbox_exporter',
    targets: ['bench_probe_rate'],
    run: probeRate,
  },
};
