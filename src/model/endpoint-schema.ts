import { z } from 'zod'
import { dnsSubdomain, optionalPort, portName, protocol } from './fields.ts'
import { metadataSchema } from './metadata.ts'
import { choice, list, mapping } from './reader.ts'

const optionalText = z.string().nullish()
const optionalFlag = z.boolean().nullish()
const hints = z.array(z.object({ name: z.string() })).nullish()
const ports = z.array(z.object({ name: portName, protocol, port: optionalPort })).nullish()
export type EndpointPorts = z.output<typeof ports>

const sliceEndpoint = z.object({
  addresses: list,
  conditions: z.object({ ready: optionalFlag, serving: optionalFlag, terminating: optionalFlag }).nullish(),
  nodeName: optionalText,
  zone: optionalText,
  hints: z.object({ forZones: hints, forNodes: hints }).nullish(),
  /** v1beta1: what nodeName and zone were before they were fields. */
  topology: mapping.nullish(),
  /** What became of it in v1. */
  deprecatedTopology: mapping.nullish(),
})
export type RawSliceEndpoint = z.output<typeof sliceEndpoint>

/** What is read of an EndpointSlice, v1 or v1beta1. */
export const sliceSchema = z.object({
  metadata: metadataSchema(dnsSubdomain),
  addressType: choice(['IPv4', 'IPv6', 'FQDN'], undefined),
  endpoints: z.array(sliceEndpoint).nullish(),
  ports,
})

const addresses = z.array(z.object({ ip: z.unknown().optional(), nodeName: optionalText })).nullish()
export type RawAddresses = z.output<typeof addresses>

/** What is read of a v1 Endpoints object. */
export const endpointsSchema = z.object({
  metadata: metadataSchema(dnsSubdomain),
  subsets: z.array(z.object({ addresses, notReadyAddresses: addresses, ports })).nullish(),
})
