import { expect, it } from 'vitest'
import { heldBy, takenIn } from '../../src/admin/kube/taken.ts'
import { seededRandom } from '../../src/lib/random.ts'
import type { Ip } from '../../src/model/keys.ts'
import { NO_JOURNAL } from '../../src/store/journal.ts'
import { JournaledStore } from '../../src/store/object-store.ts'
import { remove, service } from '../store/store.cases.ts'

it('addresses and ports that Services have are those of the list that was asked about, whichever came before', async () => {
  const random = seededRandom(5)
  const store = new JournaledStore({ journal: NO_JOURNAL })
  const lists = [store.list('Service')]
  const ips = Array.from({ length: 12 }, (_, n) => `10.0.0.${n + 1}` as Ip)
  const check = (list: (typeof lists)[number]) => {
    const taken = takenIn(store, list)
    const held = list.map(({ value }) => heldBy(value))
    expect(ips.map((ip) => taken.countIp(ip))).toEqual(ips.map((ip) => held.filter((one) => one.ips.has(ip)).length))
    for (let port = 30_000; port < 30_010; port++) {
      expect(taken.countPort(port)).toBe(held.filter((one) => one.ports.has(port)).length)
    }
  }
  for (let n = 0; n < 300; n++) {
    const key = service(`n${random.below(15)}`, `s${random.below(2)}`)
    const [clusterIP, second] = [ips[random.below(12)], ips[random.below(12)]]
    const ports = [{ nodePort: 30_000 + random.below(10) }, { nodePort: 0 }]
    const spec = { clusterIP, clusterIPs: [clusterIP, second], ports, healthCheckNodePort: 30_000 + random.below(10) }
    await store.commit((view) => {
      check(view.list('Service'))
      return [random.below(3) === 0 ? remove(key) : { key, value: { spec } }]
    })
    lists.push(store.list('Service'))
    // What was decided on top of a write that fails is looked at, and then is not so.
    check(lists[random.below(lists.length)] ?? [])
  }
})
