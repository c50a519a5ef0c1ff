/** Waiting for what is to happen: never for a time to pass. */

const POLL_MS = 15;

/**
 * Calls `check` until it returns something true, and returns that.
 * @template T
 * @param {() => T | Promise<T>} check
 * @param {object} options
 * @param {string} options.what       for the message when it does not happen
 * @param {number} [options.timeoutMs]
 * @param {import('./process.js').Program[]} [options.programs] that must go on running meanwhile
 * @returns {Promise<T>}
 */
export async function until(check, { what, timeoutMs = 60_000, programs = [] }) {
  const deadline = performance.now() + timeoutMs;
  let trouble;
  for (;;) {
    try {
      const value = await check();
      if (value) return value;
      trouble = undefined;
    } catch (error) {
      trouble = error;
    }
    for (const program of programs) {
      if (!program.isRunning) {
        throw new Error(`${program.name} ended (${JSON.stringify(program.exit)}) before ${what}\n${program.logTail()}`);
      }
    }
    if (performance.now() > deadline) {
      throw new Error(`not within ${timeoutMs / 1000} s: ${what}${trouble ? ` (${trouble.message})` : ''}`);
    }
    await pause(POLL_MS);
  }
}

/** Between two looks. */
export const pause = (ms) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
