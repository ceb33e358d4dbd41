import { oneLine } from '../lib/text.ts'
import type { Metadata } from './objects.ts'

/** What this tool calls itself, as a client of the API server and on what it makes. */
export const manager = 'pg-app-user'

const ownerAnnotations: readonly (readonly [key: string, words: string])[] = [
  ['meta.helm.sh/release-name', 'Helm release'],
  ['argocd.argoproj.io/tracking-id', 'Argo CD application'],
  ['sealedsecrets.bitnami.com/managed', 'Sealed Secrets'],
  ['reconcile.external-secrets.io/data-hash', 'External Secrets'],
  ['reflector.v1.k8s.emberstack.com/reflects', 'Reflector, from'],
  ['replicator.v1.mittwald.de/replicate-from', 'Replicator, from'],
  ['replicator.v1.mittwald.de/replicated-from-version', 'Replicator'],
]

const ownerLabels: readonly (readonly [key: string, words: string])[] = [
  ['argocd.argoproj.io/instance', 'Argo CD application'],
  ['kustomize.toolkit.fluxcd.io/name', 'Flux Kustomization'],
  ['helm.toolkit.fluxcd.io/name', 'Flux HelmRelease'],
  ['reconcile.external-secrets.io/managed', 'External Secrets'],
  ['reconcile.external-secrets.io/created-by', 'External Secrets'],
]

/** Marks whose value says nothing to people: `true`, a digest, a version. */
const withoutName = /managed$|created-by$|data-hash$|version$/

/**
 * Returns who keeps an object, in words, by the marks that controllers leave on what they keep; absent where it is
 * nobody but this tool.
 */
export function ownerOf({
  ownerReferences = [],
  annotations = {},
  labels = {},
}: Metadata): string | undefined {
  const reference = ownerReferences.find((owner) => owner.controller === true) ?? ownerReferences[0]
  if (reference !== undefined) return `${oneLine(reference.kind ?? '')} "${oneLine(reference.name ?? '')}"`
  const marked = [
    ...ownerAnnotations.map(([key, words]) => [key, words, annotations[key]] as const),
    ...ownerLabels.map(([key, words]) => [key, words, labels[key]] as const),
  ].find(([, , value]) => value !== undefined)
  if (marked !== undefined) {
    const [key, words, value = ''] = marked
    return withoutName.test(key) ? words : `${words} "${oneLine(value, 120)}"`
  }
  const managedBy = labels['app.kubernetes.io/managed-by']
  return managedBy === undefined || managedBy === manager ? undefined : `"${oneLine(managedBy, 80)}"`
}
