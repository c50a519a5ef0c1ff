/**
 * A session that never was: workloads, their pods and what Kubernetes' controllers do to them, in the form of a recording, for
 * kubesim to play. Objects have what real ones have (StatefulSets' and DaemonSets' controller-revision-hash, the Eviction API's
 * DisruptionTarget); what each controller does in which order is read off kubernetes/pkg/controller.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { formatTime, fromSeconds, parseTime } from './time.js';

const START = parseTime('2026-11-21T10:00:00Z');
const NAMESPACE = 'shop';
const GROUPS = {
  ...{ nodes: 'v1', pods: 'v1', services: 'v1', endpointslices: 'discovery.k8s.io/v1', poddisruptionbudgets: 'policy/v1' },
  ...{ deployments: 'apps/v1', replicasets: 'apps/v1', statefulsets: 'apps/v1', daemonsets: 'apps/v1', controllerrevisions: 'apps/v1' },
};
const KINDS = {
  ...{ nodes: 'Node', pods: 'Pod', services: 'Service', endpointslices: 'EndpointSlice', poddisruptionbudgets: 'PodDisruptionBudget' },
  ...{ deployments: 'Deployment', replicasets: 'ReplicaSet', statefulsets: 'StatefulSet', daemonsets: 'DaemonSet' },
  controllerrevisions: 'ControllerRevision',
};
const PLURALS = { Deployment: 'deployments', StatefulSet: 'statefulsets', DaemonSet: 'daemonsets' };

/** Seconds from one thing to the next, as on a calm cluster. */
const CONTROLLER_S = 0.02;
const START_S = 2; // image, sandbox
const READY_S = 3; // after the start
const STOP_S = 2;
const GRACE_S = 30;

const digest = (text) => createHash('sha256').update(text).digest('hex');
const uidOf = (text) => digest(text).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/, '$1-$2-4$3-a$4-$5');
/** Letters as in the names that Kubernetes makes up. */
const hashOf = (text, length) => [...digest(text).slice(0, length)].map((one) => 'bcdfghjklmnpqrst'[parseInt(one, 16)]).join('');

export class Story {
  #steps = []; // what is still to happen
  #order = 0;
  #objects = new Map(); // by plural, then by key
  #events = new Map(); // by plural
  #lists; // what there was at the start
  #version = 1000;
  #now = 0;

  constructor(nodes) {
    for (const plural of Object.keys(GROUPS)) {
      this.#objects.set(plural, new Map());
      this.#events.set(plural, []);
    }
    for (const name of nodes) this.#makeNode(name);
  }

