/** Returns the certificates of a PEM text (RFC 7468), as they stand there; none of them was read. */
export function certificateBlocks(pem: string): readonly string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
}
