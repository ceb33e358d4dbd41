import { X509Certificate } from 'node:crypto'
import { certificateBlocks } from '../lib/pem.ts'

/** Returns the certificates of a PEM text and nothing else of it, since they are published; `undefined` where one is none. */
export function certificatesOf(pem: string): string | undefined {
  const blocks = certificateBlocks(pem)
  try {
    for (const block of blocks) new X509Certificate(block)
  } catch {
    return undefined
  }
  return blocks.length === 0 ? undefined : `${blocks.join('\n')}\n`
}
