/** Workloads in kubesim that are rolled out as their controllers would do it, step by step: for tests of rollouts. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { ask } from '../lib/lab.js';

const MERGE = { 'content-type': 'application/merge-patch+json' };
const NAMESPACE = 'shop';

export const now = () => new Date().toISOString().replace(/\.\d+Z$/, 'Z');

class Rolled {
  uid = randomUUID();
  generation = 1;
  revision = 0;
  /** The images by the hash of the template that has them. */
  images = new Map();

  /**
   * @param {import('../lib/lab.js').Lab} lab
   * @param {string} plural
   * @param {string} kind
   * @param {string} name
   * @param {string} [within] the annotation nightjar.dev/auto-rollback
   */
  constructor(lab, plural, kind, name, within) {
    Object.assign(this, { lab, plural, kind, name, within });
  }

  get path() {
    return `/apis/apps/v1/namespaces/${NAMESPACE}/${this.plural}/${this.name}`;
  }

  async write(method, path, body, headers = {}) {
    const { status, json, text } = await ask(this.lab.cluster.api + path, { method, body, headers });
    assert.ok(status < 300, `${method} ${path}: ${status} ${text}`);
    return json;
  }

  patch(body, path = this.path) {
    return this.write('PATCH', path, body, MERGE);
  }

  async read() {
    return (await ask(this.lab.cluster.api + this.path)).json;
  }

  get labels() {
    return { app: this.name };
  }

  template(hash) {
    return { metadata: { labels: this.labels }, spec: { containers: [{ name: 'c', image: this.images.get(hash) }] } };
  }

  get owner() {
    return [{ apiVersion: 'apps/v1', kind: this.kind, name: this.name, uid: this.uid, controller: true }];
  }

  /** The spec's change, as a person makes it. */
  async change(hash, manager) {
    this.generation++;
    this.hash = hash;
    await this.patch({
      metadata: {
        generation: this.generation,
        annotations: this.changeAnnotations(),
        managedFields: [
          {
            manager,
            operation: 'Update',
            apiVersion: 'apps/v1',
            time: now(),
            fieldsType: 'FieldsV1',
            fieldsV1: { 'f:spec': { 'f:template': { 'f:spec': {} } } },
          },
        ],
      },
      spec: { template: this.template(hash) },
    });
  }

  changeAnnotations() {
    return {};
  }

  async create(hash, image) {
    this.images.set(hash, image);
    this.hash = hash;
    this.revision = 1;
    await this.write('POST', this.path.slice(0, this.path.lastIndexOf('/')), {
      metadata: {
        name: this.name,
        uid: this.uid,
        generation: this.generation,
        creationTimestamp: now(),
        annotations: { ...this.annotations(), ...(this.within && { 'nightjar.dev/auto-rollback': this.within }) },
      },
      spec: { replicas: 3, selector: { matchLabels: this.labels }, template: this.template(hash), ...this.spec() },
    });
    await this.keepTemplate(hash);
    await this.settle();
  }

  annotations() {
    return {};
  }

  spec() {
    return {};
  }

  /** A change to a template, new or known, until its first new pod is there. */
  async rollOut(hash, image, manager = 'kubectl-set') {
    this.images.set(hash, image);
    await this.change(hash, manager);
    this.revision++;
    await this.keepTemplate(hash);
    await this.begin();
  }

  /** The controller goes on with what somebody else has written. */
  async follow() {
    const { metadata, spec } = await this.read();
    const image = spec.template.spec.containers[0].image;
    const [hash] = [...this.images].find(([, one]) => one === image);
    this.generation = metadata.generation;
    this.hash = hash;
    this.revision++;
    await this.keepTemplate(hash);
    await this.begin();
    await this.settle();
    return hash;
  }
}

export class Deployment extends Rolled {
  constructor(lab, name, within) {
    super(lab, 'deployments', 'Deployment', name, within);
  }

  annotations() {
    return { 'deployment.kubernetes.io/revision': '1' };
  }

  async keepTemplate(hash) {
    const folder = `/apis/apps/v1/namespaces/${NAMESPACE}/replicasets`;
    const annotations = { 'deployment.kubernetes.io/revision': String(this.revision) };
    const { status } = await ask(`${this.lab.cluster.api}${folder}/${this.name}-${hash}`);
    if (status === 200) {
      await this.patch({ metadata: { annotations } }, `${folder}/${this.name}-${hash}`);
    } else {
      const template = this.template(hash);
      template.metadata.labels['pod-template-hash'] = hash;
      await this.write('POST', folder, {
        metadata: {
          name: `${this.name}-${hash}`,
          labels: { ...this.labels, 'pod-template-hash': hash },
          annotations,
          ownerReferences: this.owner,
        },
        spec: { replicas: 0, selector: { matchLabels: this.labels }, template },
        status: { replicas: 0 },
      });
    }
    await this.patch({ metadata: { annotations } });
  }

