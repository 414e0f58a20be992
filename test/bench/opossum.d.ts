// opossum comes without types: what the benchmark uses of it.
declare module "opossum" {
  export default class CircuitBreaker<A> {
    static isOurError(error: Error): boolean
    constructor(action: () => Promise<A>, options: { readonly timeout: number | false; readonly resetTimeout: number })
    fire(): Promise<A>
    on(event: "success", listener: (result: A, latencyMillis: number) => void): this
    open(): void
    shutdown(): void
  }
}
