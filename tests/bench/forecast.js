/** node_loss_forecast_*: what foreseeing the loss of every node costs (bench_forecast). */
import { binary } from './build.js';
import { runToEnd } from './process.js';

const USUAL_PERCENT = 60;
const FULL_PERCENT = 130;

async function measure(nodes, pods, percent) {
  const args = [nodes, pods, percent].map(String);
  return JSON.parse(await runToEnd(binary('tests/bench/bench_forecast'), args));
}

async function forecast(nodes, pods) {
  const usual = await measure(nodes, pods, USUAL_PERCENT);
  const full = await measure(nodes, pods, FULL_PERCENT);
  return {
    value: usual.cpuMs,
    unit: 'ms',
    ...(usual.peerCpuMs !== undefined && {
      peer: 'each pod held against every node, without what falls afterwards',
      peerValue: usual.peerCpuMs,
      ratio: usual.peerCpuMs / usual.cpuMs,
    }),
    longestStepMs: Math.max(usual.longestStepMs, full.longestStepMs),
    nothingFitsMs: full.cpuMs,
    nodes,
    pods,
  };
}

const benchmark = (nodes, pods) => ({
  help: `CPU time of one forecast: each of ${nodes} nodes lost once, ${pods} pods placed by requests and by use`,
  targets: ['bench_forecast'],
  run: () => forecast(nodes, pods),
});

export const benchmarks = {
  node_loss_forecast_1000: benchmark(1000, 30000),
  node_loss_forecast_5000: benchmark(5000, 150000),
};
