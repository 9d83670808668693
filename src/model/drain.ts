/** Which endpoints are to be taken out of service; every given field must match, and one must be given. Plain data. */
export interface DrainTarget {
  /** `default/web`, `default/web:http` or `default/web:http/TCP`. */
  readonly service?: string | undefined
  /** `10.1.2.3` or `10.1.2.3:8080`. */
  readonly endpoint?: string | undefined
  /** The node that they are on, as their slices say. */
  readonly node?: string | undefined
}

/** An endpoint that is meant. */
export interface DrainedEndpoint {
  /** `default/web:http/TCP`. */
  readonly service: string
  readonly endpoint: string
  /** Whether it is out. */
  readonly drained: boolean
  /** Sessions that still run to it. */
  readonly active: number
}