  /** RFC 3339, whole seconds, as Kubernetes writes times. */
  get time() {
    return formatTime(START + fromSeconds(this.#now));
  }

  /** After so many seconds of the story. */
  after(seconds, run) {
    this.#steps.push({ at: this.#now + seconds, order: this.#order++, run });
  }

  find(plural, name) {
    return this.#objects.get(plural).get(plural === 'nodes' ? name : `${NAMESPACE}/${name}`);
  }

  all(plural) {
    return [...this.#objects.get(plural).values()];
  }

  #record(plural, type, object) {
    if (this.#lists) this.#events.get(plural).push({ at: formatTime(START + fromSeconds(this.#now), 9), event: { type, object } });
  }

  /** Writes an object as it is from now on: `status` alone is no new generation. */
  put(plural, name, { metadata = {}, ...fields }) {
    const namespace = plural === 'nodes' ? undefined : NAMESPACE;
    const key = namespace ? `${namespace}/${name}` : name;
    const before = this.#objects.get(plural).get(key);
    const changesSpec = ['spec', 'endpoints'].some((field) => fields[field] && JSON.stringify(fields[field]) !== JSON.stringify(before?.[field]));
    const object = {
      kind: KINDS[plural],
      apiVersion: GROUPS[plural],
      ...before,
      ...fields,
      metadata: {
        ...{ name, namespace, uid: uidOf(`${plural}/${name}/${this.#version}`), creationTimestamp: this.time, generation: 0 },
        ...before?.metadata,
        ...metadata,
        resourceVersion: String(++this.#version),
      },
    };
    if (changesSpec || !before) object.metadata.generation++;
    if (plural === 'pods' || plural === 'nodes' || plural === 'services') delete object.metadata.generation;
    this.#objects.get(plural).set(key, object);
    this.#record(plural, before ? 'MODIFIED' : 'ADDED', object);
    return object;
  }

  remove(plural, name) {
    const object = this.find(plural, name);
    this.#objects.get(plural).delete(`${NAMESPACE}/${name}`);
    this.#record(plural, 'DELETED', { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } });
  }

  #makeNode(name) {
    const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' };
    this.put('nodes', name, {
      metadata: { labels: { 'kubernetes.io/hostname': name } },
      spec: {},
      status: { conditions: [{ ...ready, lastHeartbeatTime: this.time, lastTransitionTime: this.time }], addresses: [{ type: 'InternalIP', address: '192.168.7.1' }] },
    });
  }

  /** kubectl cordon. */
  cordon(name) {
    this.put('nodes', name, {
      spec: { unschedulable: true, taints: [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule', timeAdded: this.time }] },
    });
  }

  /** What there is now is the beginning; then `seconds` of what was planned. @returns {string} the folder */
  save(folder, seconds) {
    // What is left to do of the making up is done before it begins.
    this.#run(Infinity);
    this.#now = 100;
    this.#lists = new Map([...this.#objects].map(([plural, objects]) => [plural, [...objects.values()]]));
    const version = String(this.#version);
    this.tell();
    this.#run(this.#now + seconds);
    // Something must happen at the end, for the session to last so long.
    this.#now = 100 + seconds;
    for (const { metadata } of this.all('nodes')) this.put('nodes', metadata.name, {});
    for (const plural of Object.keys(GROUPS)) {
      fs.mkdirSync(path.join(folder, plural), { recursive: true });
      const list = { kind: `${KINDS[plural]}List`, apiVersion: GROUPS[plural], metadata: { resourceVersion: version }, items: this.#lists.get(plural) };
      fs.writeFileSync(path.join(folder, plural, 'list.json'), JSON.stringify(list));
      fs.writeFileSync(path.join(folder, plural, 'watch.ndjson'), this.#events.get(plural).map((line) => `${JSON.stringify(line)}\n`).join(''));
    }
    return folder;
  }

  #run(until) {
    for (;;) {
      this.#steps.sort((a, b) => a.at - b.at || a.order - b.order);
      if (this.#steps.length === 0 || this.#steps[0].at > until) return;
      const { at, run } = this.#steps.shift();
      this.#now = at;
      run();
    }
  }

  /** What happens in it. @type {() => void} */
  tell = () => {};
}

/** A workload with its Service, as its controller keeps them. */
export class Workload {
  #lastPod = 0;
  revision = 0;
  hash = '';

  /**
   * @param {Story} story
   * @param {'Deployment' | 'StatefulSet' | 'DaemonSet'} kind
   * @param {string} name
   * @param {{nodes: string[], replicas?: number, budget?: boolean, readyS?: number}} options of a DaemonSet: one pod on each node;
   *   readyS: seconds that a pod takes from its start to being Ready
   */
  constructor(story, kind, name, { nodes, replicas = nodes.length, budget = false, readyS = READY_S }) {
    Object.assign(this, { story, kind, name, nodes, replicas, readyS, labels: { app: name } });
    this.plural = PLURALS[kind];
    this.image = `registry.example/${name}:1`;
    story.put('services', name, { spec: { type: 'ClusterIP', clusterIP: '10.96.0.9', selector: this.labels, ports: [{ port: 80, protocol: 'TCP' }] } });
    if (budget) this.#makeBudget();
    this.#writeSpec();
    this.#makeRevision();
    for (let i = 0; i < replicas; i++) this.#create(i, nodes[i % nodes.length]);
  }

  #makeBudget() {
    this.story.put('poddisruptionbudgets', this.name, {
      spec: { minAvailable: 1, selector: { matchLabels: this.labels } },
      status: { disruptionsAllowed: 1, currentHealthy: this.replicas, desiredHealthy: 1, expectedPods: this.replicas },
    });
  }

  get template() {
    const container = {
      name: 'c',
      image: this.image,
      resources: {},
      readinessProbe: { httpGet: { path: '/', port: 80 }, periodSeconds: 5, failureThreshold: 3, timeoutSeconds: 1, successThreshold: 1 },
    };
    return { metadata: { labels: this.labels }, spec: { containers: [container], terminationGracePeriodSeconds: GRACE_S } };
  }

  #owner(kind, { metadata }) {
    return [{ apiVersion: 'apps/v1', kind, name: metadata.name, uid: metadata.uid, controller: true, blockOwnerDeletion: true }];
  }

  get object() {
    return this.story.find(this.plural, this.name);
  }

  #writeSpec() {
    const common = { selector: { matchLabels: this.labels }, template: this.template, revisionHistoryLimit: 10 };
    const counted = { ...common, replicas: this.replicas };
    const specs = {
      Deployment: { ...counted, progressDeadlineSeconds: 600, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } },
      StatefulSet: { ...counted, serviceName: this.name, podManagementPolicy: 'OrderedReady', updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } } },
      DaemonSet: { ...common, updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } } },
    };
    this.story.put(this.plural, this.name, { spec: specs[this.kind] });
  }

