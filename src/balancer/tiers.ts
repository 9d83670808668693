import type { RouteEndpoint } from '../model/delta.ts'
import type { SchedulerName } from '../model/service.ts'
import type { ClientAddress, Tried } from '../model/session.ts'
import { BACKUP_ROTATION } from '../model/shared-layout.ts'
import type { Picker, PickerState } from './picker.ts'
import { schedulerNamed } from './schedulers/registry.ts'

/** The picker of a list: its scheduler, in two tiers where some of its endpoints are backups. */
export function createPicker(
  scheduler: SchedulerName,
  endpoints: readonly RouteEndpoint[],
  world: Omit<PickerState, 'list'>,
): Picker {
  const build = schedulerNamed(scheduler)
  const state = { ...world, list: endpoints }
  if (!endpoints.some(({ backup }) => backup)) return build(endpoints, state)
  const backupState = { ...state, rotation: state.rotation + BACKUP_ROTATION }
  return new Tiers(
    build(tier(endpoints, false), state),
    positionsOf(endpoints, false),
    build(tier(endpoints, true), backupState),
    positionsOf(endpoints, true),
  )
}

/** The endpoints of a list that are backups, or those that are not. */
export function tier(endpoints: readonly RouteEndpoint[], backup: boolean): readonly RouteEndpoint[] {
  return endpoints.filter((endpoint) => endpoint.backup === backup)
}

function positionsOf(endpoints: readonly RouteEndpoint[], backup: boolean): Int32Array {
  return Int32Array.from(endpoints.keys()).filter((position) => (endpoints[position] as RouteEndpoint).backup === backup)
}

/** Backups get a session when no other endpoint has weight and is untried by it. */
class Tiers implements Picker {
  readonly #first: Picker
  readonly #firstPositions: Int32Array
  readonly #backup: Picker
  readonly #backupPositions: Int32Array

  constructor(first: Picker, firstPositions: Int32Array, backup: Picker, backupPositions: Int32Array) {
    this.#first = first
    this.#firstPositions = firstPositions
    this.#backup = backup
    this.#backupPositions = backupPositions
  }

  pick(client: ClientAddress, tried: readonly Tried[]): number {
    const first = this.#first.pick(client, tried)
    if (first >= 0) return this.#firstPositions[first] as number
    const backup = this.#backup.pick(client, tried)
    return backup < 0 ? -1 : (this.#backupPositions[backup] as number)
  }
}
