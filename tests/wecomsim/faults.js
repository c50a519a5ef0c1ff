/** Failures on demand. The first rule that fits a request is used, `times` times. */

const ACTIONS = ['errcode', 'status', 'hang', 'close', 'half-answer', 'garbage', 'slow'];
const DEFAULTS = { path: '', times: 1, skip: 0, accept: false, errcode: -1, status: 500, seconds: 1 };

/**
 * @typedef {object} Fault
 * @property {number} id
 * @property {string} action   errcode (an answer with it), status (HTTP), hang, close (reset), half-answer (cut off in its
 *   middle), garbage, slow (answers after `seconds`)
 * @property {string} path     part of the request's path and query, e.g. "webhook/send", "key=one", "/hook/"; "" for any
 * @property {number} times    how many requests it befalls; -1: every one
 * @property {number} skip     how many it lets pass before
 * @property {boolean} accept  whether the message counts as received nevertheless; slow always lets it
 */
export class Faults {
  /** @type {Fault[]} */
  #rules = [];
  #lastId = 0;

  /** @param {Partial<Fault>} given @returns {Fault} */
  add(given) {
    if (!ACTIONS.includes(given.action))
      throw new Error(`action "${given.action}": one of ${ACTIONS.join(', ')} is wanted`);
    const unknown = Object.keys(given).find((key) => key !== 'action' && !(key in DEFAULTS));
    if (unknown) throw new Error(`a fault has no "${unknown}"`);
    const rule = { ...DEFAULTS, ...given, id: ++this.#lastId };
    this.#rules.push(rule);
    return rule;
  }

  /** @param {number} [id] all when left out */
  remove(id) {
    this.#rules = id === undefined ? [] : this.#rules.filter((rule) => rule.id !== id);
  }

  get rules() {
    return this.#rules;
  }

  /** @param {string} path with query @returns {Fault | undefined} */
  take(path) {
    const index = this.#rules.findIndex((rule) => path.includes(rule.path));
    if (index < 0) return undefined;
    const rule = this.#rules[index];
    if (rule.skip > 0) {
      rule.skip--;
      return undefined;
    }
    if (rule.times > 0 && --rule.times === 0) this.#rules.splice(index, 1);
    return rule;
  }
}