  begin() {
    return this.patch({
      status: {
        observedGeneration: this.generation,
        replicas: 4,
        updatedReplicas: 1,
        readyReplicas: 3,
        availableReplicas: 3,
        conditions: [{ type: 'Progressing', status: 'True', reason: 'ReplicaSetUpdated', lastTransitionTime: now() }],
      },
    });
  }

  settle() {
    return this.patch({
      status: {
        observedGeneration: this.generation,
        replicas: 3,
        updatedReplicas: 3,
        readyReplicas: 3,
        availableReplicas: 3,
        conditions: [{ type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable', lastTransitionTime: now() }],
      },
    });
  }

  /** The new pods did not become ready in time. */
  fail() {
    const condition = { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message: 'has timed out progressing' };
    return this.patch({ status: { conditions: [{ ...condition, lastTransitionTime: now() }] } });
  }
}

/** Both that keep their templates in ControllerRevisions. */
class Revised extends Rolled {
  async keepTemplate(hash) {
    const folder = `/apis/apps/v1/namespaces/${NAMESPACE}/controllerrevisions`;
    const name = `${this.name}-${hash}`;
    const { status } = await ask(`${this.lab.cluster.api}${folder}/${name}`);
    if (status === 200) {
      await this.patch({ revision: this.revision }, `${folder}/${name}`);
      return;
    }
    await this.write('POST', folder, {
      metadata: { name, labels: { ...this.labels, 'controller-revision-hash': hash }, ownerReferences: this.owner },
      data: { spec: { template: { ...this.template(hash), $patch: 'replace' } } },
      revision: this.revision,
    });
  }

  /** One of its pods ends badly, for the `time`-th time; the first time it is made. */
  async crash(pod, time) {
    const path = `/api/v1/namespaces/${NAMESPACE}/pods`;
    const containerID = `containerd://${String(time).padStart(64, '0')}`;
    const ended = { exitCode: 1, reason: 'Error', message: 'no such table', startedAt: now(), finishedAt: now(), containerID };
    const { status } = await ask(`${this.lab.cluster.api}${path}/${pod}`);
    if (status !== 200) {
      await this.write('POST', path, {
        metadata: { name: pod, labels: this.labels, ownerReferences: this.owner },
        spec: { nodeName: this.lab.nodes[0], restartPolicy: 'Always', containers: this.template(this.hash).spec.containers },
        status: { phase: 'Pending' },
      });
    }
    await this.patch(
      {
        status: {
          phase: 'Running',
          startTime: now(),
          containerStatuses: [
            {
              name: 'c',
              image: this.images.get(this.hash),
              imageID: '',
              ready: false,
              restartCount: time - 1,
              containerID,
              state: { terminated: ended },
              lastState: {},
            },
          ],
        },
      },
      `${path}/${pod}`,
    );
  }
}

export class StatefulSet extends Revised {
  constructor(lab, name, within) {
    super(lab, 'statefulsets', 'StatefulSet', name, within);
  }

  spec() {
    return { serviceName: this.name, podManagementPolicy: 'OrderedReady', updateStrategy: { type: 'RollingUpdate' } };
  }

  begin() {
    return this.patch({
      status: {
        observedGeneration: this.generation,
        replicas: 3,
        updatedReplicas: 1,
        readyReplicas: 2,
        availableReplicas: 2,
        updateRevision: `${this.name}-${this.hash}`,
      },
    });
  }

  settle() {
    const revision = `${this.name}-${this.hash}`;
    return this.patch({
      status: {
        observedGeneration: this.generation,
        replicas: 3,
        updatedReplicas: 3,
        readyReplicas: 3,
        availableReplicas: 3,
        currentRevision: revision,
        updateRevision: revision,
      },
    });
  }
}

const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation';

export class DaemonSet extends Revised {
  templates = 1;

  constructor(lab, name, within) {
    super(lab, 'daemonsets', 'DaemonSet', name, within);
  }

  annotations() {
    return { [TEMPLATE_GENERATION]: '1' };
  }

  changeAnnotations() {
    return { [TEMPLATE_GENERATION]: String(++this.templates) };
  }

  spec() {
    return { replicas: undefined, updateStrategy: { type: 'RollingUpdate' } };
  }

  #status(updated, available) {
    return this.patch({
      status: {
        observedGeneration: this.generation,
        desiredNumberScheduled: 3,
        currentNumberScheduled: 3,
        updatedNumberScheduled: updated,
        numberReady: available,
        numberAvailable: available,
      },
    });
  }

  begin() {
    return this.#status(1, 2);
  }

  settle() {
    return this.#status(3, 3);
  }
}
