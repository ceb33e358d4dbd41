import type { Fields } from '../kubernetes/fields.ts'
import { invalid } from './failure.ts'

/** What a field may hold. `null` is as if it were not there, as for kubectl. */
const kinds = {
  text: { is: (value: unknown) => typeof value === 'string', name: 'no text' },
  truth: { is: (value: unknown) => typeof value === 'boolean', name: 'neither true nor false' },
  fields: {
    is: (value: unknown) => typeof value === 'object' && !Array.isArray(value),
    name: 'no set of fields',
  },
  list: { is: (value: unknown) => Array.isArray(value), name: 'no list' },
  texts: {
    is: (value: unknown) => Array.isArray(value) && value.every((each) => typeof each === 'string'),
    name: 'no list of texts',
  },
} as const

/** The fields of an entry that count here, and what each may hold. */
export type Types = Readonly<Record<string, keyof typeof kinds>>

export const contextTypes: Types = { cluster: 'text', user: 'text', namespace: 'text' }

export const clusterTypes: Types = {
  server: 'text',
  'tls-server-name': 'text',
  'insecure-skip-tls-verify': 'truth',
  'certificate-authority': 'text',
  'certificate-authority-data': 'text',
  'proxy-url': 'text',
  extensions: 'list',
}

export const userTypes: Types = {
  'client-certificate': 'text',
  'client-certificate-data': 'text',
  'client-key': 'text',
  'client-key-data': 'text',
  token: 'text',
  tokenFile: 'text',
  as: 'text',
  'as-uid': 'text',
  'as-groups': 'texts',
  'as-user-extra': 'fields',
  username: 'text',
  password: 'text',
  'auth-provider': 'fields',
  exec: 'fields',
}

export const execTypes: Types = {
  command: 'text',
  args: 'texts',
  env: 'list',
  apiVersion: 'text',
  installHint: 'text',
  provideClusterInfo: 'truth',
  interactiveMode: 'text',
}

/**
 * Throws where a field holds something else than kubectl takes there: a value that is left out for its type could be the
 * one that says as whom, or how safely.
 *
 * @throws Failure `kubeconfig-invalid`
 */
export function checkTypes(fields: Fields, types: Types, owner: string, source: string): void {
  for (const [key, type] of Object.entries(types)) {
    const value = fields[key] ?? undefined
    const { is, name } = kinds[type]
    if (value !== undefined && !is(value)) throw invalid(source, `the ${key} of ${owner} is ${name}`)
  }
}
