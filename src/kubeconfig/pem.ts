import { createPrivateKey, X509Certificate } from 'node:crypto'
import path from 'node:path'
import { text } from '../kubernetes/fields.ts'
import { certificateBlocks } from '../lib/pem.ts'
import { readRegularFile } from '../lib/regular-file.ts'
import type { Entry } from './document.ts'
import { invalid, refusePlaceholder, unreadable } from './failure.ts'

/**
 * Returns what an entry holds in `<key>-data`, or in the file that `<key>` names. Empty where there is neither.
 *
 * @throws Failure `kubeconfig-invalid`
 */
export function pemOf(entry: Entry, key: string, owner: string, source: string): string {
  const data = text(entry.fields, `${key}-data`)
  const file = text(entry.fields, key)
  if (data !== '' && file !== '') {
    throw invalid(source, `its ${owner} has both ${key} and ${key}-data`, [
      'Remove the one that is not meant.',
    ])
  }
  if (data.trim() !== '') return decoded(data, `${key}-data`, owner, source)
  if (file === '') return ''
  refusePlaceholder(file, key, owner, source)
  try {
    return readRegularFile(path.resolve(entry.folder, file)).toString()
  } catch (error) {
    throw unreadable(error, file, key, owner, source)
  }
}

function decoded(data: string, key: string, owner: string, source: string): string {
  refusePlaceholder(data, key, owner, source)
  if (data.includes('-----BEGIN ')) {
    throw invalid(source, `the ${key} of ${owner} is PEM, and should be base64 of it`, [
      'Encode it in base64, with the lines BEGIN and END. Or put it into a file and name that in the field without -data.',
    ])
  }
  const packed = data.replace(/\s+/g, '')
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(packed) || packed.length % 4 !== 0) {
    throw invalid(source, `the ${key} of ${owner} is no base64, or was cut`, [])
  }
  return Buffer.from(packed, 'base64').toString()
}

/**
 * Returns the authorities of a bundle. As with kubectl, what is none is left out, and something has to be left: nobody who
 * names an authority means those of the machine.
 *
 * @throws Failure `kubeconfig-invalid`
 */
export function authoritiesOf(
  entry: Entry,
  owner: string,
  source: string,
): readonly X509Certificate[] | undefined {
  const pem = pemOf(entry, 'certificate-authority', owner, source)
  const named = text(entry.fields, 'certificate-authority') + text(entry.fields, 'certificate-authority-data')
  if (pem === '' && named === '') return undefined
  const authorities = certificatesIn(pem)
  if (authorities.length > 0) return authorities
  const cause = pem.includes('-----BEGIN CERTIFICATE-----')
    ? pem.includes('\\n')
      ? 'Its line ends were written as \\n before it was encoded in base64.'
      : 'It was cut: base64 of the whole file, with the line END, belongs there.'
    : /^[A-Za-z0-9+/=\s]+$/.test(pem)
      ? 'It was encoded in base64 twice.'
      : 'A frequent cause is base64 without the lines BEGIN and END.'
  throw invalid(source, `the certificate-authority of ${owner} is no PEM certificate`, [cause])
}

/** Returns the certificates of a bundle; what is none, or cannot be read, is left out. */
function certificatesIn(pem: string): readonly X509Certificate[] {
  return certificateBlocks(pem).flatMap((block) => {
    try {
      return [new X509Certificate(block)]
    } catch {
      return []
    }
  })
}

/**
 * Returns what is wrong with a client certificate and its key, `undefined` where they are a pair. What follows the first
 * certificate is its chain.
 */
export function pairProblem(certificate: string, key: string): string | undefined {
  const [first] = certificatesIn(certificate)
  if (first === undefined) return 'the certificate is no PEM certificate'
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(key)) {
    return 'the key is encrypted, and nobody is here to type its passphrase'
  }
  try {
    const own = createPrivateKey(key)
    return first.checkPrivateKey(own) ? undefined : 'the key is not that of the certificate'
  } catch {
    return 'the key is no PEM private key'
  }
}
