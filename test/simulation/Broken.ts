/** A promise that a run has broken. */
export class Broken extends Error {
  readonly promise: string

  constructor(promise: string, detail: string) {
    super(detail)
    this.promise = promise
  }
}
