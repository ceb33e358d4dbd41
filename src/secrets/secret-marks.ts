import { createHash } from 'node:crypto'
import type { Metadata } from '../kubernetes/objects.ts'
import { manager } from '../kubernetes/owner.ts'
import { isFormatKey } from './formats.ts'

const lastWrittenAnnotation = 'pg-app-user.elastisys.io/last-written'
const credentialChangedAnnotation = 'pg-app-user.elastisys.io/credential-changed'
const bindingAnnotation = 'pg-app-user.elastisys.io/service-binding'

/** Returns what the annotation keeps of values: no password nor what is made of it, and a digest for what is long. */
export function record(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values)
      .filter(([key]) => key !== 'PGPASSWORD')
      .map(([key, value]) => [key, recorded(key, value)]),
  )
}

function recorded(key: string, value: string): string {
  if (key === 'ca.crt') return `sha256:${createHash('sha256').update(value).digest('hex')}`
  return isFormatKey(key) ? 'derived' : value
}

/**
 * Returns the label and the annotations of what is written.
 *
 * @param newCredential whether an existing Secret gets another password; that of a new one is as old as the Secret
 * @param binding the name of the service binding that is made of an application Secret, if there is one
 */
export function marks(written: Record<string, string>, newCredential = false, binding?: string): Metadata {
  return {
    labels: { 'app.kubernetes.io/managed-by': manager },
    annotations: {
      [lastWrittenAnnotation]: JSON.stringify(written),
      ...(binding !== undefined && bindingMark(binding)),
      ...(newCredential && { [credentialChangedAnnotation]: new Date().toISOString() }),
    },
  }
}

/** Returns the annotation by which an application Secret says that a service binding was made of it. */
export function bindingMark(binding: string): Record<string, string> {
  return { [bindingAnnotation]: binding }
}

/**
 * Returns the name of the service binding that was made of an application Secret; absent where none was. What is no name of
 * a Secret was not written here, and would be a part of a command that people are told to run.
 */
export function markedBinding({ annotations }: Metadata): string | undefined {
  const name = annotations?.[bindingAnnotation]
  return name !== undefined && /^[a-z0-9][-.a-z0-9]{0,252}$/.test(name) ? name : undefined
}

/**
 * Returns when the password was written last. Where somebody else wrote it, the time of their last change to the Secret
 * is the best there is; we note our own, because a repair of another key leaves the password alone. It is in whole
 * seconds, because a Pod's age has no finer ones: a Pod that was made right after the change would seem to be older.
 */
export function credentialChange({
  annotations,
  creationTimestamp,
  managedFields = [],
}: Metadata): Date | undefined {
  const others = managedFields
    .filter(
      (entry) => entry.manager !== manager && entry.fieldsV1?.['f:data']?.['f:PGPASSWORD'] !== undefined,
    )
    .map(({ time }) => time)
  const times = [creationTimestamp, annotations?.[credentialChangedAnnotation], ...others]
    .map((time) => Date.parse(time ?? ''))
    .filter((time) => !Number.isNaN(time))
  return times.length === 0 ? undefined : new Date(Math.floor(Math.max(...times) / 1_000) * 1_000)
}

/** Returns what this tool last wrote, as its annotation keeps it. */
export function lastWrittenOf({ annotations }: Metadata): Record<string, string> | undefined {
  try {
    const parsed = JSON.parse(annotations?.[lastWrittenAnnotation] ?? '') as unknown
    if (typeof parsed !== 'object' || parsed === null) return undefined
    return Object.fromEntries(Object.entries(parsed).filter(([, value]) => typeof value === 'string'))
  } catch {
    // Nobody's word on what was written: then every difference counts as made by hand.
    return undefined
  }
}
