/** Which resources the API server knows, and where. */

/**
 * @typedef {object} ResourceType
 * @property {string} group       "" for core
 * @property {string} version
 * @property {string} plural
 * @property {string} kind
 * @property {boolean} namespaced
 * @property {string} apiVersion  "v1", "apps/v1"
 * @property {string} prefix      "/api/v1", "/apis/apps/v1"
 * @property {string[]} fields    field selectors it can answer
 * @property {boolean} [custom]   a custom resource: JSON only
 */

const BUILT_IN = `
/v1 pods Pod yes spec.nodeName,spec.restartPolicy,spec.schedulerName,spec.serviceAccountName,status.phase,status.podIP
/v1 nodes Node no spec.unschedulable
/v1 services Service yes spec.clusterIP,spec.type
/v1 endpoints Endpoints yes
/v1 events Event yes involvedObject.kind,involvedObject.name,involvedObject.namespace,involvedObject.uid,reason,type
/v1 namespaces Namespace no status.phase
/v1 configmaps ConfigMap yes
/v1 secrets Secret yes type
apps/v1 deployments Deployment yes
apps/v1 replicasets ReplicaSet yes
apps/v1 statefulsets StatefulSet yes
apps/v1 daemonsets DaemonSet yes
apps/v1 controllerrevisions ControllerRevision yes
batch/v1 jobs Job yes status.successful
batch/v1 cronjobs CronJob yes
discovery.k8s.io/v1 endpointslices EndpointSlice yes
networking.k8s.io/v1 ingresses Ingress yes
policy/v1 poddisruptionbudgets PodDisruptionBudget yes
coordination.k8s.io/v1 leases Lease yes
`;

/** @returns {ResourceType} */
function makeType(groupVersion, plural, kind, namespaced, fields = '') {
  const [group, version] = groupVersion.split('/');
  return {
    group,
    version,
    plural,
    kind,
    namespaced,
    apiVersion: group ? `${group}/${version}` : version,
    prefix: group ? `/apis/${group}/${version}` : `/api/${version}`,
    fields: ['metadata.name', 'metadata.namespace', ...fields.split(',').filter(Boolean)],
  };
}

/** @returns {ResourceType[]} */
export function builtInTypes() {
  return BUILT_IN.trim()
    .split('\n')
    .map((line) => line.split(' '))
    .map(([groupVersion, plural, kind, namespaced, fields]) =>
      makeType(groupVersion, plural, kind, namespaced === 'yes', fields),
    );
}

/** "GROUP/VERSION/PLURAL/KIND" or ".../KIND/cluster" for one without namespaces. @returns {ResourceType} */
export function customType(text) {
  const [group, version, plural, kind, scope = 'namespaced'] = text.split('/');
  if (!kind || !['namespaced', 'cluster'].includes(scope)) {
    throw new Error(`${text}: GROUP/VERSION/PLURAL/KIND[/cluster] is wanted`);
  }
  return { ...makeType(`${group}/${version}`, plural, kind, scope === 'namespaced'), custom: true };
}

/**
 * Finds what a path means.
 * @param {ResourceType[]} types
 * @returns {{type: ResourceType, namespace: string, name: string, subresource: string} | undefined}
 */
export function resolvePath(types, path) {
  const match = /^(\/api\/[^/]+|\/apis\/[^/]+\/[^/]+)(?:\/(.+))?$/.exec(path);
  if (!match?.[2]) return undefined;
  const [, prefix, rest] = match;
  const parts = rest.split('/').map(decodeURIComponent);
  let namespace = '';
  if (parts[0] === 'namespaces' && parts.length > 2) [, namespace] = parts.splice(0, 2);
  const [plural, name = '', subresource = '', ...more] = parts;
  const type = types.find((one) => one.prefix === prefix && one.plural === plural);
  if (!type || more.length > 0 || (namespace && !type.namespaced)) return undefined;
  if (type.namespaced && name && !namespace) return undefined;
  return { type, namespace, name, subresource };
}
