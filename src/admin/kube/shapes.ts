import { z } from 'zod'
import { anything, flag, group, list, number, numberOrName, text, texts, words } from './shape-words.ts'

/** Every field of the objects that the API takes, with its type, what it means, and how patches merge it. Which values are
 *  right is not said here but in `model/`, whose rules hold for files and clusters too. */

const time = (description: string) => text(description, { format: 'date-time' })

const metadata = group('Who the object is: its name, labels and history.', {
  name: text('Name, unique in its namespace for its kind. Cannot be changed.'),
  generateName: text('Beginning of a name that the server completes when none is given.'),
  namespace: text('The space in which the name is unique. Left out, it is default.'),
  uid: text('Unique in time and space. Set by the server.'),
  resourceVersion: text('Changes with every change of the object. An update that names an old one is refused.'),
  generation: number('Counts changes of what was asked for. Set by the server.', 'int64'),
  creationTimestamp: time('When it was created. Set by the server.'),
  deletionTimestamp: time('When its deletion was asked for. Set by the server.'),
  deletionGracePeriodSeconds: number('How long a deletion takes. Set by the server.', 'int64'),
  labels: words('Keys and values to select objects by.'),
  annotations: words('Keys and values for programs; portald.io/ has those of this load balancer.'),
  finalizers: texts('What must be done before the object is gone.', {
    'x-kubernetes-list-type': 'set',
    'x-kubernetes-patch-strategy': 'merge',
  }),
  ownerReferences: list(
    'Objects that this one depends on.',
    {
      apiVersion: text('API version of the owner.'),
      kind: text('Kind of the owner.'),
      name: text('Name of the owner.'),
      uid: text('UID of the owner.'),
      controller: flag('Whether the owner manages this object.'),
      blockOwnerDeletion: flag('Whether the owner waits for this object to be gone.'),
    },
    {
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['uid'],
      'x-kubernetes-patch-strategy': 'merge',
      'x-kubernetes-patch-merge-key': 'uid',
    },
  ),
  managedFields: list('Which program manages which fields. Set by the server.', {
    manager: text('Name of the program.'),
    operation: text('Apply or Update.'),
    apiVersion: text('API version of the fields.'),
    time: time('When the program last changed the set of its fields.'),
    fieldsType: text('FieldsV1.'),
    fieldsV1: anything('The fields.'),
    subresource: text('Through which subresource.'),
  }),
  selfLink: text('Not used any more.'),
})

const head = {
  apiVersion: text('Version of the API, such as v1.'),
  kind: text('Kind of object.'),
  metadata,
}

const conditions = list(
  'What is known of the object now.',
  {
    type: text('What it is about, such as portald.io/Listening.'),
    status: text('True, False or Unknown.'),
    reason: text('One word that says why.'),
    message: text('The same for people.'),
    lastTransitionTime: time('When the status last changed.'),
    observedGeneration: number('The generation of the object that this was said of.', 'int64'),
  },
  {
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['type'],
    'x-kubernetes-patch-strategy': 'merge',
    'x-kubernetes-patch-merge-key': 'type',
  },
)

