/**
 * A console for incidents, on the program's own HTTP server: a page that shows which circuits are open, since when,
 * why, how many calls that costs and whether it gets better, and that lets operators act.
 *
 * | route | what it gives |
 * | --- | --- |
 * | `GET {path}` | the page: one document, which loads nothing from other servers |
 * | `GET {path}/snapshot` | all circuits and the last events, as `Snapshot` |
 * | `GET {path}/events` | server-sent events: each `CircuitEvent` as JSON |
 * | `POST {path}/force-open`, `/reset`, `/disable`, `/enable` | takes `{ key, reason, for_ms? }`, gives the `Circuit` |
 *
 * It shows what this process knows: its own calls, and the states of circuits that it has read last. Its memory is
 * bounded. It counts calls and keeps changes for 10,000 circuits, and lists 1,000, those first that need attention.
 * Each reader of `events` has a queue of 256 events that drops the oldest. No call waits for the console.
 *
 * A key that was never used can be forced open or disabled; `reset` and `enable` of it answer 404. A refused order
 * changes nothing and answers with `{ error }`: 400 for a body that is not as above, 401 for a missing or wrong token,
 * 403 for a console without operators and for requests of other sites, 413 beyond 8 KiB, 415 for a body that is not
 * JSON. Other methods find no route: 404. Beyond 100 readers `events` answers 503.
 *
 * **Gotchas**
 *
 * - Anyone who can reach the routes can read them: keys, notes and actors. Only orders need a token.
 * - `circuit.skipped` events are counted, in `skips` and `calls`, but neither listed nor streamed, because during an
 *   outage they would displace all others.
 * - Tokens travel in a header, so serve the console through TLS. The page keeps its token in memory until it is closed.
 *
 * **Example** (a page behind a path)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { CircuitBreaker, CircuitStore, LlmOutcome } from "effect-resilience"
 * import { CircuitConsole } from "effect-resilience/console"
 * import { HttpRouter, HttpServer } from "effect/http"
 *
 * const app = CircuitConsole.layer({ path: "/ops/circuits" }).pipe(
 *   Layer.provide(CircuitBreaker.layer({ classify: LlmOutcome.classify })),
 *   Layer.provide(CircuitStore.layerMemory),
 *   Layer.provide(HttpServer.layerServices)
 * )
 *
 * const { dispose, handler } = HttpRouter.toWebHandler(app, { disableLogger: true })
 * const response = await handler(new Request("http://localhost/ops/circuits/snapshot"))
 * const { actions } = await response.json() as CircuitConsole.Snapshot
 * await dispose()
 *
 * actions // => false
 * ```
 *
 * @since 0.1.0
 */
import { Clock, type Config, Effect, Layer, type Redacted, Schema } from "effect"
import { HttpRouter } from "effect/http"
import * as CircuitBreaker from "../CircuitBreaker.ts"
import { elapsedMillis, wallMillis } from "../internal/clock/time.ts"
import { checkOptions } from "../internal/options/known.ts"
import { invalidAsConfigError } from "../internal/options/settings.ts"
import * as validation from "../internal/options/validation.ts"
import * as circuits from "./internal/circuits.ts"
import * as feed from "./internal/feed.ts"
import { Ledger } from "./internal/ledger.ts"
import * as operators from "./internal/operators.ts"
import * as page from "./internal/page.ts"
import * as reply from "./internal/reply.ts"
import * as snapshot from "./internal/snapshot.ts"
import { actions, answer, steer } from "./internal/steering.ts"

/**
 * Where the console is, and who may act.
 *
 * - `path`: what its routes begin with. Default: `/circuits`.
 * - `operators`: the token of each actor, by the actor's name, which is in the events of this actor's orders. Without
 *   any the console is read-only. A token has visible ASCII characters only, and no two actors have the same.
 * - `title`: the heading of the page. Default: `Circuits`.
 * - `maxEvents`: how many of the last events are kept. Default: 500.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly path?: `/${string}` | undefined
  readonly operators?: Record<string, Redacted.Redacted<string>> | undefined
  readonly title?: string | undefined
  readonly maxEvents?: number | undefined
}

/**
 * One circuit in a snapshot: its `CircuitState`, with the names of `CircuitEvent`, and its calls in this process.
 *
 * - `since` is when its state began (epoch milliseconds), and `state_ms` how long it has lasted. Both are absent if
 *   this process did not see it begin. `open_ms` is the age of the outage.
 * - `calls` counts the last minute and `failure_kinds` the last five minutes, in intervals of ten seconds of which the
 *   last is not over; `trend` has those five minutes interval by interval.
 * - `median_ms` is the median duration of the last 64 calls that ran to their end.
 * - `timeline` has the changes of state of the last hour and the one before them, but never more than 32.
 *
 * @category models
 * @since 0.1.0
 */