  /** A ReplicaSet or ControllerRevision of the template; the controller looks at the spec with it. */
  #makeRevision() {
    this.before = this.hash;
    this.hash = hashOf(JSON.stringify(this.template), this.kind === 'Deployment' ? 10 : 9);
    this.revision++;
    const name = `${this.name}-${this.hash}`;
    const metadata = { labels: { ...this.labels, [this.#hashLabel]: this.hash }, ownerReferences: this.#owner(this.kind, this.object) };
    if (this.kind === 'Deployment') {
      const annotations = { 'deployment.kubernetes.io/revision': String(this.revision) };
      this.story.put('replicasets', name, { metadata: { ...metadata, annotations }, spec: { replicas: 0, selector: { matchLabels: metadata.labels }, template: this.template }, status: { replicas: 0 } });
      this.story.put(this.plural, this.name, { metadata: { annotations } });
    } else {
      this.story.put('controllerrevisions', name, { metadata, revision: this.revision, data: { spec: { template: { ...this.template, $patch: 'replace' } } } });
      const annotations = { 'deprecated.daemonset.template.generation': String(this.object.metadata.generation) };
      if (this.kind === 'DaemonSet') this.story.put(this.plural, this.name, { metadata: { annotations } });
    }
    this.observed = this.object.metadata.generation;
    this.#writeStatus();
  }

  get #hashLabel() {
    return this.kind === 'Deployment' ? 'pod-template-hash' : 'controller-revision-hash';
  }

  get pods() {
    return this.story.all('pods').filter(({ metadata }) => metadata.labels.app === this.name);
  }

  #hashOfPod = ({ metadata }) => metadata.labels[this.#hashLabel];
  static isReady = ({ status }) => status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True');
  static isLeaving = ({ metadata }) => metadata.deletionTimestamp !== undefined;

  #writeStatus() {
    const stays = this.pods.filter((pod) => !Workload.isLeaving(pod));
    const isNew = (pod) => this.#hashOfPod(pod) === this.hash;
    const ready = stays.filter(Workload.isReady).length;
    const updated = stays.filter(isNew).length;
    const observedGeneration = this.observed;
    if (this.kind === 'Deployment') {
      this.#writeReplicaSets(stays);
      this.#writeDeploymentStatus({ observedGeneration, replicas: stays.length, updatedReplicas: updated, readyReplicas: ready, availableReplicas: ready });
    } else if (this.kind === 'StatefulSet') {
      const isDone = updated === this.replicas && ready === this.replicas;
      const current = `${this.name}-${isDone || !this.before ? this.hash : this.before}`;
      this.story.put(this.plural, this.name, {
        status: { observedGeneration, replicas: stays.length, readyReplicas: ready, availableReplicas: ready, updatedReplicas: updated, currentReplicas: stays.length - updated, currentRevision: current, updateRevision: `${this.name}-${this.hash}`, collisionCount: 0 },
      });
    } else {
      const desired = this.nodes.length;
      this.story.put(this.plural, this.name, {
        status: { observedGeneration, desiredNumberScheduled: desired, currentNumberScheduled: stays.length, numberReady: ready, numberAvailable: ready, numberUnavailable: desired - ready, updatedNumberScheduled: updated, numberMisscheduled: 0 },
      });
    }
  }

  #writeReplicaSets(pods) {
    for (const hash of [this.before, this.hash].filter(Boolean)) {
      const own = pods.filter((pod) => this.#hashOfPod(pod) === hash);
      const ready = own.filter(Workload.isReady).length;
      const { spec } = this.story.find('replicasets', `${this.name}-${hash}`);
      this.story.put('replicasets', `${this.name}-${hash}`, { spec: { ...spec, replicas: own.length }, status: { replicas: own.length, readyReplicas: ready, availableReplicas: ready, observedGeneration: 1 } });
    }
  }

