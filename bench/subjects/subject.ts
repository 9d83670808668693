import type { Lab } from '../lab.ts'

export interface Address {
  readonly ip: string
  readonly port: number
}

/** One address a subject is to listen on, and where sessions go, in turn. */
export interface ListenerPlan {
  readonly protocol: 'tcp' | 'udp'
  readonly local: Address
  readonly endpoints: readonly Address[]
}

export interface SubjectPlan {
  readonly listeners: readonly ListenerPlan[]
  readonly workers: number
  /** Whether `reload` will be called: some need another set-up for it. */
  readonly willReload?: boolean
  /** A file of Kubernetes objects to serve instead of `listeners`, for a subject that `readsObjects`. */
  readonly objectsFile?: string
  /** `taskset` list of cores for the process. */
  readonly cores: string | undefined
}

/** A subject that runs and listens. */
export interface OpenSubject extends AsyncDisposable {
  /** Where clients connect to, listener by listener. */
  readonly addresses: readonly Address[]
  /** Its main processes now (descendants are found); none for a subject without a process. */
  pids(): readonly number[]
  /** Why it is not running any more. */
  gone(): string | undefined
  /** Its log so far, for a subject that `readsObjects`. */
  output?(): string
  /** Puts other listeners in force without a restart; returns once asked, not once done. */
  reload?(listeners: readonly ListenerPlan[]): Promise<void>
}

/** Something that forwards, or nothing at all. Each runs as processes of its own, on its own ports. */
export interface Subject {
  readonly name: string
  readonly protocols: ReadonlySet<'tcp' | 'udp'>
  readonly reloads: boolean
  /** Several worker threads or processes, if it is told to. */
  readonly scales: boolean
  readonly readsObjects?: boolean
  /** What it is and how it is set up, with its version, in one line. */
  describe(): string
  /** Why it cannot take part on this machine. */
  unavailable(lab: Lab): Promise<string | undefined>
  /** Resolves when the process runs; it may not listen yet. */
  open(lab: Lab, plan: SubjectPlan): Promise<OpenSubject>
}
