/** A value as JSON, with each id of an outage as its number: ids are drawn, and two runs that do the same differ in them. */
export const numberedOutages = (value: unknown): string => {
  const ids: Array<string> = []
  return JSON.stringify(value).replaceAll(/(?<="outageId":")\w+/g, (id) => {
    if (!ids.includes(id)) ids.push(id)
    return String(ids.indexOf(id))
  })
}
