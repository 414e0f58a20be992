/** What a wrapper around `fetch` commonly throws. */
export class ProviderError extends Error {
  override readonly name = "ProviderError"
  readonly status: number
  readonly headers: Headers
  readonly body: string

  constructor(response: Response, body: string) {
    super(`the provider answered ${response.status}`)
    this.status = response.status
    this.headers = response.headers
    this.body = body
  }
}
