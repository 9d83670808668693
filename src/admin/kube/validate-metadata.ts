import { isLabelKey } from '../../model/labels.ts'
import { cause } from './causes.ts'
import type { Kind } from './kinds.ts'
import type { Mapping } from './outcome.ts'
import type { Cause } from './refusal.ts'
import { mappingAt, textAt } from './values.ts'

const LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/
const SERVICE_NAME = /^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$/
const SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?)?$/
const MOST_ANNOTATION_BYTES = 256 * 1024

const NAMES: Readonly<Record<Kind['kind'], RegExp>> = {
  Service: SERVICE_NAME,
  Namespace: LABEL,
  Endpoints: SUBDOMAIN,
  EndpointSlice: SUBDOMAIN,
}

/** What is wrong with the metadata of an object about to be stored. */
export function validateMetadata(kind: Kind, object: Mapping): Cause[] {
  const metadata = mappingAt(object, 'metadata')
  const causes: Cause[] = []
  const name = textAt(metadata, 'name')
  const generateName = textAt(metadata, 'generateName')
  if (generateName !== '' && !NAMES[kind.kind].test(generateName.replace(/[-.]$/, 'a'))) {
    causes.push(cause('FieldValueInvalid', 'metadata.generateName', generateName, 'must be the beginning of a name'))
  }
  if (name === '') {
    causes.push(cause('FieldValueRequired', 'metadata.name', undefined, 'name or generateName is required'))
  } else if (!NAMES[kind.kind].test(name)) {
    const right = 'must be lower-case letters, digits and hyphens, beginning and ending with a letter or digit'
    causes.push(cause('FieldValueInvalid', 'metadata.name', name, right))
  }
  causes.push(...validateLabels(mappingAt(metadata, 'labels'), 'metadata.labels'))
  const annotations = mappingAt(metadata, 'annotations')
  let bytes = 0
  for (const [key, value] of Object.entries(annotations)) {
    bytes += key.length + String(value).length
    if (!isLabelKey(key.toLowerCase()))
      causes.push(cause('FieldValueInvalid', 'metadata.annotations', key, 'must be a key such as example.com/name'))
  }
  if (bytes > MOST_ANNOTATION_BYTES) {
    causes.push(cause('FieldValueTooLong', 'metadata.annotations', undefined, `must have at most ${MOST_ANNOTATION_BYTES} bytes`))
  }
  return causes
}

/** What is wrong with labels, or with a selector of labels. */
export function validateLabels(labels: Mapping, field: string): Cause[] {
  return Object.entries(labels).flatMap(([key, value]) => {
    if (!isLabelKey(key)) return [cause('FieldValueInvalid', field, key, 'must be a key such as app or example.com/app')]
    const right = 'must be at most 63 letters, digits, hyphens, dots or underscores, beginning and ending with a letter or digit'
    return LABEL_VALUE.test(String(value)) ? [] : [cause('FieldValueInvalid', field, value, right)]
  })
}
