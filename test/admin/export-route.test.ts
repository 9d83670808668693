import { expect, it } from 'vitest'
import { registerExport } from '../../src/admin/export-route.ts'
import type { Write } from '../../src/store/store.ts'
import { put, service } from '../store/store.cases.ts'
import { ask, openAdminWorld } from '../support/admin-world.ts'

it('prints what was given to the API, without what the API adds and without objects of others', async () => {
  await using world = await openAdminWorld({ admin: ['127.0.0.1:20249'] }, { registrars: [registerExport] })
  await world.attach()
  const value = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'default', name: 'web', labels: { app: 'x' }, uid: 'u', generation: 2, managedFields: [] },
    spec: { ports: [{ port: 80 }] },
    status: { loadBalancer: {} },
  }
  await world.store.commit(() => [
    { key: service('web'), value, aside: { managers: {} } },
    { ...put(service('foreign')), aside: { owner: '/etc/x.yaml:1' }, kept: false } as Write,
    put({ kind: 'Namespace', namespace: '', name: 'default' }),
  ])
  expect((await ask(20_249, '/portald/v1/objects')).json).toEqual({
    apiVersion: 'v1',
    kind: 'List',
    items: [
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { namespace: 'default', name: 'web', labels: { app: 'x' } },
        spec: { ports: [{ port: 80 }] },
      },
    ],
  })
})
