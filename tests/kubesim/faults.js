/**
 * Faults on demand. A rule says which requests it befalls and what happens to them; the first rule that fits is used,
 * `times` times.
 */

/** Befall any request. */
const REQUEST_ACTIONS = ['status', 'hang', 'close', 'garbage', 'slow', 'truncate', 'delay'];
/** Befall a watch that has begun. */
const WATCH_ACTIONS = ['end', 'reset', 'stall', 'bad-frame', 'huge-frame', 'error-event', 'no-bookmarks'];
const VERBS = ['*', 'list', 'watch', 'get', 'log', 'create', 'update', 'patch', 'delete'];

/**
 * @typedef {object} Fault
 * @property {number} id
 * @property {string} action
 * @property {string} verb       list, watch, get, log, create, update, patch, delete or * for any
 * @property {string} resource   plural, or * for any
 * @property {string} agent      part of the User-Agent; "" for any
 * @property {number} times      how many requests it befalls; -1: every one
 * @property {number} skip       how many it lets pass before
 * @property {number} at         watches: after so many events
 * @property {number} status     status, error-event: the code
 * @property {string} [reason]   of the Status
 * @property {string} [message]
 * @property {number} [retryAfter] seconds
 * @property {number} bytesPerSecond slow
 * @property {number} delayMs    delay: it is looked at so much later
 */

const DEFAULTS = { verb: '*', resource: '*', agent: '', times: 1, skip: 0, at: 0, status: 500, bytesPerSecond: 2000, delayMs: 0 };

/** What went wrong in a rule, in words; undefined: nothing. */
function problem(rule) {
  if (![...REQUEST_ACTIONS, ...WATCH_ACTIONS].includes(rule.action)) {
    return `action "${rule.action}": one of ${[...REQUEST_ACTIONS, ...WATCH_ACTIONS].join(', ')} is wanted`;
  }
  if (!VERBS.includes(rule.verb)) return `verb "${rule.verb}": one of ${VERBS.join(', ')} is wanted`;
  const known = [...Object.keys(DEFAULTS), 'action', 'reason', 'message', 'retryAfter', 'id'];
  const unknown = Object.keys(rule).find((key) => !known.includes(key));
  return unknown && `a fault has no "${unknown}"`;
}

export class Faults {
  /** @type {Fault[]} */
  #rules = [];
  #lastId = 0;
  #befallen = 0;

  /** @param {Partial<Fault>} given @returns {Fault} */
  add(given) {
    const rule = { ...DEFAULTS, ...given };
    if (rule.action === 'error-event' && given.status === undefined) rule.status = 410;
    const wrong = problem(rule);
    if (wrong) throw new Error(wrong);
    rule.id = ++this.#lastId;
    this.#rules.push(rule);
    return rule;
  }

  /** @param {number} [id] all when left out */
  remove(id) {
    this.#rules = id === undefined ? [] : this.#rules.filter((rule) => rule.id !== id);
  }

  get rules() {
    return this.#rules.map((rule) => ({ ...rule }));
  }

  /** How many requests a fault befell. */
  get befallen() {
    return this.#befallen;
  }

  #take(actions, { verb, resource, agent }) {
    const index = this.#rules.findIndex(
      (rule) =>
        actions.includes(rule.action) &&
        (rule.verb === '*' || rule.verb === verb) &&
        (rule.resource === '*' || rule.resource === resource) &&
        agent.includes(rule.agent),
    );
    if (index < 0) return undefined;
    const rule = this.#rules[index];
    if (rule.skip > 0) {
      rule.skip--;
      return undefined;
    }
    if (rule.times > 0 && --rule.times === 0) this.#rules.splice(index, 1);
    this.#befallen++;
    return { ...rule };
  }

  /** The fault that befalls this request, if any. @returns {Fault | undefined} */
  forRequest(request) {
    return this.#take(REQUEST_ACTIONS, request);
  }

  /** The fault that befalls this watch, if any. @returns {Fault | undefined} */
  forWatch(request) {
    return this.#take(WATCH_ACTIONS, request);
  }
}
