/**
 * Kubernetes' own messages: field names, numbers and kinds, as k8s.io/api and k8s.io/apimachinery have them (types.go,
 * protobuf tags). One message a paragraph: `Name field:number:type...`, continued on indented lines. Before a type:
 *   `!` always written, also when empty (the field is no pointer in Go);  `*` repeated;  `{T}` a map from string to T;
 *   `~` a message of its own in protobuf whose fields lie in the surrounding object in JSON.
 */
const TABLE = `
Pod metadata:1:!ObjectMeta spec:2:!PodSpec status:3:!PodStatus
Node metadata:1:!ObjectMeta spec:2:!NodeSpec status:3:!NodeStatus
Service metadata:1:!ObjectMeta spec:2:!ServiceSpec status:3:!ServiceStatus
Endpoints metadata:1:!ObjectMeta subsets:2:*EndpointSubset
Event metadata:1:!ObjectMeta involvedObject:2:!ObjectReference reason:3:!string message:4:!string
  source:5:!EventSource firstTimestamp:6:!Time lastTimestamp:7:!Time count:8:!int type:9:!string
  eventTime:10:!MicroTime series:11:EventSeries action:12:!string related:13:ObjectReference
  reportingComponent:14:!string reportingInstance:15:!string
Namespace metadata:1:!ObjectMeta spec:2:!NamespaceSpec status:3:!NamespaceStatus
ConfigMap metadata:1:!ObjectMeta data:2:{string} binaryData:3:{bytes} immutable:4:bool
Secret metadata:1:!ObjectMeta data:2:{bytes} type:3:!string stringData:4:{string} immutable:5:bool
Deployment metadata:1:!ObjectMeta spec:2:!DeploymentSpec status:3:!DeploymentStatus
ReplicaSet metadata:1:!ObjectMeta spec:2:!ReplicaSetSpec status:3:!ReplicaSetStatus
StatefulSet metadata:1:!ObjectMeta spec:2:!StatefulSetSpec status:3:!StatefulSetStatus
DaemonSet metadata:1:!ObjectMeta spec:2:!DaemonSetSpec status:3:!DaemonSetStatus
Job metadata:1:!ObjectMeta spec:2:!JobSpec status:3:!JobStatus
CronJob metadata:1:!ObjectMeta spec:2:!CronJobSpec status:3:!CronJobStatus
EndpointSlice metadata:1:!ObjectMeta endpoints:2:*Endpoint ports:3:*SliceEndpointPort addressType:4:!string
Ingress metadata:1:!ObjectMeta spec:2:!IngressSpec status:3:!IngressStatus
PodDisruptionBudget metadata:1:!ObjectMeta spec:2:!PodDisruptionBudgetSpec status:3:!PodDisruptionBudgetStatus
Lease metadata:1:!ObjectMeta spec:2:!LeaseSpec
Status metadata:1:!ListMeta status:2:!string message:3:!string reason:4:!string details:5:StatusDetails code:6:!int
ObjectMeta name:1:!string generateName:2:!string namespace:3:!string selfLink:4:!string uid:5:!string
  resourceVersion:6:!string generation:7:!int creationTimestamp:8:!Time deletionTimestamp:9:Time
  deletionGracePeriodSeconds:10:int labels:11:{string} annotations:12:{string} ownerReferences:13:*OwnerReference
  finalizers:14:*string managedFields:17:*ManagedFieldsEntry
PodSpec volumes:1:*Volume containers:2:*Container restartPolicy:3:!string terminationGracePeriodSeconds:4:int
  activeDeadlineSeconds:5:int dnsPolicy:6:!string nodeSelector:7:{string} serviceAccountName:8:!string
  serviceAccount:9:!string nodeName:10:!string hostNetwork:11:!bool hostPID:12:!bool hostIPC:13:!bool
  securityContext:14:PodSecurityContext imagePullSecrets:15:*LocalObjectReference hostname:16:!string
  subdomain:17:!string affinity:18:Affinity schedulerName:19:!string initContainers:20:*Container
  automountServiceAccountToken:21:bool tolerations:22:*Toleration hostAliases:23:*HostAlias
  priorityClassName:24:!string priority:25:int dnsConfig:26:PodDNSConfig shareProcessNamespace:27:bool
  readinessGates:28:*PodReadinessGate runtimeClassName:29:string enableServiceLinks:30:bool preemptionPolicy:31:string
  overhead:32:{Quantity} topologySpreadConstraints:33:*TopologySpreadConstraint
  ephemeralContainers:34:*EphemeralContainer setHostnameAsFQDN:35:bool os:36:PodOS hostUsers:37:bool
  resources:40:ResourceRequirements hostnameOverride:41:string schedulingGroup:43:PodSchedulingGroup
  evictionResponders:44:*EvictionResponder
PodStatus phase:1:!string conditions:2:*PodCondition message:3:!string reason:4:!string hostIP:5:!string
  podIP:6:!string startTime:7:Time containerStatuses:8:*ContainerStatus qosClass:9:!string
  initContainerStatuses:10:*ContainerStatus nominatedNodeName:11:!string podIPs:12:*PodIP
  ephemeralContainerStatuses:13:*ContainerStatus resize:14:string hostIPs:16:*HostIP observedGeneration:17:int
  allocatedResources:19:{Quantity} resources:20:ResourceRequirements
  nodeAllocatableResourceClaimStatuses:21:*NodeAllocatableResourceClaimStatus volumeHealth:22:*PodVolumeHealth
NodeSpec podCIDR:1:!string externalID:2:!string providerID:3:!string unschedulable:4:!bool taints:5:*Taint
  podCIDRs:7:*string podPreemptionPolicy:8:NodePodPreemptionPolicy
NodeStatus capacity:1:{Quantity} allocatable:2:{Quantity} phase:3:!string conditions:4:*NodeCondition
  addresses:5:*NodeAddress daemonEndpoints:6:!NodeDaemonEndpoints nodeInfo:7:!NodeSystemInfo images:8:*ContainerImage
  volumesInUse:9:*string declaredFeatures:14:*string
ServiceSpec ports:1:*ServicePort selector:2:{string} clusterIP:3:!string type:4:!string externalIPs:5:*string
  sessionAffinity:7:!string loadBalancerIP:8:!string loadBalancerSourceRanges:9:*string externalName:10:!string
  externalTrafficPolicy:11:!string healthCheckNodePort:12:!int publishNotReadyAddresses:13:!bool
  ipFamilyPolicy:17:string clusterIPs:18:*string ipFamilies:19:*string allocateLoadBalancerNodePorts:20:bool
  loadBalancerClass:21:string internalTrafficPolicy:22:string trafficDistribution:23:string
ServiceStatus loadBalancer:1:!LoadBalancerStatus conditions:2:*Condition
EndpointSubset addresses:1:*EndpointAddress notReadyAddresses:2:*EndpointAddress ports:3:*EndpointPort
ObjectReference kind:1:!string namespace:2:!string name:3:!string uid:4:!string apiVersion:5:!string
  resourceVersion:6:!string fieldPath:7:!string
EventSource component:1:!string host:2:!string
EventSeries count:1:!int lastObservedTime:2:!MicroTime
NamespaceSpec finalizers:1:*string
NamespaceStatus phase:1:!string conditions:2:*NamespaceCondition
DeploymentSpec replicas:1:int selector:2:LabelSelector template:3:!PodTemplateSpec strategy:4:!DeploymentStrategy
  minReadySeconds:5:!int revisionHistoryLimit:6:int paused:7:!bool progressDeadlineSeconds:9:int
DeploymentStatus observedGeneration:1:!int replicas:2:!int updatedReplicas:3:!int availableReplicas:4:!int
  unavailableReplicas:5:!int conditions:6:*DeploymentCondition readyReplicas:7:!int collisionCount:8:int
  terminatingReplicas:9:int
ReplicaSetSpec replicas:1:int selector:2:LabelSelector template:3:!PodTemplateSpec minReadySeconds:4:!int
ReplicaSetStatus replicas:1:!int fullyLabeledReplicas:2:!int observedGeneration:3:!int readyReplicas:4:!int
  availableReplicas:5:!int conditions:6:*ReplicaSetCondition terminatingReplicas:7:int
StatefulSetSpec replicas:1:int selector:2:LabelSelector template:3:!PodTemplateSpec serviceName:5:!string
  podManagementPolicy:6:!string updateStrategy:7:!StatefulSetUpdateStrategy revisionHistoryLimit:8:int
  minReadySeconds:9:!int persistentVolumeClaimRetentionPolicy:10:StatefulSetPersistentVolumeClaimRetentionPolicy
  ordinals:11:StatefulSetOrdinals
StatefulSetStatus observedGeneration:1:!int replicas:2:!int readyReplicas:3:!int currentReplicas:4:!int
  updatedReplicas:5:!int currentRevision:6:!string updateRevision:7:!string collisionCount:9:int
  conditions:10:*StatefulSetCondition availableReplicas:11:!int
DaemonSetSpec selector:1:LabelSelector template:2:!PodTemplateSpec updateStrategy:3:!DaemonSetUpdateStrategy
  minReadySeconds:4:!int revisionHistoryLimit:6:int
DaemonSetStatus currentNumberScheduled:1:!int numberMisscheduled:2:!int desiredNumberScheduled:3:!int
  numberReady:4:!int observedGeneration:5:!int updatedNumberScheduled:6:!int numberAvailable:7:!int
  numberUnavailable:8:!int collisionCount:9:int conditions:10:*DaemonSetCondition
JobSpec parallelism:1:int completions:2:int activeDeadlineSeconds:3:int selector:4:LabelSelector manualSelector:5:bool
  template:6:!PodTemplateSpec backoffLimit:7:int ttlSecondsAfterFinished:8:int completionMode:9:string suspend:10:bool
  podFailurePolicy:11:PodFailurePolicy backoffLimitPerIndex:12:int maxFailedIndexes:13:int
  podReplacementPolicy:14:string managedBy:15:string successPolicy:16:SuccessPolicy
  scheduling:17:JobSchedulingConfiguration
JobStatus conditions:1:*JobCondition startTime:2:Time completionTime:3:Time active:4:!int succeeded:5:!int
  failed:6:!int completedIndexes:7:!string uncountedTerminatedPods:8:UncountedTerminatedPods ready:9:int
  failedIndexes:10:string terminating:11:int
CronJobSpec schedule:1:!string startingDeadlineSeconds:2:int concurrencyPolicy:3:!string suspend:4:bool
  jobTemplate:5:!JobTemplateSpec successfulJobsHistoryLimit:6:int failedJobsHistoryLimit:7:int timeZone:8:string
CronJobStatus active:1:*ObjectReference lastScheduleTime:4:Time lastSuccessfulTime:5:Time
Endpoint addresses:1:*string conditions:2:!EndpointConditions hostname:3:string targetRef:4:ObjectReference
  deprecatedTopology:5:{string} nodeName:6:string zone:7:string hints:8:EndpointHints
SliceEndpointPort name:1:string protocol:2:string port:3:int appProtocol:4:string
IngressSpec defaultBackend:1:IngressBackend tls:2:*IngressTLS rules:3:*IngressRule ingressClassName:4:string
IngressBackend resource:3:TypedLocalObjectReference service:4:IngressServiceBackend
IngressServiceBackend name:1:!string port:2:!ServiceBackendPort
ServiceBackendPort name:1:!string number:2:!int
TypedLocalObjectReference apiGroup:1:string kind:2:!string name:3:!string
IngressTLS hosts:1:*string secretName:2:!string
IngressRule host:1:!string ingressRuleValue:2:~!IngressRuleValue
IngressRuleValue http:1:HTTPIngressRuleValue
HTTPIngressRuleValue paths:1:*HTTPIngressPath
HTTPIngressPath path:1:!string backend:2:!IngressBackend pathType:3:string
IngressStatus loadBalancer:1:!IngressLoadBalancerStatus
IngressLoadBalancerStatus ingress:1:*IngressLoadBalancerIngress
IngressLoadBalancerIngress ip:1:!string hostname:2:!string ports:4:*PortStatus
PodDisruptionBudgetSpec minAvailable:1:IntOrString selector:2:LabelSelector maxUnavailable:3:IntOrString
  unhealthyPodEvictionPolicy:4:string
PodDisruptionBudgetStatus observedGeneration:1:!int disruptedPods:2:{Time} disruptionsAllowed:3:!int
  currentHealthy:4:!int desiredHealthy:5:!int expectedPods:6:!int conditions:7:*Condition
LeaseSpec holderIdentity:1:string leaseDurationSeconds:2:int acquireTime:3:MicroTime renewTime:4:MicroTime
  leaseTransitions:5:int strategy:6:string preferredHolder:7:string
ListMeta selfLink:1:!string resourceVersion:2:!string continue:3:!string remainingItemCount:4:int
StatusDetails name:1:!string group:2:!string kind:3:!string causes:4:*StatusCause retryAfterSeconds:5:!int
  uid:6:!string
OwnerReference kind:1:!string name:3:!string uid:4:!string apiVersion:5:!string controller:6:bool
  blockOwnerDeletion:7:bool
ManagedFieldsEntry manager:1:!string operation:2:!string apiVersion:3:!string time:4:Time fieldsType:6:!string
  fieldsV1:7:FieldsV1 subresource:8:!string
Volume name:1:!string volumeSource:2:~!VolumeSource
Container name:1:!string image:2:!string command:3:*string args:4:*string workingDir:5:!string ports:6:*ContainerPort
  env:7:*EnvVar resources:8:!ResourceRequirements volumeMounts:9:*VolumeMount livenessProbe:10:Probe
  readinessProbe:11:Probe lifecycle:12:Lifecycle terminationMessagePath:13:!string imagePullPolicy:14:!string
  securityContext:15:SecurityContext stdin:16:!bool stdinOnce:17:!bool tty:18:!bool envFrom:19:*EnvFromSource
  terminationMessagePolicy:20:!string volumeDevices:21:*VolumeDevice startupProbe:22:Probe restartPolicy:24:string
PodSecurityContext runAsUser:2:int runAsNonRoot:3:bool supplementalGroups:4:*int fsGroup:5:int runAsGroup:6:int
  sysctls:7:*Sysctl fsGroupChangePolicy:9:string seccompProfile:10:SeccompProfile appArmorProfile:11:AppArmorProfile
  supplementalGroupsPolicy:12:string seLinuxChangePolicy:13:string
LocalObjectReference name:1:!string
Affinity nodeAffinity:1:NodeAffinity podAffinity:2:PodAffinity podAntiAffinity:3:PodAntiAffinity
Toleration key:1:!string operator:2:!string value:3:!string effect:4:!string tolerationSeconds:5:int
HostAlias ip:1:!string hostnames:2:*string
PodDNSConfig nameservers:1:*string searches:2:*string options:3:*PodDNSConfigOption
PodReadinessGate conditionType:1:!string
TopologySpreadConstraint maxSkew:1:!int topologyKey:2:!string whenUnsatisfiable:3:!string
  labelSelector:4:LabelSelector minDomains:5:int nodeAffinityPolicy:6:string nodeTaintsPolicy:7:string
  matchLabelKeys:8:*string
EphemeralContainer EphemeralContainerCommon:1:~!EphemeralContainerCommon targetContainerName:2:!string
PodOS name:1:!string
ResourceRequirements limits:1:{Quantity} requests:2:{Quantity} claims:3:*ResourceClaim
PodSchedulingGroup podGroupName:1:string
EvictionResponder name:1:!string priority:2:int
PodCondition type:1:!string status:2:!string lastProbeTime:3:!Time lastTransitionTime:4:!Time reason:5:!string
  message:6:!string observedGeneration:7:int
ContainerStatus name:1:!string state:2:!ContainerState lastState:3:!ContainerState ready:4:!bool restartCount:5:!int
  image:6:!string imageID:7:!string containerID:8:!string started:9:bool allocatedResources:10:{Quantity}
  resources:11:ResourceRequirements volumeMounts:12:*VolumeMountStatus stopSignal:15:string
PodIP ip:1:!string
HostIP ip:1:!string
NodeAllocatableResourceClaimStatus resourceClaimName:1:!string containers:2:*string
  mapping:4:*NodeAllocatableMappedResources overhead:5:*NodeAllocatableOverheadResources
PodVolumeHealth name:1:!string healthConditions:2:*VolumeHealthCondition lastTransitionTime:3:!Time
Taint key:1:!string value:2:!string effect:3:!string timeAdded:4:Time
NodePodPreemptionPolicy disableResizePreemption:1:*string
NodeCondition type:1:!string status:2:!string lastHeartbeatTime:3:!Time lastTransitionTime:4:!Time reason:5:!string
  message:6:!string
NodeAddress type:1:!string address:2:!string
NodeDaemonEndpoints kubeletEndpoint:1:!DaemonEndpoint
NodeSystemInfo machineID:1:!string systemUUID:2:!string bootID:3:!string kernelVersion:4:!string osImage:5:!string
  containerRuntimeVersion:6:!string kubeletVersion:7:!string kubeProxyVersion:8:!string operatingSystem:9:!string
  architecture:10:!string swap:11:NodeSwapStatus
ContainerImage names:1:*string sizeBytes:2:!int
ServicePort name:1:!string protocol:2:!string port:3:!int targetPort:4:!IntOrString nodePort:5:!int
  appProtocol:6:string
LoadBalancerStatus ingress:1:*LoadBalancerIngress
Condition type:1:!string status:2:!string observedGeneration:3:!int lastTransitionTime:4:!Time reason:5:!string
  message:6:!string
EndpointAddress ip:1:!string targetRef:2:ObjectReference hostname:3:!string nodeName:4:string
EndpointPort name:1:!string port:2:!int protocol:3:!string appProtocol:4:string
NamespaceCondition type:1:!string status:2:!string lastTransitionTime:4:!Time reason:5:!string message:6:!string
LabelSelector matchLabels:1:{string} matchExpressions:2:*LabelSelectorRequirement
PodTemplateSpec metadata:1:!ObjectMeta spec:2:!PodSpec
DeploymentStrategy type:1:!string rollingUpdate:2:RollingUpdateDeployment
DeploymentCondition type:1:!string status:2:!string reason:4:!string message:5:!string lastUpdateTime:6:!Time
  lastTransitionTime:7:!Time
ReplicaSetCondition type:1:!string status:2:!string lastTransitionTime:3:!Time reason:4:!string message:5:!string
StatefulSetUpdateStrategy type:1:!string rollingUpdate:2:RollingUpdateStatefulSetStrategy
StatefulSetPersistentVolumeClaimRetentionPolicy whenDeleted:1:!string whenScaled:2:!string
StatefulSetOrdinals start:1:!int
StatefulSetCondition type:1:!string status:2:!string lastTransitionTime:3:!Time reason:4:!string message:5:!string
DaemonSetUpdateStrategy type:1:!string rollingUpdate:2:RollingUpdateDaemonSet
DaemonSetCondition type:1:!string status:2:!string lastTransitionTime:3:!Time reason:4:!string message:5:!string
PodFailurePolicy rules:1:*PodFailurePolicyRule
SuccessPolicy rules:1:*SuccessPolicyRule
JobSchedulingConfiguration schedulingPolicy:1:string schedulingConstraints:2:string disruptionMode:3:string
  resourceClaims:4:*string
JobCondition type:1:!string status:2:!string lastProbeTime:3:!Time lastTransitionTime:4:!Time reason:5:!string
  message:6:!string
UncountedTerminatedPods succeeded:1:*string failed:2:*string
JobTemplateSpec metadata:1:!ObjectMeta spec:2:!JobSpec
EndpointConditions ready:1:bool serving:2:bool terminating:3:bool
EndpointHints forZones:1:*ForZone forNodes:2:*ForNode
StatusCause reason:1:!string message:2:!string field:3:!string
VolumeSource hostPath:1:HostPathVolumeSource emptyDir:2:EmptyDirVolumeSource secret:6:SecretVolumeSource
  persistentVolumeClaim:10:PersistentVolumeClaimVolumeSource downwardAPI:16:DownwardAPIVolumeSource
  configMap:19:ConfigMapVolumeSource projected:26:ProjectedVolumeSource
ContainerPort name:1:!string hostPort:2:!int containerPort:3:!int protocol:4:!string hostIP:5:!string
EnvVar name:1:!string value:2:!string valueFrom:3:EnvVarSource
VolumeMount name:1:!string readOnly:2:!bool mountPath:3:!string subPath:4:!string mountPropagation:5:string
  subPathExpr:6:!string recursiveReadOnly:7:string bindMountOptions:8:*string
Probe handler:1:~!ProbeHandler initialDelaySeconds:2:!int timeoutSeconds:3:!int periodSeconds:4:!int
  successThreshold:5:!int failureThreshold:6:!int terminationGracePeriodSeconds:7:int
Lifecycle postStart:1:LifecycleHandler preStop:2:LifecycleHandler stopSignal:3:string
SecurityContext capabilities:1:Capabilities privileged:2:bool runAsUser:4:int runAsNonRoot:5:bool
  readOnlyRootFilesystem:6:bool allowPrivilegeEscalation:7:bool runAsGroup:8:int procMount:9:string
  seccompProfile:11:SeccompProfile appArmorProfile:12:AppArmorProfile
EnvFromSource prefix:1:!string configMapRef:2:ConfigMapEnvSource secretRef:3:SecretEnvSource
VolumeDevice name:1:!string devicePath:2:!string
Sysctl name:1:!string value:2:!string
SeccompProfile type:1:!string localhostProfile:2:string
AppArmorProfile type:1:!string localhostProfile:2:string
NodeAffinity requiredDuringSchedulingIgnoredDuringExecution:1:NodeSelector
  preferredDuringSchedulingIgnoredDuringExecution:2:*PreferredSchedulingTerm
PodAffinity requiredDuringSchedulingIgnoredDuringExecution:1:*PodAffinityTerm
  preferredDuringSchedulingIgnoredDuringExecution:2:*WeightedPodAffinityTerm
PodAntiAffinity requiredDuringSchedulingIgnoredDuringExecution:1:*PodAffinityTerm
  preferredDuringSchedulingIgnoredDuringExecution:2:*WeightedPodAffinityTerm
PodDNSConfigOption name:1:!string value:2:string
EphemeralContainerCommon name:1:!string image:2:!string command:3:*string args:4:*string workingDir:5:!string
  ports:6:*ContainerPort env:7:*EnvVar resources:8:!ResourceRequirements volumeMounts:9:*VolumeMount
  livenessProbe:10:Probe readinessProbe:11:Probe lifecycle:12:Lifecycle terminationMessagePath:13:!string
  imagePullPolicy:14:!string securityContext:15:SecurityContext stdin:16:!bool stdinOnce:17:!bool tty:18:!bool
  envFrom:19:*EnvFromSource terminationMessagePolicy:20:!string volumeDevices:21:*VolumeDevice startupProbe:22:Probe
  restartPolicy:24:string
ResourceClaim name:1:!string request:2:!string
ContainerState waiting:1:ContainerStateWaiting running:2:ContainerStateRunning terminated:3:ContainerStateTerminated
VolumeMountStatus name:1:!string mountPath:2:!string readOnly:3:!bool recursiveReadOnly:4:string
NodeAllocatableMappedResources name:1:!string quantity:2:Quantity
NodeAllocatableOverheadResources name:1:!string perPod:2:Quantity perContainer:3:Quantity
VolumeHealthCondition status:1:!string reason:2:!string message:3:!string
DaemonEndpoint Port:1:!int
NodeSwapStatus capacity:1:int
LoadBalancerIngress ip:1:!string hostname:2:!string ipMode:3:string ports:4:*PortStatus
LabelSelectorRequirement key:1:!string operator:2:!string values:3:*string
RollingUpdateDeployment maxUnavailable:1:IntOrString maxSurge:2:IntOrString
RollingUpdateStatefulSetStrategy partition:1:int maxUnavailable:2:IntOrString
RollingUpdateDaemonSet maxUnavailable:1:IntOrString maxSurge:2:IntOrString
PodFailurePolicyRule action:1:!string onExitCodes:2:PodFailurePolicyOnExitCodesRequirement
  onPodConditions:3:*PodFailurePolicyOnPodConditionsPattern
SuccessPolicyRule succeededIndexes:1:string succeededCount:2:int
ForZone name:1:!string
ForNode name:1:!string
HostPathVolumeSource path:1:!string type:2:string
EmptyDirVolumeSource medium:1:!string sizeLimit:2:Quantity mode:3:int
SecretVolumeSource secretName:1:!string items:2:*KeyToPath defaultMode:3:int optional:4:bool defaultUser:5:int
PersistentVolumeClaimVolumeSource claimName:1:!string readOnly:2:!bool
DownwardAPIVolumeSource items:1:*DownwardAPIVolumeFile defaultMode:2:int defaultUser:3:int
ConfigMapVolumeSource localObjectReference:1:~!LocalObjectReference items:2:*KeyToPath defaultMode:3:int
  optional:4:bool defaultUser:5:int
ProjectedVolumeSource sources:1:*VolumeProjection defaultMode:2:int defaultUser:3:int
EnvVarSource fieldRef:1:ObjectFieldSelector resourceFieldRef:2:ResourceFieldSelector
  configMapKeyRef:3:ConfigMapKeySelector secretKeyRef:4:SecretKeySelector fileKeyRef:5:FileKeySelector
ProbeHandler exec:1:ExecAction httpGet:2:HTTPGetAction tcpSocket:3:TCPSocketAction grpc:4:GRPCAction
LifecycleHandler exec:1:ExecAction httpGet:2:HTTPGetAction tcpSocket:3:TCPSocketAction sleep:4:SleepAction
Capabilities add:1:*string drop:2:*string
ConfigMapEnvSource localObjectReference:1:~!LocalObjectReference optional:2:bool
SecretEnvSource localObjectReference:1:~!LocalObjectReference optional:2:bool
NodeSelector nodeSelectorTerms:1:*NodeSelectorTerm
PreferredSchedulingTerm weight:1:!int preference:2:!NodeSelectorTerm
PodAffinityTerm labelSelector:1:LabelSelector namespaces:2:*string topologyKey:3:!string
  namespaceSelector:4:LabelSelector matchLabelKeys:5:*string mismatchLabelKeys:6:*string
WeightedPodAffinityTerm weight:1:!int podAffinityTerm:2:!PodAffinityTerm
ContainerStateWaiting reason:1:!string message:2:!string
ContainerStateRunning startedAt:1:!Time
ContainerStateTerminated exitCode:1:!int signal:2:!int reason:3:!string message:4:!string startedAt:5:!Time
  finishedAt:6:!Time containerID:7:!string
PortStatus port:1:!int protocol:2:!string error:3:string
PodFailurePolicyOnExitCodesRequirement containerName:1:string operator:2:!string values:3:*int
PodFailurePolicyOnPodConditionsPattern type:1:!string status:2:!string
KeyToPath key:1:!string path:2:!string mode:3:int user:4:int
DownwardAPIVolumeFile path:1:!string fieldRef:2:ObjectFieldSelector resourceFieldRef:3:ResourceFieldSelector
  mode:4:int user:5:int
VolumeProjection secret:1:SecretProjection downwardAPI:2:DownwardAPIProjection configMap:3:ConfigMapProjection
  serviceAccountToken:4:ServiceAccountTokenProjection
ObjectFieldSelector apiVersion:1:!string fieldPath:2:!string
ResourceFieldSelector containerName:1:!string resource:2:!string divisor:3:!Quantity
ConfigMapKeySelector localObjectReference:1:~!LocalObjectReference key:2:!string optional:3:bool
SecretKeySelector localObjectReference:1:~!LocalObjectReference key:2:!string optional:3:bool
FileKeySelector volumeName:1:!string path:2:!string key:3:!string optional:4:bool
ExecAction command:1:*string
HTTPGetAction path:1:!string port:2:!IntOrString host:3:!string scheme:4:!string httpHeaders:5:*HTTPHeader
  protocol:6:string
TCPSocketAction port:1:!IntOrString host:2:!string
GRPCAction port:1:!int service:2:string mode:3:string
SleepAction seconds:1:!int
NodeSelectorTerm matchExpressions:1:*NodeSelectorRequirement matchFields:2:*NodeSelectorRequirement
SecretProjection localObjectReference:1:~!LocalObjectReference items:2:*KeyToPath optional:4:bool
DownwardAPIProjection items:1:*DownwardAPIVolumeFile
ConfigMapProjection localObjectReference:1:~!LocalObjectReference items:2:*KeyToPath optional:4:bool
ServiceAccountTokenProjection audience:1:!string expirationSeconds:2:int path:3:!string user:4:int
HTTPHeader name:1:!string value:2:!string
NodeSelectorRequirement key:1:!string operator:2:!string values:3:*string
`;

/**
 * @typedef {object} Field
 * @property {string} name     its name in JSON
 * @property {number} number
 * @property {string} type     a message of this table, or string, bytes, bool, int, Time, ...
 * @property {boolean} always  written also when empty
 * @property {boolean} repeated
 * @property {boolean} map
 * @property {boolean} inline
 */

function parseField(text) {
  const [name, number, spec] = text.split(':');
  const [, flags, type] = /^([!*~]*)\{?(\w+)\}?$/.exec(spec);
  return {
    name,
    number: Number(number),
    type,
    always: flags.includes('!'),
    repeated: flags.includes('*'),
    inline: flags.includes('~'),
    map: spec.includes('{'),
  };
}

/** @type {Map<string, Field[]>} by message name; fields in the order of their numbers */
export const messages = new Map(
  TABLE.trim()
    .replace(/\n\s+/g, ' ')
    .split('\n')
    .map((line) => line.split(' '))
    .map(([name, ...rest]) => [name, rest.map(parseField)]),
);
