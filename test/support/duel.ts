import type { Random } from '../../src/lib/random.ts'
import type { RawSockets } from './raw-sockets.ts'
import { patternAt, Tally } from './tally.ts'

/** What one side does; every step waits until the one before has had its effect. */
export type Step =
  | { readonly side: 0 | 1; readonly verb: 'send'; readonly bytes: number }
  | { readonly side: 0 | 1; readonly verb: 'pause' | 'resume' | 'shut' | 'close' | 'reset' }

/** How it was for one side. */
export interface Side {
  readonly received: number
  readonly sha256: string
  /** How the other side went, as far as reading tells. */
  readonly outcome: 'end' | 'reset' | 'open'
  /** Whether the other side is gone for good: what is sent to it comes back as an error. */
  readonly gone: boolean
  /** False: the other side took back, by its reset, some of what it had sent, and nobody can say how much. */
  readonly exact: boolean
  /** It broke off, and what it would have seen after that nobody knows. */
  readonly brokeOff: boolean
}

const MOST_STEPS = 8
/** From one byte to more than all buffers on the way hold. */
const SIZES = [1, 300, 5_000, 65_536, 70_000, 400_000, 2_000_000, 12_000_000]
const PIECE_BYTES = 256 * 1024
/** How long a step may take to have its effect. */
const PATIENCE_MS = 30_000
/** So often nothing moves: two sides of which one does not read have filled what lies between them. */
const STILL_ROUNDS = 200
const VERBS = ['send', 'send', 'send', 'send', 'pause', 'resume', 'resume', 'shut', 'close', 'reset'] as const

/** A script out of chance. */
export function scriptOf(random: Random): Step[] {
  const steps: Step[] = []
  for (let left = 1 + random.below(MOST_STEPS); left > 0; left--) {
    const side = random.below(2) as 0 | 1
    const verb = VERBS[random.below(VERBS.length)] as (typeof VERBS)[number]
    steps.push(verb === 'send' ? { side, verb, bytes: SIZES[random.below(SIZES.length)] as number } : { side, verb })
  }
  return steps
}

class Player {
  readonly raw: RawSockets
  readonly fd: number
  readonly received = new Tally()
  wanted = 0
  sent = 0
  paused = false
  shut = false
  left = false
  outcome: 'end' | 'reset' | 'open' = 'open'
  gone = false
  exact = true
  brokeOff = false

  constructor(raw: RawSockets, fd: number) {
    this.raw = raw
    this.fd = fd
  }

  /** Whether it may still do something. */
  get playing(): boolean {
    return !this.left && !this.gone && this.outcome !== 'reset'
  }

  /** Sends and reads what can be; returns whether anything moved. */
  move(): boolean {
    if (this.left) return false
    let moved = false
    if (this.sent < this.wanted && !this.gone) {
      const taken = this.raw.send(this.fd, patternAt(this.sent, Math.min(this.wanted - this.sent, PIECE_BYTES)))
      if (taken < 0) this.gone = true
      else this.sent += taken
      moved = taken !== 0
    }
    if (this.paused || this.outcome !== 'open') return moved
    const piece = this.raw.receive(this.fd)
    if (piece === 'empty') return moved
    if (typeof piece === 'string') this.outcome = piece
    else this.received.add(piece)
    return true
  }
}

/** Plays a script between two connected sockets, to the end of both. */
export class Duel {
  readonly #players: readonly [Player, Player]
  readonly #name: string

  /** `name` is told where it gets stuck. */
  constructor(raw: RawSockets, client: number, endpoint: number, name: string) {
    this.#players = [new Player(raw, client), new Player(raw, endpoint)]
    this.#name = name
  }