export const Circuit = snapshot.Circuit

/**
 * One circuit in a snapshot.
 *
 * @category models
 * @since 0.1.0
 */
export type Circuit = snapshot.Circuit

/**
 * The answer of `GET {path}/snapshot`. `states` counts all circuits, of which `circuits_unlisted` are not in
 * `circuits`. `events` are numbered in their order, the newest last, and `events_dropped` counts those before them.
 * `actions` is true if the console has operators.
 *
 * @category models
 * @since 0.1.0
 */
export const Snapshot = snapshot.Snapshot

/**
 * The answer of `GET {path}/snapshot`.
 *
 * @category models
 * @since 0.1.0
 */
export type Snapshot = snapshot.Snapshot

// Limits the processor time of the console: after a snapshot it rests for 20 times as long as that took.
const restFactor = 20
const minRestMillis = 250

/**
 * Adds the console to the router. An invalid option ends the build with `InvalidOptions`, which shows no token.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<never, never, HttpRouter.HttpRouter | CircuitBreaker.CircuitBreaker> =>
  Layer.effectDiscard(mount(options))

/**
 * Adds the console with options from the environment, such as tokens from `Config.Redacted`. An invalid one is a
 * `ConfigError`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  config: Config.Config<Options>
): Layer.Layer<never, Config.ConfigError, HttpRouter.HttpRouter | CircuitBreaker.CircuitBreaker> =>
  Layer.effectDiscard(Effect.flatMap(config, (options) => invalidAsConfigError(mount(options))))

const mount = Effect.fnUntraced(function*(options: Options) {
  const { maxEvents, path, title } = checked(options)
  const router = yield* HttpRouter.HttpRouter
  const breaker = yield* CircuitBreaker.CircuitBreaker
  const clock = yield* Clock.Clock
  const actorOf = yield* operators.make(options.operators ?? {})
  const document = yield* page.make(title)
  const { open, tell } = yield* feed.make
  const ledger = new Ledger(clock, maxEvents, tell)
  yield* breaker.observe(ledger)

  let last = { body: "", until: 0 }
  const current = Effect.gen(function*() {
    const startedAt = elapsedMillis(clock)
    if (startedAt >= last.until) {
      const states = yield* breaker.states
      const body = encodeSnapshot(circuits.snapshot(states, ledger, wallMillis(clock), actorOf !== undefined))
      const endedAt = elapsedMillis(clock)
      last = { body, until: endedAt + Math.max(minRestMillis, restFactor * (endedAt - startedAt)) }
    }
    return reply.json(last.body)
  })
  const order = steer(breaker, actorOf)

  yield* router.add("GET", path === "" ? "/" : path, document)
  yield* router.add("GET", `${path}/snapshot`, current)
  yield* router.add("GET", `${path}/events`, Effect.suspend(() => answer(open(ledger.lastId))))
  for (const action of actions) {
    yield* router.add("POST", `${path}/${action}`, (request) =>
      order(action, request).pipe(
        Effect.map((state) => {
          // Makes a new snapshot for the operator, who must not get one from before the order.
          last.until = 0
          return reply.json(encodeCircuit(circuits.describe(state, ledger, wallMillis(clock))))
        }),
        answer
      ))
  }
})

const checked = (options: Options) => {
  checkOptions(options, { path: true, operators: true, title: true, maxEvents: true })
  const { maxEvents = 500, path = "/circuits", title = "Circuits" } = options
  return {
    maxEvents: validation.positiveInt("maxEvents", maxEvents),
    path: /^\/[^*?#]*$/.test(path)
      ? path.replace(/\/+$/, "") as "" | `/${string}`
      : validation.invalid("path", path, "a path that begins with / and has no *, ? or #"),
    title: typeof title === "string" ? title : validation.invalid("title", title, "a string")
  }
}

const encodeCircuit = Schema.encodeSync(Schema.fromJsonString(Circuit))
const encodeSnapshot = Schema.encodeSync(Schema.fromJsonString(Snapshot))
