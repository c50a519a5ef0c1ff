/** model_memory_5000_services: what the picture of a large cluster's services takes (bench_model_memory). */
import { binary } from './build.js';
import { runToEnd } from './process.js';

const SERVICES = 5000;
const ENDPOINTS = 150000;
const MIB = 1024 * 1024;

async function memory() {
  const { bytes, services } = JSON.parse(await runToEnd(binary('tests/bench/bench_model_memory'), [String(SERVICES), String(ENDPOINTS)]));
  return { value: Math.round((bytes / MIB) * 10) / 10, unit: 'MiB', services, endpoints: ENDPOINTS };
}

export const benchmarks = {
  model_memory_5000_services: {
    help: `resident memory of the model's Services and slices and of their states: ${SERVICES} Services, ${ENDPOINTS} endpoints on 5000 nodes; without the copies of Nodes and workloads`,
    targets: ['bench_model_memory'],
    run: memory,
  },
};
