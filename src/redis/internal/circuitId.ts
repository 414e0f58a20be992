/** A key as part of a Redis key: any string, told apart from every other, readable if it was. */
const unsafe = /[^A-Za-z0-9_.~/@+=:-]/g

/** By UTF-16 units, so that half a surrogate pair has a name too. */
export const encode = (key: string): string =>
  key.replace(unsafe, (unit) => `%${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)

export const decode = (id: string): string =>
  id.replace(/%([0-9a-f]{4})/g, (_, unit: string) => String.fromCharCode(Number.parseInt(unit, 16)))
