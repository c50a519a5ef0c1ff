/** probe_schedule_*: how punctual thousands of checks are in one process, and its memory (bench_schedule). */
import http from 'node:http';
import { once } from 'node:events';
import { binary } from './build.js';
import { runToEnd } from './process.js';

const SECONDS = 20;

/** What is probed: it answers at once. @returns {Promise<http.Server>} on every loopback address */
async function startServer() {
  const server = http.createServer((request, response) => {
    response.end('ok');
  });
  server.keepAliveTimeout = 1000;
  server.listen(0, '0.0.0.0', 4096);
  await once(server, 'listening');
  return server;
}

async function schedule({ checks, intervalSeconds }) {
  const server = await startServer();
  try {
    const args = [server.address().port, checks, intervalSeconds, SECONDS].map(String);
    const { p99Ms, ...others } = JSON.parse(await runToEnd(binary('tests/bench/bench_schedule'), args));
    return { value: p99Ms, unit: 'ms', checks, intervalSeconds, ...others };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const benchmark = (load) => ({
  help:
    `99th percentile of how late runs begin, ${load.checks} checks over HTTP every ${load.intervalSeconds} s in one ` +
    'process; aim: < 5 ms, and < 24 MiB resident',
  targets: ['bench_schedule'],
  run: () => schedule(load),
});

export const benchmarks = {
  probe_schedule_5000: benchmark({ checks: 5000, intervalSeconds: 10 }),
};
