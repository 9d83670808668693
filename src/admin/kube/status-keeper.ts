import type { Clock, Timer } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import { isMapping } from '../../model/findings.ts'
import type { Logger } from '../../observe/logger.ts'
import type { ObjectStore, StoredObject, Write } from '../../store/store.ts'
import { ownerOf } from '../object-owner.ts'
import { timestamp } from './context.ts'
import { failureAt, type Insight, type ServiceFacts } from './insight.ts'
import type { Mapping } from './outcome.ts'
import { isEqual, listAt, mappingAt } from './values.ts'

const CONDITION = 'portald.io/Listening'
/** How soon after a change the status says what became of it. */
const LOOK_EVERY_MS = 250

/** Writes into the status of this API's Services whether they listen, and what keeps them from it. */
export function keepStatus(store: ObjectStore, insight: Insight, clock: Clock, logger: Logger): Disposable {
  let timer: Timer | undefined
  let disposed = false
  const arm = () => {
    if (!disposed) timer = clock.after(LOOK_EVERY_MS, () => void look())
  }
  async function look(): Promise<void> {
    try {
      const survey = insight.survey()
      const differ = (objects: readonly StoredObject[]) =>
        objects.filter((object) => ownerOf(object) === undefined && statusOf(object, survey, clock) !== undefined)
      // Most looks find nothing, and then nothing is written.
      if (differ(store.list('Service')).length > 0) {
        await store.commit((view) =>
          view.list('Service').flatMap((object): Write[] => {
            const status = ownerOf(object) === undefined ? statusOf(object, survey, clock) : undefined
            return status ? [{ key: object.key, value: { ...object.value, status } }] : []
          }),
        )
      }
    } catch (error) {
      logger.warn('admin.failed', 'the status of Services could not be written; trying again', { reason: messageOf(error) })
    }
    arm()
  }
  arm()
  return {
    [Symbol.dispose]() {
      disposed = true
      timer?.[Symbol.dispose]()
    },
  }
}

/** The status as it should be; undefined: as it is. */
function statusOf({ key, value }: StoredObject, survey: (service: string) => ServiceFacts, clock: Clock): Mapping | undefined {
  const facts = survey(`${key.namespace}/${key.name}`)
  if (facts.state === 'Pending') return undefined
  const before = mappingAt(value, 'status')
  const conditions = listAt(before, 'conditions')
  const old = conditions.find((one) => isMapping(one) && one['type'] === CONDITION)
  const condition = conditionOf(facts, value, isMapping(old) ? old : {}, clock)
  const status = {
    ...before,
    loadBalancer: balancerOf(value, facts),
    conditions: [...conditions.filter((one) => one !== old), condition],
  }
  return isEqual(status, before) ? undefined : status
}

function conditionOf({ state, message }: ServiceFacts, object: Mapping, old: Mapping, clock: Clock): Mapping {
  const status = state === 'Listening' ? 'True' : 'False'
  const changed = old['status'] !== status
  return {
    type: CONDITION,
    status,
    reason: state,
    message,
    lastTransitionTime: changed ? timestamp(clock) : old['lastTransitionTime'],
    observedGeneration: mappingAt(object, 'metadata')['generation'],
  }
}

/** Each address of a load balancer, with what is wrong with its ports. */
function balancerOf(object: Mapping, facts: ServiceFacts): Mapping {
  const balancer = mappingAt(object, 'status', 'loadBalancer')
  const ingress = listAt(balancer, 'ingress')
  if (ingress.length === 0) return balancer
  return {
    ...balancer,
    ingress: ingress.map((one) => {
      if (!isMapping(one) || typeof one['ip'] !== 'string') return one
      const ip = one['ip']
      const ports = listAt(object, 'spec', 'ports').map((entry) => {
        const port = isMapping(entry) ? entry : {}
        const failure = failureAt(facts, ip, Number(port['port']), String(port['protocol']))
        const error = failure === undefined ? {} : { error: `portald.io/${failure}` }
        return { port: port['port'], protocol: port['protocol'], ...error }
      })
      return { ...one, ports }
    }),
  }
}
