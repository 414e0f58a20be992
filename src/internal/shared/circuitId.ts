/** The key of a circuit as part of a Redis key: unique for any string, and readable where the key is. */
const unsafe = /[^A-Za-z0-9_.~/@+=:-]/g

/** Encodes UTF-16 units, because a key may hold half of a surrogate pair. */
export const encode = (key: string): string =>
  key.replace(unsafe, (unit) => `%${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)

export const decode = (id: string): string =>
  id.replace(/%([0-9a-f]{4})/g, (_, unit: string) => String.fromCharCode(Number.parseInt(unit, 16)))
