/** Something that happened and that others may wait for: tests wait for events, never for time. */
export class Signal {
  #waiters = new Set();

  /** Tells everybody who waits to look again. */
  notify() {
    for (const look of [...this.#waiters]) look();
  }

  /**
   * Resolves when `condition()` is true, at once or after a later notify().
   * @param {() => boolean} condition
   * @param {number} timeoutMs after which it rejects
   */
  until(condition, timeoutMs) {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!condition()) return false;
        clearTimeout(timer);
        this.#waiters.delete(look);
        resolve();
        return true;
      };
      const timer = setTimeout(() => {
        this.#waiters.delete(look);
        reject(new Error(`did not happen within ${timeoutMs} ms`));
      }, timeoutMs);
      if (!look()) this.#waiters.add(look);
    });
  }
}
