#!/usr/bin/env node
/** The benchmarks' front: builds, runs, prints. */
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build, BUILD } from './build.js';
import { benchmarks as crash } from './crash.js';
import { benchmarks as decide } from './decide.js';
import { benchmarks as decode } from './decode.js';
import { benchmarks as forecast } from './forecast.js';
import { benchmarks as full } from './full.js';
import { benchmarks as ingest } from './ingest.js';
import { benchmarks as model } from './model.js';
import { benchmarks as pods } from './pods.js';
import { benchmarks as probe } from './probe.js';
import { benchmarks as rollups } from './rollups.js';
import { benchmarks as scan } from './scan.js';
import { benchmarks as schedule } from './schedule.js';
import { benchmarks as sla } from './sla.js';

const EXIT_USAGE = 64;
const benchmarks = { ...decode, ...pods, ...ingest, ...rollups, ...crash, ...schedule, ...probe, ...scan, ...full, ...forecast, ...decide, ...sla, ...model };

const names = Object.keys(benchmarks);
const widest = Math.max(...names.map(({ length }) => length));
const list = names.map((name) => `  ${name.padEnd(widest)}  ${benchmarks[name].help}\n`).join('');
const HELP = `Usage: ./tests/bench/run.sh [NAME...] [--json]

Builds release binaries into build/bench and runs benchmarks, all of them when none is named. Prints a table, or with --json
one object {"NAME": {"value", "unit", "peer", "peerValue", "ratio", ...}} on stdout and everything else on stderr. The peer's
fields are there where one was measured in the same run. Nothing is asserted about a time.

  --list   the names
  --help

${list}`;

class UsageError extends Error {}

/** @returns {{names: string[], json: boolean, list: boolean, help: boolean}} */
function parse(args) {
  const options = { json: { type: 'boolean' }, list: { type: 'boolean' }, help: { type: 'boolean' } };
  let parsed;
  try {
    parsed = parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error.message);
  }
  const unknown = parsed.positionals.filter((name) => !(name in benchmarks));
  if (unknown.length > 0) {
    throw new UsageError(`no benchmark is called ${unknown.join(', ')}; there are ${names.join(', ')}`);
  }
  const wanted = parsed.positionals.length > 0 ? [...new Set(parsed.positionals)] : names;
  return { names: wanted, ...parsed.values };
}

/** Three significant digits are what a benchmark can promise. */
const round = (value) => (typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value);
const roundAll = (result) => Object.fromEntries(Object.entries(result).map(([key, value]) => [key, round(value)]));

async function runOne(name) {
  // On the disk that the build is on: databases below a /tmp in memory would commit too easily.
  const folder = fs.mkdtempSync(path.join(BUILD, `${name}-`));
  process.stderr.write(`bench: ${name}\n`);
  let result;
  try {
    result = await benchmarks[name].run({ folder });
  } catch (error) {
    throw new Error(`${name}: ${error.message}\nits logs are kept in ${folder}`);
  }
  fs.rmSync(folder, { recursive: true, force: true });
  return roundAll(result);
}

function printTable(results) {
  const standard = ['value', 'unit', 'peer', 'peerValue', 'ratio'];
  for (const [name, result] of Object.entries(results)) {
    const { value, unit, peer, peerValue, ratio } = result;
    const compared = peer ? `   ${ratio} times ${peer} (${peerValue})` : '';
    process.stdout.write(`${name.padEnd(widest)}  ${String(value).padStart(10)} ${unit}${compared}\n`);
    for (const [key, extra] of Object.entries(result)) {
      if (!standard.includes(key)) process.stdout.write(`${' '.repeat(widest)}  ${String(extra).padStart(10)} ${key}\n`);
    }
  }
}

async function main() {
  const options = parse(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  if (options.list) {
    process.stdout.write(`${names.join('\n')}\n`);
    return;
  }
  build([...new Set(options.names.flatMap((name) => benchmarks[name].targets))]);
  const results = {};
  for (const name of options.names) results[name] = await runOne(name);
  if (options.json) process.stdout.write(`${JSON.stringify(results)}\n`);
  else printTable(results);
}

main().catch((error) => {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : 1;
});
