/**
 * A Service and its Deployment in kubesim, with real HTTP servers standing in as pods: each on a loopback address of its own,
 * all on one port, as pods are. A stand-in for kube-proxy forwards from the Service's address to the pods that are ready.
 */
import { createHash, randomUUID } from 'node:crypto';
import http from 'node:http';
import net from 'node:net';
import { listen, shut } from './http.js';
import { freePort } from './ports.js';
import { ask } from './lab.js';

/** Loopback is 127.0.0.0/8: every test run takes a network of its own. */
let lastAddress = (2 + (process.pid % 120)) * 65536;
const nextAddress = () => {
  lastAddress += lastAddress % 256 === 254 ? 2 : 1;
  return `127.${(lastAddress >> 16) & 255}.${(lastAddress >> 8) & 255}.${lastAddress & 255}`;
};

const now = () => new Date().toISOString().replace(/\.\d+Z$/, 'Z');
const CONDITIONS = ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'];

const answerOk = (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/plain' });
  response.end('ok\n');
};

/** One pod: its object in kubesim, and its server. */
export class Pod {
  /** @type {{at: number, method: string, url: string}[]} every request that reached it */
  requests = [];
  connections = 0;

  constructor(workload, hash) {
    this.workload = workload;
    this.hash = hash;
    this.name = `${workload.name}-${hash}-${randomUUID().slice(0, 5)}`;
    this.uid = randomUUID();
    this.address = nextAddress();
    this.answer = workload.answer;
    this.isReady = false;
    this.isDeleting = false;
  }

  get path() {
    return `/api/v1/namespaces/${this.workload.namespace}/pods`;
  }

