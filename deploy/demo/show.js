/** What the demo shows people: what happens as it happens, a summary, and where to look next. */

const LOOK_MS = 150;
const BAR = 24;

const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 };

/** WeCom's markdown as plain lines. */
const plain = (text) =>
  text
    .replace(/<font[^>]*>|<\/font>|\*\*/g, '')
    .replace(/\[([^\]]*)\]\(([^)]*)\)/g, '$1 $2')
    .trimEnd()
    .split('\n');

const clock = (time) => (time ?? '').slice(11, 19);
const pad = (text, width) => text + ' '.repeat(Math.max(0, width - text.length));

export class Show {
  #out;
  #quiet;
  #status = '';

  /** @param {{out: import('node:tty').WriteStream, quiet: boolean}} options `quiet` shows no single events */
  constructor({ out, quiet }) {
    this.#out = out;
    this.#quiet = quiet;
  }

  #style(name, text) {
    return this.#out.isTTY ? `\x1b[${STYLES[name]}m${text}\x1b[0m` : text;
  }

  #print(text = '') {
    this.#clear();
    this.#out.write(`${text}\n`);
    this.#draw();
  }

  #clear() {
    if (this.#out.isTTY && this.#status) this.#out.write('\r\x1b[K');
  }

  #draw() {
    if (this.#out.isTTY && this.#status) this.#out.write(this.#status);
  }

  #setStatus(text) {
    this.#clear();
    this.#status = text;
    this.#draw();
  }

  starting(lab, recording) {
    this.#print(`${this.#style('bold', 'Nightjar demo')}  ${recording}`);
    this.#print(`  nodes: ${lab.nodes.join(', ') || 'none'} (an agent for each); starting the programs`);
  }

  started(lab, { duration, speed }) {
    const minutes = `${Math.floor(duration / 60)} min ${Math.round(duration % 60)} s`;
    this.#print(`  REST and page  ${lab.apiUrl}/`);
    for (const node of lab.nodes) this.#print(`  agent ${pad(node, 9)}${lab.agentUrl(node)}/metrics`);
    this.#print(`  ${minutes} of a cluster, ${speed.toFixed(0)} times as fast as it happened\n`);
  }

  /** Shows what comes until stop() is called. */
  follow(lab) {
    const seen = { crashes: new Set(), incidents: new Map(), messages: 0 };
    let stopping = false;
    let begun;
    const look = async () => {
      const { time, endTime } = await lab.control('state');
      begun ??= Date.parse(time);
      if (!this.#quiet) {
        await this.#crashes(lab, seen);
        await this.#incidents(lab, seen);
        await this.#messages(lab, seen);
      }
      const share = Math.min(1, (Date.parse(time) - begun) / Math.max(1, Date.parse(endTime) - begun));
      const bar = '█'.repeat(Math.round(share * BAR)).padEnd(BAR, '░');
      const counts = `${seen.crashes.size} crashes, ${seen.incidents.size} incidents, ${seen.messages} messages`;
      this.#setStatus(`${clock(time)} ${bar} ${Math.round(share * 100)} %${this.#quiet ? '' : `  ${counts}`}`);
    };
    const running = (async () => {
      while (!stopping) {
        await look().catch(() => {}); // a look that fails is repeated
        await new Promise((resolve) => {
          setTimeout(resolve, LOOK_MS);
        });
      }
      await look().catch(() => {});
      this.#setStatus('');
    })();
    return {
      stop: () => {
        stopping = true;
        return running;
      },
    };
  }

  async #crashes(lab, seen) {
    const fresh = (await lab.crashes()).filter(({ id }) => !seen.crashes.has(id)).reverse();
    for (const { id, namespace, pod, container, finishedAt, exitCode, reason } of fresh) {
      seen.crashes.add(id);
      const { log } = await lab.crash(id);
      const words = log.text.trimEnd().split('\n').at(-1) || log.missing || '(empty log)';
      const what = this.#style('red', pad(`${exitCode} ${reason}`, 14));
      this.#print(`${clock(finishedAt)}  crash     ${what}  ${namespace}/${pod} ${container}  ${this.#style('dim', words)}`);
    }
  }

  async #incidents(lab, seen) {
    const incidents = (await lab.incidents()).sort((a, b) => a.id - b.id);
    for (const { id, state, kind, namespace, workloadKind, workload, firstAt, resolvedAt, resolvedCause } of incidents) {
      const before = seen.incidents.get(id);
      if (before === state) continue;
      seen.incidents.set(id, state);
      const isOpen = state === 'open';
      const what = isOpen ? this.#style('yellow', 'opened') : this.#style('green', `resolved: ${resolvedCause}`);
      const where = `${namespace}/${workload} (${workloadKind})`;
      this.#print(`${clock(isOpen ? firstAt : resolvedAt)}  incident  #${id} ${kind}  ${where}  ${what}`);
    }
  }

  async #messages(lab, seen) {
    const messages = await lab.messages();
    for (const { at, channel, msgtype, text, file } of messages.slice(seen.messages)) {
      const head = msgtype === 'file' ? `file ${file.name}, ${file.size} bytes` : '';
      this.#print(`${clock(at)}  WeCom     ${this.#style('cyan', channel)}  ${head}`);
      if (msgtype !== 'file') for (const line of plain(text)) this.#print(`            ${this.#style('dim', '│')} ${line}`);
    }
    seen.messages = messages.length;
  }

  summary(_lab, { crashes, lostCrashes, incidents, services, messages }) {
    const logs = crashes.filter(({ log }) => log.lines > 0).length;
    this.#print(`\n${this.#style('bold', 'What happened')}`);
    this.#print(
      `  ${crashes.length} crashes (${logs} with last words, ${lostCrashes} more that nobody saw), ` +
        `${incidents.length} incidents, ${messages.length} messages`,
    );
    for (const { kind, namespace, workload, container, state, count, suppressed } of incidents) {
      const name = pad(`${namespace}/${workload} ${container}`, 30);
      const note = suppressed ? `  not told: ${suppressed}` : '';
      this.#print(`  ${pad(kind, 14)} ${name} ${String(count).padStart(4)} ×  ${state}${note}`);
    }
    this.#services(services);
  }

  /** Those that were measured, with their outages. */
  #services(services) {
    const percent = (share) => (share === null ? '-' : `${(share * 100).toFixed(2)} %`);
    this.#print(`\n${this.#style('bold', 'When services were available')}`);
    for (const { namespace, service, outages, availability, coverage } of services) {
      const name = pad(`${namespace}/${service}`, 30);
      this.#print(`  ${name} ${percent(availability).padStart(9)}  of ${percent(coverage)} of the time that is known`);
      for (const { from, to, seconds, cause } of outages) {
        const length = seconds.toFixed(seconds < 0.1 ? 3 : 1); // never "0.0"
        this.#print(`      ${clock(from)} to ${clock(to) || '...'}  ${length.padStart(8)} s  ${cause}`);
      }
    }
  }

  whereToLook(lab) {
    const api = lab.apiUrl;
    this.#print(`\n${this.#style('bold', 'Where to look next')}`);
    this.#print(`  the page          ${api}/`);
    this.#print(`  open incidents    curl -s '${api}/api/v1/incidents?state=open'`);
    this.#print(`  crashes           curl -s '${api}/api/v1/crashes?limit=5'`);
    this.#print(`  a crash's log     curl -s ${api}/api/v1/crashes/ID/log`);
    this.#print(`  as they change    curl -N ${api}/api/v1/incidents/stream`);
    this.#print(`  how to ask        curl -s ${api}/openapi.json`);
    this.#print(`  metrics           curl -s ${api}/metrics ${lab.agentUrl()}/metrics`);
    this.#print(`  another crash     curl -s -d '{}' ${lab.cluster.control}/kubesim/crash`);
    this.#print(`  WeCom's messages  curl -s ${lab.wecom.control}/control/messages`);
    this.#print(`  logs, settings    ${lab.folder}`);
    this.#print('\nCtrl-C ends it.');
  }
}
