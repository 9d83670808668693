import type { NativeEngine } from '../../src/listener/native/engine.ts'
import type { EngineWorld, WorldOptions } from './engine-world.ts'
import { EngineWorld as Worlds } from './engine-world.ts'
import { type NativeTestOptions, nativeEngine } from './native-engine.ts'
import { settle } from './settle.ts'

/** A world whose engine can move sessions between two workers. */
export interface MovableWorld extends AsyncDisposable {
  readonly world: EngineWorld
  readonly engine: NativeEngine
}

type MovableOptions = Omit<WorldOptions, 'openEngine' | 'workers'> & Omit<NativeTestOptions, 'workers'>

export async function openMovable(options: MovableOptions): Promise<MovableWorld> {
  const open = nativeEngine({ ...options, workers: 2 })
  let engine: NativeEngine | undefined
  const openEngine: WorldOptions['openEngine'] = (given) => {
    engine = open(given)
    return engine
  }
  const world = await Worlds.open({ ...options, workers: 2, openEngine })
  return { world, engine: engine as NativeEngine, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
}

/** Something that goes on until it is disposed. */
export interface KeptMoving extends AsyncDisposable {
  /** Sessions moved so far, each as often as it was. */
  readonly moved: number
}

/** Moves all sessions to one worker, then to the other, and so on. */
export function keepMoving(engine: NativeEngine): KeptMoving {
  let moved = 0
  let over = false
  const running = (async () => {
    for (let worker = 0; !over; worker = 1 - worker) {
      moved += await engine.move({}, worker)
      await settle()
    }
  })()
  return {
    get moved() {
      return moved
    },
    async [Symbol.asyncDispose]() {
      over = true
      await running
    },
  }
}