  #status(ready) {
    const { container } = this.workload;
    return {
      phase: 'Running',
      hostIP: '127.0.0.1',
      podIP: this.address,
      podIPs: [{ ip: this.address }],
      startTime: this.createdAt,
      conditions: CONDITIONS.map((type) => ({
        type,
        status: ready || !/Ready/.test(type) ? 'True' : 'False',
        lastTransitionTime: now(),
      })),
      containerStatuses: [
        {
          name: container.name,
          image: container.image,
          imageID: '',
          ready,
          started: true,
          restartCount: 0,
          containerID: `containerd://${createHash('sha256').update(this.uid).digest('hex')}`,
          state: { running: { startedAt: this.createdAt } },
          lastState: {},
        },
      ],
    };
  }

  /** The pod is there and has its address; its server may listen later than that. */
  async create() {
    const { workload } = this;
    this.createdAt = now();
    await workload.write('POST', this.path, {
      metadata: {
        name: this.name,
        uid: this.uid,
        labels: { ...workload.selector, 'pod-template-hash': this.hash, ...workload.podLabels },
        annotations: workload.podAnnotations,
        ownerReferences: [
          {
            apiVersion: 'apps/v1',
            kind: 'ReplicaSet',
            name: `${workload.name}-${this.hash}`,
            uid: workload.replicaSetUid(this.hash),
            controller: true,
          },
        ],
      },
      spec: { nodeName: workload.node, restartPolicy: 'Always', containers: [workload.container] },
      status: this.#status(false),
    });
    this.seenAt = Date.now();
  }

  async listen() {
    this.server = http.createServer((request, response) => {
      this.requests.push({ at: Date.now(), method: request.method, url: request.url });
      response.setHeader('connection', 'close');
      this.answer(request, response, this);
    });
    this.server.on('connection', () => this.connections++);
    await listen(this.server, this.address, this.workload.podPort);
  }

  async setReady(ready) {
    this.isReady = ready;
    await this.workload.write('PATCH', `${this.path}/${this.name}`, { status: this.#status(ready) });
    await this.workload.writeSlice();
  }

  /** @param {object} patch what is different in its object from now on */
  async change(patch) {
    await this.workload.write('PATCH', `${this.path}/${this.name}`, patch);
  }

  /** As the API server does when somebody deletes it: it is told, and goes after its grace. */
  async beginDeletion() {
    this.isDeleting = true;
    this.deletedAt = Date.now();
    await this.workload.write('PATCH', `${this.path}/${this.name}`, {
      metadata: { deletionTimestamp: now(), deletionGracePeriodSeconds: 30 },
    });
    await this.workload.writeSlice();
  }

  async endDeletion() {
    if (this.server) await shut(this.server);
    await this.workload.write('DELETE', `${this.path}/${this.name}`);
    this.workload.pods = this.workload.pods.filter((pod) => pod !== this);
    this.workload.gone.push(this);
    await this.workload.writeSlice();
  }
}

export class Workload {
  /** @type {Pod[]} */
  pods = [];
  /** @type {Pod[]} */
  gone = [];
  generation = 0;

  /**
   * @param {import('./lab.js').Lab} lab
   * @param {object} options
   * @param {string} options.name
   * @param {string} [options.namespace]
   * @param {string} [options.node]
   * @param {object} [options.annotations]     of the Service
   * @param {object} [options.podAnnotations]
   * @param {object} [options.podLabels]
   * @param {object} [options.container]       more of the container's spec: probes, ports
   * @param {object[]} [options.ports]         of the Service; one named http by default
   * @param {(request, response, pod: Pod) => void} [options.answer]
   */
  constructor(lab, options) {
    Object.assign(this, {
      lab,
      namespace: 'shop',
      node: lab.nodes[0],
      annotations: {},
      podAnnotations: {},
      podLabels: {},
      answer: answerOk,
      ...options,
    });
    this.selector = { app: this.name };
    this.clusterIp = nextAddress();
  }

  replicaSetUid(hash) {
    return `rs-${this.namespace}-${this.name}-${hash}`;
  }

  get hash() {
    return createHash('sha256').update(`${this.name}/${this.generation}`).digest('hex').slice(0, 9);
  }

  async write(method, path, json) {
    const url = `${this.lab.cluster.api}${path}`;
    const headers = method === 'PATCH' ? { 'content-type': 'application/merge-patch+json' } : {};
    const { status, text } = await ask(url, { method, body: json, headers });
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
  }

  /** Service, Deployment, slice and the forwarder; no pod yet. */
  async create() {
    this.podPort = await freePort();
    this.servicePort = await freePort();
    this.container = {
      name: this.name,
      image: `registry.example/${this.name}:1`,
      ports: [{ name: 'http', containerPort: this.podPort, protocol: 'TCP' }],
      ...this.container,
    };
    const ports = this.ports ?? [{ name: 'http', port: this.servicePort, targetPort: 'http', protocol: 'TCP' }];
    const { namespace, name, selector, annotations } = this;
    await this.write('POST', `/api/v1/namespaces/${namespace}/services`, {
      metadata: { name, annotations },
      spec: {
        type: 'ClusterIP',
        clusterIP: this.clusterIp,
        clusterIPs: [this.clusterIp],
        ipFamilies: ['IPv4'],
        selector,
        ports,
      },
      status: { loadBalancer: {} },
    });
    await this.write('POST', `/apis/apps/v1/namespaces/${namespace}/deployments`, {
      metadata: { name, uid: `deployment-${namespace}-${name}`, generation: 1 },
      spec: {
        replicas: 0,
        selector: { matchLabels: selector },
        template: { metadata: { labels: selector }, spec: { containers: [this.container] } },
        progressDeadlineSeconds: 600,
        strategy: {},
      },
      status: {},
    });
    await this.#writeReplicaSet();
    await this.write('POST', `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, this.#slice());
    this.forwarder = net.createServer((socket) => this.#forward(socket));
    await listen(this.forwarder, this.clusterIp, this.servicePort);
  }

  async #writeReplicaSet() {
    const { namespace, name, hash, selector } = this;
    await this.write('POST', `/apis/apps/v1/namespaces/${namespace}/replicasets`, {
      metadata: {
        name: `${name}-${hash}`,
        uid: this.replicaSetUid(hash),
        ownerReferences: [
          { apiVersion: 'apps/v1', kind: 'Deployment', name, uid: `deployment-${namespace}-${name}`, controller: true },
        ],
      },
      spec: { replicas: 0, selector: { matchLabels: selector }, template: { metadata: {}, spec: { containers: [] } } },
      status: {},
    });
  }

  #slice() {
    return {
      metadata: { name: `${this.name}-slice`, labels: { 'kubernetes.io/service-name': this.name } },
      addressType: 'IPv4',
      ports: [{ name: 'http', protocol: 'TCP', port: this.podPort }],
      endpoints: this.pods.map((pod) => ({
        addresses: [pod.address],
        nodeName: this.node,
        conditions: { ready: pod.isReady && !pod.isDeleting, serving: pod.isReady, terminating: pod.isDeleting },
        targetRef: { kind: 'Pod', name: pod.name, namespace: this.namespace, uid: pod.uid },
      })),
    };
  }

  async writeSlice() {
    const path = `/apis/discovery.k8s.io/v1/namespaces/${this.namespace}/endpointslices/${this.name}-slice`;
    await this.write('PATCH', path, this.#slice());
  }

  /** To a ready pod, in turn; refused when there is none, as kube-proxy has it. */
  #forward(socket) {
    const ready = this.pods.filter((pod) => pod.isReady && !pod.isDeleting);
    if (ready.length === 0) {
      socket.resetAndDestroy();
      return;
    }
    this.turn = ((this.turn ?? -1) + 1) % ready.length;
    const peer = net.connect(this.podPort, ready[this.turn].address);
    socket.on('error', () => peer.destroy());
    peer.on('error', () => socket.resetAndDestroy());
    socket.pipe(peer);
    peer.pipe(socket);
  }

  /** One pod more, up to being Ready. @param {{listens?: boolean, ready?: boolean}} [how] */
  async addPod({ listens = true, ready = true } = {}) {
    const pod = new Pod(this, this.hash);
    this.pods.push(pod);
    await pod.create();
    if (listens) await pod.listen();
    if (listens && ready) await pod.setReady(true);
    else await this.writeSlice();
    return pod;
  }

  async removePod(pod) {
    await pod.beginDeletion();
    await pod.endDeletion();
  }

  async scale(count) {
    while (this.pods.length < count) await this.addPod();
    while (this.pods.length > count) await this.removePod(this.pods.at(-1));
  }

  /**
   * A rolling update: for each old pod a new one, which begins to listen late and is Ready later still, as real programs.
   * @param {(pod: Pod) => Promise<void>} [starting] with each new pod before it listens
   */
  async rollout(starting = async () => {}) {
    const old = [...this.pods];
    this.generation++;
    await this.#writeReplicaSet();
    for (const pod of old) {
      const fresh = await this.addPod({ listens: false });
      await starting(fresh);
      await fresh.listen();
      await fresh.setReady(true);
      await this.removePod(pod);
    }
  }

  /** Everything of it goes, as when its namespace is deleted: what pods need before the pods. */
  async vanish() {
    const { namespace, name } = this;
    await this.write('DELETE', `/api/v1/namespaces/${namespace}/services/${name}`);
    await this.write('DELETE', `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`);
    await this.scale(0);
    await this.write('DELETE', `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices/${name}-slice`);
  }

  async close() {
    if (this.forwarder) await shut(this.forwarder);
    for (const pod of this.pods) if (pod.server) await shut(pod.server);
  }
}
