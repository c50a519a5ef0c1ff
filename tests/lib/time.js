/** Wall time as BigInt nanoseconds since 1970, and as RFC 3339 text. */

export const NS_PER_MS = 1_000_000n;
export const NS_PER_SEC = 1_000_000_000n;

const RFC3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

/** @returns {bigint | undefined} undefined when `text` is no time */
export function parseTime(text) {
  const match = RFC3339.exec(text);
  if (!match) return undefined;
  const [, seconds, fraction = '', zone] = match;
  const ms = Date.parse(`${seconds}${zone}`);
  return Number.isNaN(ms) ? undefined : BigInt(ms) * NS_PER_MS + BigInt(fraction.padEnd(9, '0'));
}

/** @param {bigint} ns @param {number} digits of the fraction, 0 to 9 */
export function formatTime(ns, digits = 0) {
  const seconds = new Date(Number(ns / NS_PER_SEC) * 1000).toISOString().slice(0, 19);
  const fraction = String(ns % NS_PER_SEC)
    .padStart(9, '0')
    .slice(0, digits);
  return digits > 0 ? `${seconds}.${fraction}Z` : `${seconds}Z`;
}

/** `text` moved by `shift` with its precision kept; anything that is no time stays as it is. @param {bigint} shift */
export function shiftTime(text, shift) {
  const ns = parseTime(text);
  if (ns === undefined) return text;
  return formatTime(ns + shift, RFC3339.exec(text)[2]?.length ?? 0);
}

export const realNow = () => BigInt(Date.now()) * NS_PER_MS;

export const fromSeconds = (seconds) => BigInt(Math.round(seconds * 1e9));
export const toSeconds = (ns) => Number(ns) / 1e9;
