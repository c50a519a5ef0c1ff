/** Clusters of any size: pods as a real API server has them, of a wanted size, in workloads, namespaces and nodes. */
import { createHash } from 'node:crypto';
import { formatTime, fromSeconds } from '../lib/time.js';

/** What `--generate` takes, with defaults. */
export const GENERATE_DEFAULTS = {
  pods: 100, // how many
  nodes: 1, // node1, node2, ...
  namespaces: 5, // team-1, team-2, ...
  replicas: 10, // pods of one workload
  size: 5000, // bytes of one pod's JSON
  churn: 0, // changes of pods a virtual second
  crashes: 0, // crashes a virtual second
  seed: 1,
};

/** "pods=100,size=5000". @returns {typeof GENERATE_DEFAULTS} */
export function parseGenerate(text) {
  const options = { ...GENERATE_DEFAULTS };
  for (const part of text.split(',').filter(Boolean)) {
    const [key, value] = part.split('=');
    if (!(key in options) || !/^\d+(\.\d+)?$/.test(value ?? '')) {
      throw new Error(`--generate ${part}: KEY=NUMBER is wanted, keys ${Object.keys(options).join(', ')}`);
    }
    options[key] = Number(value);
  }
  return options;
}

/** Numbers that look random and are the same for the same seed (mulberry32). @returns {() => number} in [0, 1) */
export function seededRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const digest = (text) => createHash('sha256').update(text).digest('hex');

function uidOf(text) {
  const hex = digest(text);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** The managers' field lists: ballast in the form that real pods carry it. */
function managedFields(time, bytes) {
  const entry = (manager, fieldsV1, more) => ({
    manager,
    operation: 'Update',
    apiVersion: 'v1',
    time,
    fieldsType: 'FieldsV1',
    fieldsV1,
    ...more,
  });
  const spec = {};
  for (let length = 0, index = 0; length < bytes; index++) {
    const key = `k:{"name":"SETTING_${String(index).padStart(3, '0')}","mountPath":"/etc/settings"}`;
    spec[key] = { '.': {}, 'f:name': {}, 'f:value': {} };
    length += JSON.stringify(key).length + JSON.stringify(spec[key]).length + 2;
  }
  return [
    entry('kube-controller-manager', { 'f:spec': { 'f:containers': spec } }),
    entry(
      'kubelet',
      { 'f:status': { 'f:conditions': {}, 'f:containerStatuses': {}, 'f:phase': {} } },
      { subresource: 'status' },
    ),
  ];
}

const READY_CONDITIONS = ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'];

function podSpec({ node, app, volume }) {
  return {
    volumes: [
      {
        name: volume,
        projected: {
          sources: [
            { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
            { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
          ],
          defaultMode: 420,
        },
      },
    ],
    containers: [
      {
        name: app,
        image: `registry.example/${app}:1.4.2`,
        ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
        env: [{ name: 'POD_NAME', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } }],
        resources: { limits: { cpu: '500m', memory: '128Mi' }, requests: { cpu: '100m', memory: '64Mi' } },
        volumeMounts: [{ name: volume, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }],
        readinessProbe: {
          httpGet: { path: '/healthz', port: 'http', scheme: 'HTTP' },
          timeoutSeconds: 1,
          periodSeconds: 10,
          successThreshold: 1,
          failureThreshold: 3,
        },
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
        imagePullPolicy: 'IfNotPresent',
      },
    ],
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    serviceAccountName: 'default',
    serviceAccount: 'default',
    nodeName: node,
    securityContext: {},
    schedulerName: 'default-scheduler',
    tolerations: [
      { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
    ],
    priority: 0,
    enableServiceLinks: true,
    preemptionPolicy: 'PreemptLowerPriority',
  };
}

function podStatus({ app, time, index, uid }) {
  const address = (first) => `${first}.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
  return {
    phase: 'Running',
    conditions: READY_CONDITIONS.map((type) => ({
      type,
      status: 'True',
      lastProbeTime: null,
      lastTransitionTime: time,
    })),
    hostIP: '192.168.7.1',
    podIP: address(10),
    podIPs: [{ ip: address(10) }],
    startTime: time,
    containerStatuses: [
      {
        name: app,
        state: { running: { startedAt: time } },
        lastState: {},
        ready: true,
        restartCount: 0,
        image: `registry.example/${app}:1.4.2`,
        imageID: `registry.example/${app}@sha256:${digest(app)}`,
        containerID: `containerd://${digest(uid)}`,
        started: true,
      },
    ],
    qosClass: 'Burstable',
  };
}