export const serviceShape = z
  .object({
    ...head,
    spec: group('What is asked for.', {
      type: text('ClusterIP, NodePort, LoadBalancer or ExternalName.', { default: 'ClusterIP' }),
      clusterIP: text('The address to listen on. Left out, it comes from --service-cluster-ip-range. None: no address.'),
      clusterIPs: texts('The same, at most one of each address family.'),
      ipFamilies: texts('IPv4, IPv6 or both: the families of clusterIPs.'),
      ipFamilyPolicy: text('SingleStack, PreferDualStack or RequireDualStack.'),
      externalIPs: texts('More addresses to listen on.'),
      externalName: text('A host name, for type ExternalName.'),
      ports: list(
        'The ports to listen on.',
        {
          name: text('Name of the port: the endpoints have one of the same name. Needed where there are several.'),
          protocol: text('TCP, UDP or SCTP.', { default: 'TCP' }),
          port: number('The port to listen on.').unwrap().meta({ description: 'The port to listen on.', format: 'int32' }),
          targetPort: numberOrName('Of the pods, which this program has none of: endpoints say their ports themselves.'),
          nodePort: number('The port on every address of this machine, for types NodePort and LoadBalancer.'),
          appProtocol: text('What is spoken on the port.'),
        },
        {
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['port', 'protocol'],
          'x-kubernetes-patch-strategy': 'merge',
          'x-kubernetes-patch-merge-key': 'port',
        },
      ),
      selector: words('Labels of pods. There are none here: write EndpointSlices.', { 'x-kubernetes-map-type': 'atomic' }),
      sessionAffinity: text('None, or ClientIP: a client goes to the endpoint it had.', { default: 'None' }),
      sessionAffinityConfig: group('How affinity works.', {
        clientIP: group('For ClientIP.', { timeoutSeconds: number('How long it is remembered, 1 to 86400.') }),
      }),
      internalTrafficPolicy: text('Cluster, or Local: endpoints on this node only.'),
      externalTrafficPolicy: text('The same for clients from outside.'),
      healthCheckNodePort: number('Where load balancers ask whether there are local endpoints.'),
      publishNotReadyAddresses: flag('Whether endpoints count that are not ready.'),
      allocateLoadBalancerNodePorts: flag('Whether type LoadBalancer gets nodePorts.'),
      loadBalancerClass: text('Which load balancer is meant.'),
      loadBalancerIP: text('Which address the load balancer is to have.'),
      loadBalancerSourceRanges: texts('Clients from elsewhere are refused.'),
      trafficDistribution: text('PreferSameZone, PreferSameNode or PreferClose.'),
      topologyKeys: texts('Node labels whose endpoints are preferred (until Kubernetes 1.21).'),
    }),
    status: group('What became of it. Set by the server.', {
      loadBalancer: group('Addresses of type LoadBalancer.', {
        ingress: list('One for each address.', {
          ip: text('Address.'),
          hostname: text('Host name.'),
          ipMode: text('VIP or Proxy.'),
          ports: list('What is wrong with single ports.', {
            port: number('Port.'),
            protocol: text('Protocol.'),
            error: text('What went wrong, as a word.'),
          }),
        }),
      }),
      conditions,
    }),
  })
  .meta({ description: 'A name and addresses for a set of endpoints: what this load balancer listens on.' })

const targetRef = group(
  'The object behind it.',
  {
    apiVersion: text('API version.'),
    kind: text('Kind.'),
    name: text('Name.'),
    namespace: text('Namespace.'),
    uid: text('UID.'),
    fieldPath: text('Part of the object.'),
    resourceVersion: text('Its version.'),
  },
  { 'x-kubernetes-map-type': 'atomic' },
)

const hint = { name: text('Name.') }

function sliceShape(beta: boolean) {
  const older = beta
    ? { topology: words('Labels of its node.') }
    : { deprecatedTopology: words('Labels of its node, from v1beta1.'), zone: text('Zone it is in.') }
  return z
    .object({
      ...head,
      addressType: text('IPv4, IPv6 or FQDN. Cannot be changed.'),
      endpoints: list('Who serves.', {
        addresses: texts('Its address; only the first one is used.', { 'x-kubernetes-list-type': 'set' }),
        conditions: group('How it is; what is not said counts as good.', {
          ready: flag('Whether it gets new sessions.'),
          serving: flag('Whether it answers, even while it stops.'),
          terminating: flag('Whether it is about to stop.'),
        }),
        hostname: text('Its host name.'),
        nodeName: text('The node it runs on.'),
        ...older,
        targetRef,
        hints: group('Who is to use it.', {
          forZones: list('Clients in these zones.', hint),
          forNodes: list('Clients on these nodes.', hint),
        }),
      }),
      ports: list('Where each of them listens.', {
        name: text('Name of the Service port it is for.'),
        protocol: text('TCP, UDP or SCTP.', { default: 'TCP' }),
        port: number('Port.'),
        appProtocol: text('What is spoken on the port.'),
      }),
    })
    .meta({ description: 'Endpoints of a Service; the label kubernetes.io/service-name says which.' })
}

export const sliceV1Shape = sliceShape(false)
export const sliceV1Beta1Shape = sliceShape(true)

const endpointAddresses = (description: string) =>
  list(description, { ip: text('Address.'), hostname: text('Host name.'), nodeName: text('The node it runs on.'), targetRef })

export const endpointsShape = z
  .object({
    ...head,
    subsets: list('Addresses that share ports.', {
      addresses: endpointAddresses('Those that are ready.'),
      notReadyAddresses: endpointAddresses('Those that are not.'),
      ports: list('Where they listen.', {
        name: text('Name of the Service port it is for.'),
        port: number('Port.'),
        protocol: text('TCP, UDP or SCTP.', { default: 'TCP' }),
        appProtocol: text('What is spoken on the port.'),
      }),
    }),
  })
  .meta({ description: 'Endpoints of the Service of the same name, in their older form.' })

export const namespaceShape = z
  .object({
    ...head,
    spec: group('What is asked for.', { finalizers: texts('What must be done before it is gone.') }),
    status: group('What became of it. Set by the server.', { phase: text('Active.'), conditions }),
  })
  .meta({ description: 'A space for names.' })
