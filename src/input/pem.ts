import { X509Certificate } from 'node:crypto'
import { certificateBlocks } from '../lib/pem.ts'
import { readRegularFile, UnfitFile } from '../lib/regular-file.ts'

/** Reads certificates: `system`, PEM text, or a path to it. */
export function parsePem(text: string): { readonly value: string } | { readonly problem: string } {
  if (text === 'system') return { value: text }
  const pem = pemText(text)
  if (pem instanceof UnfitFile) return { problem: `names a file that is not read: ${pem.message}` }
  const blocks = certificateBlocks(pem)
  if (blocks.length === 0) {
    return {
      problem: 'is neither "system" nor PEM text, or a path to it, with -----BEGIN CERTIFICATE----- in it',
    }
  }
  try {
    for (const block of blocks) new X509Certificate(block)
  } catch {
    return { problem: 'holds a certificate that cannot be read' }
  }
  return { value: blocks.join('\n') }
}

/** Returns the text itself, or what the file of that name holds: GitLab and laptops pass certificates as files. */
function pemText(text: string): string | UnfitFile {
  if (text.includes('\n') || text.includes('-----BEGIN ')) return text
  try {
    return readRegularFile(text).toString()
  } catch (error) {
    return error instanceof UnfitFile ? error : text
  }
}
