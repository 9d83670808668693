import { createIpRoute } from '../vip/iproute.ts'
import { Machine } from '../vip/machine.ts'
import { EXIT } from './command-context.ts'
import type { Output } from './output.ts'

/** Removes what killed instances left of addresses they made local; one line for each.
 *  @throws ProxyError E_VIP_MODE when the machine's addresses cannot be read. */
export async function cleanup(output: Output): Promise<number> {
  const machine = new Machine(createIpRoute())
  await machine.look()
  const { removed, inUse, failed } = await machine.removeLeftovers()
  const lines = [
    ...removed.map((ip) => `removed ${ip}`),
    ...inUse.map((ip) => `left ${ip}: a running instance needs it`),
    ...[...failed].map(([ip, reason]) => `failed ${ip}: ${reason}`),
  ]
  output.out(lines.length > 0 ? lines.join('\n') : 'nothing to remove')
  return failed.size > 0 ? EXIT.problem : EXIT.done
}