  #writeDeploymentStatus(status) {
    const isDone = status.updatedReplicas >= this.replicas && status.replicas <= status.updatedReplicas && status.availableReplicas >= this.replicas;
    const reason = isDone ? 'NewReplicaSetAvailable' : 'ReplicaSetUpdated';
    const before = this.object.status?.conditions?.find(({ type }) => type === 'Progressing');
    const isUp = status.availableReplicas >= this.replicas;
    this.story.put(this.plural, this.name, {
      status: {
        ...status,
        conditions: [
          { type: 'Progressing', status: 'True', reason: before?.reason === 'NewReplicaSetAvailable' && this.#isSettled ? before.reason : reason, lastUpdateTime: this.story.time, lastTransitionTime: before?.lastTransitionTime ?? this.story.time },
          { type: 'Available', status: isUp ? 'True' : 'False', reason: isUp ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable', lastUpdateTime: this.story.time, lastTransitionTime: this.story.time },
        ],
      },
    });
  }

  #isSettled = true;

  /** The endpoints and the status follow the pods a moment later. */
  #follow(byDeletion = false) {
    this.story.after(CONTROLLER_S, () => this.#writeSlice(byDeletion));
    this.story.after(2 * CONTROLLER_S, () => this.#writeStatus());
  }

  #writeSlice(byDeletion) {
    const service = this.story.find('services', this.name);
    const annotations = byDeletion ? {} : { 'endpoints.kubernetes.io/last-change-trigger-time': this.story.time };
    this.story.put('endpointslices', `${this.name}-x7zmp`, {
      metadata: {
        annotations,
        labels: { 'kubernetes.io/service-name': this.name, 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name: this.name, uid: service.metadata.uid, controller: true }],
      },
      addressType: 'IPv4',
      ports: [{ name: '', protocol: 'TCP', port: 80 }],
      endpoints: this.pods
        .filter(({ status }) => status.podIP)
        .map((pod) => {
          const serving = Workload.isReady(pod);
          const terminating = Workload.isLeaving(pod);
          return {
            addresses: [pod.status.podIP],
            conditions: { ready: serving && !terminating, serving, terminating },
            nodeName: pod.spec.nodeName,
            targetRef: { kind: 'Pod', namespace: NAMESPACE, name: pod.metadata.name, uid: pod.metadata.uid },
          };
        }),
    });
  }

  // ---- pods