  async play(script: readonly Step[]): Promise<readonly [Side, Side]> {
    for (const step of script) {
      const player = this.#players[step.side]
      const other = this.#players[step.side === 0 ? 1 : 0]
      if (player.playing) await this.#do(step, player, other)
    }
    const players = this.#players
    for (const player of players) player.paused = false
    // Whoever is left ends in order, once everything it wanted to send is away.
    for (const [n, player] of players.entries()) {
      const other = players[1 - n] as Player
      if (!player.playing) continue
      await this.#until(`${n} to have sent`, () => player.sent === player.wanted || !player.playing)
      if (player.playing && !player.shut) this.#shut(player)
      if (!other.left) await this.#until(`${1 - n} to see the end of ${n}`, () => other.outcome !== 'open')
    }
    return players.map((player) => this.#told(player)) as unknown as readonly [Side, Side]
  }

  #told({ received, outcome, gone, exact, brokeOff }: Player): Side {
    return { received: received.bytes, sha256: received.sha256, outcome, gone, exact, brokeOff }
  }

  async #do(step: Step, player: Player, other: Player): Promise<void> {
    const { raw, fd } = player
    switch (step.verb) {
      case 'send':
        // Behind what it does not read it is not told that nobody is there.
        if (player.shut || (other.left && player.paused && player.received.bytes < other.sent)) return
        player.wanted += step.bytes
        if (other.left) await this.#sendToNobody(player)
        else await this.#settle()
        return
      case 'pause':
        player.paused = true
        return
      case 'resume':
        player.paused = false
        await this.#settle()
        return
      case 'shut':
        await this.#settle()
        if (player.sent < player.wanted || player.shut || !player.playing) return
        this.#shut(player)
        if (!other.left && !other.paused) await this.#until('the end', () => other.outcome !== 'open')
        return
      case 'close':
        // Only one that has read everything closes in order.
        await this.#settle()
        if (player.paused || player.sent < player.wanted || other.sent < other.wanted || !player.playing) return
        await this.#until('everything to be read', () => player.received.bytes === other.sent || !player.playing)
        raw.close(fd)
        player.left = true
        if (!other.left && !other.paused) await this.#until('the end', () => other.outcome !== 'open')
        return
      case 'reset':
        await this.#settle()
        if (!player.playing) return
        if (raw.unacknowledged(fd) > 0) other.exact = false
        raw.reset(fd)
        player.left = true
        player.brokeOff = true
        if (other.left) return
        other.paused = false
        await this.#until('the end or the reset', () => other.outcome !== 'open')
        // Behind an end, only sending tells of a reset.
        if (other.outcome === 'end' && !other.shut) await this.#sendToNobody(other)
    }
  }

  /** Sends until it is told that nobody is there. */
  async #sendToNobody(player: Player): Promise<void> {
    player.wanted = Number.POSITIVE_INFINITY
    await this.#until('sending to fail', () => player.gone || player.outcome === 'reset')
  }

  #shut(player: Player): void {
    player.raw.halfClose(player.fd)
    player.shut = true
  }

  /** Resolves when nothing moves any more. */
  async #settle(): Promise<void> {
    const [one, two] = this.#players
    const waits = ({ paused, gone, outcome }: Player) => paused || gone || outcome !== 'open'
    const arrived = (from: Player, to: Player) => to.left || to.paused || to.gone || to.received.bytes === from.sent
    let still = 0
    await this.#until(
      'it to be quiet',
      () => {
        const done = (from: Player, to: Player) => from.left || (from.sent === from.wanted && arrived(from, to))
        if (done(one, two) && done(two, one)) return true
        // A slow machine is no reason to go on: with both sides reading, everything arrives.
        return (waits(one) || waits(two)) && ++still > STILL_ROUNDS
      },
      () => {
        still = 0
      },
    )
  }

  async #until(what: string, done: () => boolean, onMove: () => void = () => {}): Promise<void> {
    const until = performance.now() + PATIENCE_MS
    while (!done()) {
      let moved = false
      for (const player of this.#players) moved = player.move() || moved
      if (moved) onMove()
      if (performance.now() > until) throw new Error(`${this.#name} waits for ${what}: ${this.#show()}`)
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }

  #show(): string {
    const show = ({ raw: _, fd: __, received, ...rest }: Player) => JSON.stringify({ ...rest, received: received.bytes })
    return this.#players.map(show).join(' ')
  }
}
