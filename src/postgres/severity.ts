/**
 * Says whether an error is a server's goodbye: then nobody knows what became of the statement.
 * Source: https://www.postgresql.org/docs/current/protocol-error-fields.html
 */
export function endsSession(error: unknown): boolean {
  return isFromServer(error) && ['FATAL', 'PANIC'].includes(String(error.severity))
}

/** Says whether an error is a server's. Its class is not needed for that, so that whoever asks need not load it. */
export function isFromServer(error: unknown): error is Error & { readonly severity: unknown } {
  return error instanceof Error && 'severity' in error
}

const errorResponse = 'E'.charCodeAt(0)

/**
 * Reads along what a server sends, and gives the severity of each error in it, in the words that no `lc_messages` changes
 * (field V), in which node-postgres takes no interest.
 * Source: https://www.postgresql.org/docs/current/protocol-error-fields.html
 */
export class Severities {
  /** What came of a message that is not whole yet: its head, or all of an error. */
  #begun: Buffer = Buffer.alloc(0)
  /** How much is still to come of a message that is no error. */
  #rest = 0

  /** Returns the severities of the errors that are whole with this chunk; nothing for one that does not tell it. */
  read(chunk: Buffer): (string | undefined)[] {
    const found: (string | undefined)[] = []
    let data = Buffer.concat([this.#begun, chunk.subarray(this.#rest)])
    this.#rest = Math.max(0, this.#rest - chunk.length)
    while (data.length >= 5) {
      const length = 1 + data.readUInt32BE(1)
      if (data[0] !== errorResponse) this.#rest = Math.max(0, length - data.length)
      else if (data.length < length) break
      else found.push(severityIn(data.subarray(5, length)))
      data = data.subarray(length)
    }
    this.#begun = data
    return found
  }
}

function severityIn(error: Buffer): string | undefined {
  return error
    .toString('latin1')
    .split('\0')
    .find((field) => field.startsWith('V'))
    ?.slice(1)
}
