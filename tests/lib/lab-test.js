/** A test that runs in a Lab: ended cleanly, checked for sanitizer reports, its logs shown when it fails. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../kubesim/generate.js';
import { Lab } from './lab.js';

const KEEP = process.env.NIGHTJAR_KEEP === '1';

/** Versions of tests that take hours. */
export const isLong = process.env.NIGHTJAR_LONG === '1';

function showLogs(lab) {
  for (const program of lab.programs) {
    const tail = program.logTail(40).trim();
    const state = program.isRunning ? 'runs' : `ended: ${JSON.stringify(program.exit)}`;
    if (tail || !program.isRunning) process.stderr.write(`---- ${program.name} (${program.log}) ${state}\n${tail}\n`);
  }
}

/**
 * @template T
 * @param {import('node:test').TestContext} t
 * @param {ConstructorParameters<typeof Lab>[0]} options
 * @param {(lab: Lab) => Promise<T>} run
 */
export async function inLab(t, options, run) {
  const lab = new Lab(options);
  let keep = false;
  t.after(() => lab.destroy({ keep })); // also when the time is over
  try {
    await run(lab);
    const exits = await lab.stopPrograms();
    for (const [program, exit] of Object.entries(exits)) {
      assert.deepEqual(exit, { code: 0, signal: null }, `${program} drains and ends with 0 on SIGTERM`);
    }
    assert.deepEqual(lab.sanitizerReports(), []);
  } catch (error) {
    keep = KEEP;
    showLogs(lab);
    throw error;
  } finally {
    await lab.destroy({ keep });
  }
}

/**
 * @param {string} name
 * @param {ConstructorParameters<typeof Lab>[0] & {timeoutMs?: number, skip?: string}} options
 * @param {(lab: Lab, t: import('node:test').TestContext) => Promise<void>} run
 */
export function labTest(name, options, run) {
  test(name, { timeout: options.timeoutMs ?? 600_000, skip: options.skip }, (t) => inLab(t, options, (lab) => run(lab, t)));
}

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

/**
 * Random numbers that can be had again with SEED=N, which is told.
 * @param {number} [salt] makes others of the same seed
 * @returns {{random: () => number, seed: number}}
 */
export function seeded(t, salt = 0) {
  t.diagnostic(`SEED=${SEED}`);
  return { seed: SEED, random: seededRandom(SEED + salt * 7919) };
}
