import { StatusError } from './status.ts'

/** Which field of a message is which, by its number: a text, octets, a whole number, several texts or another message. */
interface Schema {
  readonly [number: number]: readonly [name: string, type: 'text' | 'octets' | 'number' | 'texts' | Schema]
}

const resourceAttributes: Schema = {
  1: ['namespace', 'text'],
  2: ['verb', 'text'],
  3: ['group', 'text'],
  4: ['version', 'text'],
  5: ['resource', 'text'],
  6: ['subresource', 'text'],
  7: ['name', 'text'],
}

/** Taken from generated.proto of k8s.io/api; what is not looked at here is left out. */
const schemas: Readonly<Record<string, Schema>> = {
  SelfSubjectAccessReview: { 2: ['spec', { 1: ['resourceAttributes', resourceAttributes] }] },
  SelfSubjectRulesReview: { 2: ['spec', { 1: ['namespace', 'text'] }] },
  SelfSubjectReview: {},
  TokenRequest: {
    2: [
      'spec',
      {
        1: ['audiences', 'texts'],
        4: ['expirationSeconds', 'number'],
      },
    ],
  },
}

const envelope: Schema = {
  1: ['typeMeta', { 1: ['apiVersion', 'text'], 2: ['kind', 'text'] }],
  2: ['raw', 'octets'],
}

const magic = Buffer.from('k8s\0')

/** Says whether the body is in the encoding that kubectl prefers for some requests. */
export function isProtobuf(body: Buffer): boolean {
  return body.subarray(0, magic.length).equals(magic)
}

/**
 * Gives a body in Kubernetes' protobuf encoding as the object it stands for. Only the requests that kubectl does
 * not make in JSON are known: reviews and token requests. Anything else is refused with 415.
 */
export function fromProtobuf(body: Buffer): Record<string, unknown> {
  const { typeMeta, raw } = decode(body.subarray(magic.length), envelope) as {
    typeMeta: { apiVersion: string; kind: string }
    raw: Buffer
  }
  const schema = schemas[typeMeta.kind]
  if (!schema) {
    const message = `this stand-in reads a ${typeMeta.kind} as JSON only: kubectl apply --validate=false -f sends that`
    throw new StatusError(415, 'UnsupportedMediaType', message)
  }
  return { ...typeMeta, ...decode(raw, schema) }
}

/** Decodes one message of the wire format (protobuf.dev, "Encoding"); unknown fields are passed over. */
function decode(message: Buffer, schema: Schema): Record<string, unknown> {
  const object: Record<string, unknown> = {}
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const octet = message.readUInt8(at++)
      value += (octet & 0x7f) * scale
      if (octet < 0x80) return value
    }
  }
  while (at < message.length) {
    const tag = varint()
    const field = schema[tag >> 3]
    const wireType = tag & 7
    if (wireType === 0) {
      const value = varint()
      if (field) object[field[0]] = value
      continue
    }
    if (wireType !== 2)
      throw new StatusError(400, 'BadRequest', 'a protobuf field of fixed length was not expected')
    const size = varint()
    const content = message.subarray(at, at + size)
    at += size
    if (!field) continue
    const [name, type] = field
    if (typeof type === 'object') object[name] = decode(content, type)
    else if (type === 'texts') object[name] = [...((object[name] ?? []) as string[]), content.toString()]
    else object[name] = type === 'octets' ? content : content.toString()
  }
  return object
}
