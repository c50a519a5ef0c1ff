/** The simulator as one thing: a simulation, the API that shows it, the control API. */
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { makeCertificates, tlsOptions } from '../lib/certificates.js';
import { listen, shut } from '../lib/http.js';
import { Signal } from '../lib/signals.js';
import { Access, writeKubeconfigs } from './access.js';
import { ApiServer } from './api.js';
import { makeControl } from './control.js';
import { Faults } from './faults.js';
import { Simulation } from './simulation.js';

const NOTIFY_MS = 5;

export class Kubesim {
  faults = new Faults();
  changed = new Signal();
  #options;
  #ownFolder = false;
  #server;
  #control;
  #ticker;

  /** @param {ReturnType<import('./options.js').parseOptions>} options */
  constructor(options) {
    this.#options = options;
    this.access = new Access({ required: options.auth, tokens: [options.token] });
    this.simulation = new Simulation(options);
    const { store, logs, counters } = this.simulation;
    const { faults, access } = this;
    this.api = new ApiServer({ store, logs, faults, counters, access, watchList: options.watchList });
    for (const fault of options.faults) faults.add(fault);
  }

  get tokenFile() {
    return path.join(this.folder, 'token');
  }

  /** Starts everything. @returns {Promise<object>} what users of it need: URLs and files */
  async start() {
    const { listen: where, control, tls, token, stateDir, start } = this.#options;
    this.#ownFolder = !stateDir;
    this.folder = path.resolve(stateDir ?? fs.mkdtempSync(path.join(os.tmpdir(), 'kubesim-')));
    if (tls) await makeCertificates(this.folder);
    await this.simulation.timeline.prepare();
    await this.#listen(where.host, where.port);
    this.#control = http.createServer(makeControl(this));
    const controlPort = await listen(this.#control, control.host, control.port);
    const server = `${tls ? 'https' : 'http'}://${where.host}:${this.port}`;
    const files = writeKubeconfigs(this.folder, server, { tls, token });
    this.#watchForChanges();
    if (start === 'now') this.simulation.timeline.start();
    return {
      api: server,
      control: `http://${control.host}:${controlPort}`,
      kubeconfig: files.kubeconfig,
      kubeconfigToken: files['kubeconfig-token'],
      kubeconfigTokenFile: files['kubeconfig-token-file'],
      tokenFile: this.tokenFile,
      clockFile: this.#options.clockFile,
      podLogs: this.#options.podLogs,
    };
  }

  async #listen(host, port) {
    const { handler } = this.api;
    this.#server = this.#options.tls
      ? https.createServer(tlsOptions(this.folder), handler)
      : http.createServer(handler);
    this.#server.keepAliveTimeout = 60_000;
    this.port = await listen(this.#server, host, port);
  }

  /** Wakes those who wait in the control API, some milliseconds after anything changed. */
  #watchForChanges() {
    const { counters, timeline } = this.simulation;
    const beginsWithWatch = this.#options.start === 'watch';
    this.#ticker = setInterval(() => {
      if (beginsWithWatch && !timeline.started && counters.open('pods') > 0) timeline.start();
      this.changed.notify();
    }, NOTIFY_MS);
  }

  /** The server goes, cutting all connections, and comes back on the same port. */
  async restart({ downSeconds = 0, compact = false }) {
    await shut(this.#server);
    if (compact) for (const collection of this.simulation.store.collections) collection.compact();
    await new Promise((resolve) => {
      setTimeout(resolve, downSeconds * 1000);
    });
    await this.#listen(this.#options.listen.host, this.port);
  }

  async stop() {
    clearInterval(this.#ticker);
    await this.simulation.stop();
    await Promise.all([shut(this.#server), shut(this.#control)]);
    if (this.#ownFolder) fs.rmSync(this.folder, { recursive: true, force: true });
  }
}