  #podName(ordinal) {
    if (this.kind === 'StatefulSet') return `${this.name}-${ordinal}`;
    const suffix = hashOf(`${this.name}/${this.#lastPod}`, 5);
    return this.kind === 'Deployment' ? `${this.name}-${this.hash}-${suffix}` : `${this.name}-${suffix}`;
  }

  #status(pod, { state, ready = false, restartCount = 0, phase = 'Running' }) {
    const conditions = ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => {
      const is = ready || !/Ready/.test(type) ? 'True' : 'False';
      const before = pod.status?.conditions?.find((condition) => condition.type === type);
      return before?.status === is ? before : { type, status: is, lastProbeTime: null, lastTransitionTime: this.story.time };
    });
    const disruption = pod.status?.conditions?.filter(({ type }) => type === 'DisruptionTarget') ?? [];
    const id = `containerd://${digest(pod.metadata.uid)}`;
    const hasStarted = state.waiting === undefined;
    return {
      phase,
      conditions: [...conditions, ...disruption],
      hostIP: '192.168.7.1',
      ...(hasStarted && { podIP: pod.ip, podIPs: [{ ip: pod.ip }] }),
      startTime: pod.status?.startTime ?? this.story.time,
      containerStatuses: [{ name: 'c', image: this.image, imageID: hasStarted ? `sha256:${digest(this.image)}` : '', ready, started: ready, restartCount, state, lastState: {}, ...(hasStarted && { containerID: id }) }],
    };
  }

  #setStatus(name, status) {
    const pod = this.story.find('pods', name);
    if (!pod) return;
    const ip = `10.0.${parseInt(pod.metadata.uid.slice(0, 2), 16)}.${parseInt(pod.metadata.uid.slice(2, 4), 16)}`;
    this.story.put('pods', name, { status: this.#status({ ...pod, ip }, status) });
    this.#follow();
  }

  /** Up to being Ready; where the image cannot be had, that is what the kubelet says of it. */
  #create(ordinal, node, onReady = () => {}) {
    const isBroken = /broken/.test(this.image);
    this.#lastPod++;
    const name = this.#podName(ordinal);
    const [ownerKind, owner] = this.kind === 'Deployment' ? ['ReplicaSet', this.story.find('replicasets', `${this.name}-${this.hash}`)] : [this.kind, this.object];
    const own = this.kind === 'StatefulSet' ? { 'statefulset.kubernetes.io/pod-name': name, 'apps.kubernetes.io/pod-index': String(ordinal) } : {};
    const waiting = (reason, message) => ({ phase: 'Pending', state: { waiting: { reason, message } } });
    this.story.put('pods', name, {
      metadata: { labels: { ...this.labels, [this.#hashLabel]: this.hash, ...own }, ownerReferences: this.#owner(ownerKind, owner) },
      spec: { ...this.template.spec, nodeName: node, restartPolicy: 'Always' },
      status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: this.story.time }] },
    });
    this.story.after(0.1, () => this.#setStatus(name, waiting('ContainerCreating')));
    if (isBroken) {
      const text = `failed to pull and unpack image "${this.image}": not found`;
      this.story.after(START_S, () => this.#setStatus(name, waiting('ErrImagePull', text)));
      this.story.after(START_S + 12, () => this.#setStatus(name, waiting('ImagePullBackOff', `Back-off pulling image "${this.image}"`)));
      return;
    }
    this.story.after(START_S, () => this.#setStatus(name, { state: { running: { startedAt: this.story.time } } }));
    this.story.after(START_S + this.readyS, () => {
      this.#setStatus(name, { ready: true, state: { running: { startedAt: this.story.find('pods', name).status.containerStatuses[0].state.running.startedAt } } });
      this.story.after(3 * CONTROLLER_S, onReady);
    });
  }

  /** As the API server and the kubelet do it: it leaves, is not ready when its container has ended, and is gone. */
  #delete(name, onGone = () => {}) {
    const { uid } = this.story.find('pods', name).metadata;
    this.story.put('pods', name, { metadata: { deletionTimestamp: formatTime(parseTime(this.story.time) + fromSeconds(GRACE_S)), deletionGracePeriodSeconds: GRACE_S } });
    this.#follow(true);
    this.story.after(STOP_S, () => {
      const startedAt = this.story.find('pods', name).status.containerStatuses?.[0].state.running?.startedAt ?? this.story.time;
      this.#setStatus(name, { phase: 'Failed', state: { terminated: { exitCode: 143, reason: 'Error', startedAt, finishedAt: this.story.time, containerID: `containerd://${digest(uid)}` } } });
    });
    this.story.after(STOP_S + 0.5, () => {
      this.story.remove('pods', name);
      this.#follow(true);
      this.story.after(3 * CONTROLLER_S, onGone);
    });
  }

  // ---- what is done to it

  /** kubectl set image: its controller replaces the pods as the strategy has it, until one does not get ready. */
  roll(image) {
    this.image = image;
    this.#isSettled = false;
    this.#writeSpec();
    this.story.after(CONTROLLER_S, () => {
      this.#makeRevision();
      const old = this.pods.sort((a, b) => (a.metadata.name < b.metadata.name ? 1 : -1)); // a StatefulSet's: the highest first
      this.#replace(old, old.length - 1);
    });
  }

  #replace([pod, ...rest], ordinal) {
    if (!pod) {
      this.#isSettled = true;
      return;
    }
    const { name } = pod.metadata;
    const next = () => this.#replace(rest, ordinal - 1);
    if (this.kind === 'Deployment') this.#create(ordinal, pod.spec.nodeName, () => this.#delete(name, next));
    else this.#delete(name, () => this.#create(ordinal, pod.spec.nodeName, next));
  }

  /** kubectl drain: the Eviction API marks the pod, and deletes it; its controller makes another elsewhere. */
  evict(name, elsewhere, then = () => {}) {
    const pod = this.story.find('pods', name);
    const condition = { type: 'DisruptionTarget', status: 'True', reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting', lastProbeTime: null, lastTransitionTime: this.story.time };
    this.story.put('pods', name, { status: { ...pod.status, conditions: [...pod.status.conditions, condition] } });
    this.#delete(name);
    this.story.after(CONTROLLER_S, () => this.#create(0, elsewhere, then));
  }

  podsOn(node) {
    return this.pods.filter((pod) => pod.spec.nodeName === node && !Workload.isLeaving(pod)).map(({ metadata }) => metadata.name);
  }
}
