/**
 * A large cluster's API server: lists in protobuf made from the recorded objects, so that they are as large as real
 * ones, and watches in which nothing happens.
 */
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { chooseEncoding } from '../kubesim/encoding.js';
import { encode } from '../kubesim/proto/codec.js';
import { builtInTypes } from '../kubesim/resources.js';
import { ROOT } from './build.js';

const NAMESPACES = 100;
const SLICE_ENDPOINTS = 100; // as the controller fills them
const VERSION = '1000';

const recorded = (plural, test) => {
  const file = path.join(ROOT, 'tests', 'recordings', plural, 'list.json');
  return JSON.parse(fs.readFileSync(file, 'utf8')).items.find(test ?? (() => true));
};

const uid = (kind, number) => `00000000-0000-4000-${kind}-${String(number).padStart(12, '0')}`;
const namespaceOf = (number) => `team-${number % NAMESPACES}`;
const appOf = (number) => `service-${number}`;

/** The recorded object under another name; what else differs is in `more`. */
function renamed({ metadata, ...rest }, more, changed = {}) {
  return { metadata: { ...metadata, resourceVersion: VERSION, ...more }, ...rest, ...changed };
}

function* countTo(count) {
  for (let number = 0; number < count; number++) yield number;
}

/** What stands behind one Service: a Deployment with two revisions, as after a rollout. */
function withTemplate(spec, app, replicas, labels) {
  const template = { ...spec.template, metadata: { ...spec.template.metadata, labels } };
  return { ...spec, replicas, selector: { matchLabels: labels }, template };
}

const makers = {
  namespaces: () => ({
    count: NAMESPACES,
    make: (number) => ({ metadata: { name: `team-${number}`, uid: uid('a001', number), resourceVersion: VERSION }, spec: {}, status: {} }),
  }),
  nodes({ nodes }) {
    const node = recorded('nodes');
    const labels = (name) => ({ ...node.metadata.labels, 'kubernetes.io/hostname': name });
    return {
      count: nodes,
      make: (number) => renamed(node, { name: `node-${number}`, uid: uid('a002', number), labels: labels(`node-${number}`) }),
    };
  },
  services({ services }) {
    const service = recorded('services', ({ metadata }) => metadata.name === 'web');
    return {
      count: services,
      make(number) {
        const address = `10.96.${Math.floor(number / 250)}.${number % 250}`;
        const spec = { ...service.spec, selector: { app: appOf(number) }, clusterIP: address, clusterIPs: [address] };
        return renamed(service, { name: appOf(number), namespace: namespaceOf(number), uid: uid('a003', number) }, { spec });
      },
    };
  },
  endpointslices({ services, endpoints, nodes }) {
    const slice = recorded('endpointslices', ({ metadata }) => metadata.name.startsWith('web-'));
    const each = Math.floor(endpoints / services);
    const parts = Math.ceil(each / SLICE_ENDPOINTS);
    const endpointOf = (service, index) => {
      const pod = service * each + index;
      return {
        addresses: [`10.${100 + Math.floor(pod / 62500)}.${Math.floor(pod / 250) % 250}.${pod % 250}`],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: `node-${pod % nodes}`,
        targetRef: {
          kind: 'Pod',
          namespace: namespaceOf(service),
          name: `${appOf(service)}-5694fcdf4f-${pod.toString(36).padStart(5, '0')}`,
          uid: uid('b000', pod),
        },
      };
    };
    return {
      count: services * parts,
      make(number) {
        const service = Math.floor(number / parts);
        const first = (number % parts) * SLICE_ENDPOINTS;
        const made = [...countTo(Math.min(SLICE_ENDPOINTS, each - first))].map((index) => endpointOf(service, first + index));
        const labels = { ...slice.metadata.labels, 'kubernetes.io/service-name': appOf(service) };
        const more = { name: `${appOf(service)}-${number}x`, namespace: namespaceOf(service), uid: uid('a004', number), labels };
        return renamed(slice, more, { endpoints: made });
      },
    };
  },
  deployments({ services, endpoints }) {
    const deployment = recorded('deployments');
    const replicas = Math.floor(endpoints / services);
    const counts = { replicas, updatedReplicas: replicas, readyReplicas: replicas, availableReplicas: replicas };
    return {
      count: services,
      make: (number) =>
        renamed(
          deployment,
          { name: appOf(number), namespace: namespaceOf(number), uid: uid('a005', number) },
          {
            spec: withTemplate(deployment.spec, appOf(number), replicas, { app: appOf(number) }),
            status: { ...deployment.status, ...counts },
          },
        ),
    };
  },
  replicasets({ services, endpoints }) {
    const replicaSet = recorded('replicasets');
    const [owner] = replicaSet.metadata.ownerReferences;
    return {
      count: 2 * services,
      make(number) {
        const service = number >> 1;
        const hash = number % 2 === 0 ? '5694fcdf4f' : '7c4d9f6b58';
        const replicas = number % 2 === 0 ? Math.floor(endpoints / services) : 0;
        const labels = { app: appOf(service), 'pod-template-hash': hash };
        const more = {
          name: `${appOf(service)}-${hash}`,
          namespace: namespaceOf(service),
          uid: uid('a006', number),
          labels,
          ownerReferences: [{ ...owner, name: appOf(service), uid: uid('a005', service) }],
        };
        return renamed(replicaSet, more, { spec: withTemplate(replicaSet.spec, appOf(service), replicas, labels) });
      },
    };
  },
};

const types = new Map(builtInTypes().map((type) => [type.plural, type]));

function listOf(plural, size, accept) {
  const type = types.get(plural);
  const { count, make } = makers[plural]?.(size) ?? { count: 0 };
  const objects = [...countTo(count)].map((number) => ({ proto: encode(type.kind, make(number)) }));
  const encoding = chooseEncoding(accept, true);
  return { encoding, pieces: encoding.list(type, objects, { resourceVersion: VERSION }) };
}

/** @param {{services: number, endpoints: number, nodes: number}} size @returns {Promise<{url: string, stop: () => void}>} */
export async function startCluster(size) {
  const server = http.createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://cluster');
    const plural = pathname.split('/').pop();
    if (!types.has(plural)) {
      response.writeHead(404).end();
    } else if (searchParams.has('watch')) {
      response.writeHead(200, { 'Content-Type': chooseEncoding(request.headers.accept, true).watchType });
      response.flushHeaders();
    } else {
      const { encoding, pieces } = listOf(plural, size, request.headers.accept);
      response.writeHead(200, { 'Content-Type': encoding.contentType });
      for (const piece of pieces) response.write(piece);
      response.end();
    }
  });
  await new Promise((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A kubeconfig's text. */
export const kubeconfigFor = (url) => `apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "${url}"}}]
users: [{name: u, user: {}}]
`;
