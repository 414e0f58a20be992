/** What a process with a router and the test that runs it say to each other. */

/** - `call`: makes calls, one after the other, to targets of which some are down. */
export type FailoverOrder =
  | { readonly do: "join"; readonly url: string; readonly prefix: string }
  | { readonly do: "call"; readonly calls: number; readonly down: ReadonlyArray<string> }
  | { readonly do: "look" }

/** Who serves the route for this process, who served each call, and who was asked on the way. */
export interface Told {
  readonly active: string
  readonly isFailedOver: boolean
  readonly served: ReadonlyArray<string>
  readonly asked: ReadonlyArray<string>
}
