import type { Kind } from './kinds.ts'

/** Why a field is refused, in the API's words. */
export type CauseReason =
  | 'FieldValueRequired'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueDuplicate'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldManagerConflict'
  | 'ResourceVersionTooLarge'
  | 'UnexpectedServerResponse'

export interface Cause {
  readonly reason: CauseReason
  readonly message: string
  readonly field?: string
}

interface Details {
  readonly name?: string
  readonly group?: string
  readonly kind?: string
  readonly causes?: readonly Cause[]
  readonly retryAfterSeconds?: number
}

/** A request that cannot be granted, as a value: a failed `Status` of the API. */
export class Refusal {
  readonly code: number
  readonly reason: string
  readonly message: string
  readonly details: Details | undefined

  constructor(code: number, reason: string, message: string, details?: Details) {
    this.code = code
    this.reason = reason
    this.message = message
    this.details = details
  }

  /** The same with other words. */
  with(message: string): Refusal {
    return new Refusal(this.code, this.reason, message, this.details)
  }

  /** What clients are sent. */
  status(): object {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.details && { details: this.details }),
      code: this.code,
    }
  }
}

const about = ({ resource, group }: Kind, name: string) => ({ name, ...(group && { group }), kind: resource })
const titled = ({ resource, group }: Kind, name: string) => `${group === '' ? resource : `${resource}.${group}`} "${name}"`

export const badRequest = (message: string): Refusal => new Refusal(400, 'BadRequest', message)

export const notFound = (kind: Kind, name: string): Refusal =>
  new Refusal(404, 'NotFound', `${titled(kind, name)} not found`, about(kind, name))

/** No such path. */
export const noSuchPath = (): Refusal =>
  new Refusal(404, 'NotFound', 'the server could not find the requested resource', {
    causes: [{ reason: 'UnexpectedServerResponse', message: '404 page not found' }],
  })

export const alreadyExists = (kind: Kind, name: string): Refusal =>
  new Refusal(409, 'AlreadyExists', `${titled(kind, name)} already exists`, about(kind, name))

export const conflict = (kind: Kind, name: string, why: string): Refusal =>
  new Refusal(409, 'Conflict', `Operation cannot be fulfilled on ${titled(kind, name)}: ${why}`, about(kind, name))

export const forbidden = (kind: Kind, name: string, why: string): Refusal =>
  new Refusal(403, 'Forbidden', `${titled(kind, name)} is forbidden: ${why}`, about(kind, name))

/** Fields that are not right. */
export function invalid(kind: Kind, name: string, causes: readonly Cause[]): Refusal {
  const said = causes.map(({ field, message }) => `${field}: ${message}`)
  const message = `${kind.kind}${kind.group && `.${kind.group}`} "${name}" is invalid: ${said.length === 1 ? said[0] : `[${said.join(', ')}]`}`
  return new Refusal(422, 'Invalid', message, { name, ...(kind.group && { group: kind.group }), kind: kind.kind, causes })
}

export const methodNotAllowed = (): Refusal =>
  new Refusal(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource')

export const notAcceptable = (types: string): Refusal =>
  new Refusal(406, 'NotAcceptable', `only the following media types are accepted: ${types}`)

export const unsupportedMediaType = (types: readonly string[]): Refusal =>
  new Refusal(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${types.join(', ')}`,
  )

export const expired = (message: string): Refusal => new Refusal(410, 'Expired', message)

/** A resourceVersion that is not there yet. */
export const tooNew = (asked: number, newest: number): Refusal =>
  new Refusal(504, 'Timeout', `Timeout: Too large resource version: ${asked}, current: ${newest}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  })

/** More than an object may say. */
export const tooLarge = (limit: number): Refusal =>
  new Refusal(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${limit}`)

/** The store takes no change now. */
export const unavailable = (message: string): Refusal => new Refusal(503, 'ServiceUnavailable', message, { retryAfterSeconds: 1 })

/** A patch that does not fit the object it is for. Upstream keeps to itself what is wrong with it. */
export const patchRefused = (message: string): Refusal =>
  new Refusal(422, 'Invalid', `the server rejected our request due to an error in our request: ${message}`)

/** Options of a request that are not right. */
export const optionsRefused = (cause: Cause): Refusal =>
  new Refusal(422, 'Invalid', `Options "" is invalid: ${cause.field}: ${cause.message}`, { causes: [cause] })
