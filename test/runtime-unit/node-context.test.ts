import { hostname, networkInterfaces } from 'node:os'
import { describe, expect, it } from 'vitest'
import { isLinkLocal, isLoopback } from '../../src/model/address.ts'
import { type Cidr, familyOf, type Ip } from '../../src/model/keys.ts'
import { nodeNameOf, readNodeContext } from '../../src/runtime/node-context.ts'

const name = 'node-1'

function addresses(nodeIps: string[], nodeportAddresses: string[] = []): readonly string[] {
  return readNodeContext({
    name,
    nodeLabels: {},
    nodeIps: nodeIps as Ip[],
    nodeportAddresses: nodeportAddresses as Cidr[],
    clusterCidrs: [],
  }).nodePortAddresses
}

describe('node context', () => {
  it('takes the addresses of interfaces, loopback included, link-local left out, each once', () => {
    const found = addresses([])
    expect(found).toContain('127.0.0.1')
    expect(new Set(found).size).toBe(found.length)
    expect(found.filter((ip) => ip.startsWith('fe80:') || ip.startsWith('169.254.') || ip.includes('%'))).toEqual([])
    const theirs = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address))
    for (const ip of found) expect(theirs).toContain(ip)
  })

  it('takes the addresses it is given instead, in their order', () => {
    expect(addresses(['203.0.113.9', '2001:db8::9'])).toEqual(['203.0.113.9', '2001:db8::9'])
  })

  it('leaves out what is in no range of its family; a family without a range stays open', () => {
    const all = ['192.0.2.1', '127.0.0.1', '2001:db8::1', '::1']
    expect(addresses(all, ['192.0.2.0/24'])).toEqual(['192.0.2.1', '2001:db8::1', '::1'])
    expect(addresses(all, ['127.0.0.0/8', '192.0.2.0/24', '::1/128'])).toEqual(['192.0.2.1', '127.0.0.1', '::1'])
    expect(addresses(all, ['0.0.0.0/0', '::/0'])).toEqual(all)
  })

  it('has a primary address of each family: the first one given, else one that is not loopback', () => {
    const primary = (nodeIps: string[]) =>
      readNodeContext({ name, nodeLabels: {}, nodeIps: nodeIps as Ip[], nodeportAddresses: 'primary', clusterCidrs: [] })
    expect(primary(['192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8::2'])).toMatchObject({
      nodePortAddresses: ['192.0.2.1', '2001:db8::1'],
      followsNodeObject: false,
    })
    const { nodePortAddresses, followsNodeObject } = primary([])
    expect(followsNodeObject).toBe(true)
    expect(new Set(nodePortAddresses.map(familyOf)).size).toBe(nodePortAddresses.length)
    expect(nodePortAddresses.filter((ip) => isLoopback(ip) || isLinkLocal(ip))).toEqual([])
  })

  it('is the same reference as long as nothing changed', () => {
    const options = { name, nodeLabels: {}, nodeIps: ['192.0.2.1'] as Ip[], nodeportAddresses: [], clusterCidrs: [] }
    const before = readNodeContext(options)
    expect(readNodeContext({ ...options }, before)).toBe(before)
    expect(readNodeContext({ ...options, nodeIps: ['192.0.2.2'] as Ip[] }, before)).not.toBe(before)
    expect(readNodeContext({ ...options, name: 'node-2' }, before)).not.toBe(before)
    expect(readNodeContext({ ...options, nodeLabels: { a: 'b' } }, before)).not.toBe(before)
  })

  it('knows its own clients: loopback, every interface, and addresses that it was given', () => {
    const { clients } = readNodeContext({
      name,
      nodeLabels: {},
      nodeIps: ['203.0.113.9' as Ip],
      nodeportAddresses: [],
      clusterCidrs: [],
    })
    expect(clients).toEqual(expect.arrayContaining(['127.0.0.0/8', '::1/128', '203.0.113.9/32']))
    const theirs = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address))
    for (const ip of theirs.filter((address) => /^(?!127)[\d.]+$/.test(address))) expect(clients).toContain(`${ip}/32`)
  })

  it('counts clients of the range of pods as on this node', () => {
    const clusterCidrs = ['10.244.0.0/16', 'fd00:10:244::/56'] as Cidr[]
    const { clients } = readNodeContext({ name, nodeLabels: {}, nodeIps: [], nodeportAddresses: [], clusterCidrs })
    expect(clients).toEqual(expect.arrayContaining(['127.0.0.0/8', ...clusterCidrs]))
  })
})

describe('name of the node', () => {
  it('is lower case, as names of Node objects are', () => {
    expect(nodeNameOf({ hostnameOverride: ' Node-1.Example ' })).toBe('node-1.example')
    expect(nodeNameOf({ hostnameOverride: undefined })).toBe(hostname().toLowerCase())
  })
})