/** One pod as in JSON. `generation` makes another pod of the same workload. */
export function makePod(options, index, time, generation = 0) {
  const workload = Math.floor(index / options.replicas);
  const namespace = `team-${(workload % options.namespaces) + 1}`;
  const app = `app-${workload}`;
  const hash = digest(app).slice(0, 10);
  const suffix = digest(`${options.seed}/${index}/${generation}`).slice(0, 5);
  const name = `${app}-${hash}-${suffix}`;
  const uid = uidOf(`${options.seed}/${name}`);
  const node = `node${(index % options.nodes) + 1}`;
  const make = (ballast) => ({
    metadata: {
      name,
      generateName: `${app}-${hash}-`,
      namespace,
      uid,
      resourceVersion: '1',
      creationTimestamp: time,
      labels: { app, 'pod-template-hash': hash },
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: `${app}-${hash}`,
          uid: uidOf(`rs/${app}`),
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
      managedFields: managedFields(time, ballast),
    },
    spec: podSpec({ node, app, volume: `kube-api-access-${suffix}` }),
    status: podStatus({ app, time, index, uid }),
  });
  const bare = JSON.stringify(make(0)).length;
  return make(Math.max(0, options.size - bare - 30));
}

function makeNode(name, time) {
  const conditions = [
    {
      type: 'Ready',
      status: 'True',
      reason: 'KubeletReady',
      message: 'kubelet is posting ready status',
      lastHeartbeatTime: time,
      lastTransitionTime: time,
    },
  ];
  const capacity = { cpu: '64', memory: '256Gi', pods: '250' };
  return {
    metadata: { name, uid: uidOf(name), creationTimestamp: time, labels: { 'kubernetes.io/hostname': name } },
    spec: {},
    status: { capacity, allocatable: capacity, conditions, addresses: [{ type: 'Hostname', address: name }] },
  };
}

function makeReplicaSet(pod, replicas, time) {
  const { namespace, labels, ownerReferences } = pod.metadata;
  const [{ name, uid }] = ownerReferences;
  return {
    metadata: {
      name,
      namespace,
      uid,
      labels,
      generation: 1,
      creationTimestamp: time,
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          name: labels.app,
          uid: uidOf(`deployment/${labels.app}`),
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [] } } },
    status: { replicas, readyReplicas: replicas, availableReplicas: replicas, observedGeneration: 1 },
  };
}

function makeDeployment(replicaSet, replicas, time) {
  const { namespace, labels, ownerReferences } = replicaSet.metadata;
  const [{ name, uid }] = ownerReferences;
  const selector = { matchLabels: { app: labels.app } };
  return {
    metadata: { name, namespace, uid, generation: 1, creationTimestamp: time, labels: { app: labels.app } },
    spec: { replicas, selector, template: { metadata: { labels }, spec: { containers: [] } }, strategy: {} },
    status: {
      observedGeneration: 1,
      replicas,
      updatedReplicas: replicas,
      readyReplicas: replicas,
      availableReplicas: replicas,
    },
  };
}

/**
 * @param {typeof GENERATE_DEFAULTS} options
 * @param {bigint} nowNs
 * @returns {{plural: string, json: object}[]} everything that exists at the start
 */
export function makeCluster(options, nowNs) {
  const time = formatTime(nowNs - fromSeconds(3600));
  const made = [];
  for (let node = 1; node <= options.nodes; node++) made.push({ plural: 'nodes', json: makeNode(`node${node}`, time) });
  for (let index = 0; index < options.pods; index++) {
    const pod = makePod(options, index, time);
    if (index % options.replicas === 0) {
      const replicas = Math.min(options.replicas, options.pods - index);
      const replicaSet = makeReplicaSet(pod, replicas, time);
      made.push({ plural: 'replicasets', json: replicaSet });
      made.push({ plural: 'deployments', json: makeDeployment(replicaSet, replicas, time) });
    }
    made.push({ plural: 'pods', json: pod });
  }
  return made;
}
