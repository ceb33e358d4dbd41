declare module 'pg/lib/crypto/cert-signatures.js' {
  /** Returns the hash of a certificate's signature algorithm, such as `SHA-256`. */
  export function signatureAlgorithmHashFromCertificate(der: Buffer): string
}
