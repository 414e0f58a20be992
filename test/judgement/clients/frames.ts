// The frames of AWS's event streams: lengths, headers, a payload, and a checksum after each part.
import { crc32 } from "node:zlib"

/** An event of a stream. */
export const eventFrame = (name: string, payload: object) =>
  frame({ ":message-type": "event", ":event-type": name }, payload)

/** An exception that ends a stream. */
export const exceptionFrame = (name: string, payload: object) =>
  frame({ ":message-type": "exception", ":exception-type": name }, payload)

const frame = (headers: Readonly<Record<string, string>>, payload: object): Buffer => {
  const head = Buffer.concat(
    Object.entries({ ...headers, ":content-type": "application/json" }).map(([name, value]) => header(name, value))
  )
  const body = Buffer.from(JSON.stringify(payload))
  const prelude = withChecksum(words(16 + head.length + body.length, head.length))
  return withChecksum(Buffer.concat([prelude, head, body]))
}

const textType = 7

const header = (name: string, value: string): Buffer => {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(Buffer.byteLength(value))
  return Buffer.concat([
    Buffer.from([name.length]),
    Buffer.from(name),
    Buffer.from([textType]),
    length,
    Buffer.from(value)
  ])
}

const withChecksum = (bytes: Buffer): Buffer => Buffer.concat([bytes, words(crc32(bytes))])

const words = (...numbers: ReadonlyArray<number>): Buffer => {
  const bytes = Buffer.alloc(4 * numbers.length)
  numbers.forEach((number, index) => bytes.writeUInt32BE(number, 4 * index))
  return bytes
}
