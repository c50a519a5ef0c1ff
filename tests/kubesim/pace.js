/**
 * Keeps time from running ahead of programs that get no processor. Each has one loop that reads its watches and answers
 * HTTP: two answers, one after the other, mean that it has seen what was sent before.
 */
import http from 'node:http';

const ANSWERS = 2;
const TIMEOUT_MS = 2000;

export class Pace {
  #urls = [];
  #connections = new http.Agent({ keepAlive: true });

  /** @param {string[]} urls of programs that time waits for; one that does not answer is not waited for */
  follow(urls) {
    this.#urls = urls;
  }

  async wait() {
    for (let round = 0; round < ANSWERS; round++) {
      await Promise.all(this.#urls.map((url) => this.#ask(url)));
    }
  }

  #ask(url) {
    return new Promise((resolve) => {
      const request = http.get(url, { agent: this.#connections, timeout: TIMEOUT_MS }, (response) => {
        response.resume();
        response.on('close', resolve);
      });
      request.on('timeout', () => request.destroy());
      request.on('error', resolve);
    });
  }

  stop() {
    this.#urls = [];
    this.#connections.destroy();
  }
}
