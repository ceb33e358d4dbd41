import type { Sandbox } from '../sandbox/sandbox.ts'

/** Puts 1,000 Pods and 1,000 Secrets of others into each namespace of a sandbox. */
export function crowd({ api, accessNamespace, appNamespace }: Sandbox): void {
  for (let index = 0; index < 1_000; index++) {
    for (const namespace of [accessNamespace, appNamespace]) {
      const metadata = { name: `other-${index}`, namespace, labels: { app: 'other' } }
      api.put({ kind: 'Secret', metadata, stringData: { some: 'thing' } })
      api.put({ kind: 'Pod', metadata, spec: { containers: [{ name: 'other' }] } })
    }
  }
}
