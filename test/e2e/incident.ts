/**
 * A minute in the life of two instances that share their circuits, watched by a Prometheus: everything that the metrics
 * can tell happens at least once.
 */
import { Clock, Effect, type Scope } from "effect"
import * as RedisServer from "../support/redis/RedisServer.ts"
import * as Instance from "./Instance.ts"
import * as Prometheus from "./Prometheus.ts"
import * as Provider from "./Provider.ts"
import { type Phase, script, traffic } from "./script.ts"

/**
 * What is left when it is over: a Prometheus and an application that run until the scope closes, when what happened, and
 * the alerts that were firing.
 */
export interface Incident {
  readonly prometheus: Prometheus.Prometheus
  readonly range: Prometheus.Range
  readonly phases: Readonly<Record<Phase, Prometheus.Range>>
  readonly fired: ReadonlyArray<Prometheus.Alert>
}

/** Plays it. `prometheus` says which rules it has. */
export const runIncident = (
  options: { readonly prometheus?: Pick<Prometheus.Options, "ruleFiles" | "rules"> } = {}
): Effect.Effect<Incident, never, Scope.Scope> =>
  Effect.gen(function*() {
    const redis = yield* RedisServer.make()
    const provider = yield* Provider.make
    const instances = [yield* Instance.make("a", redis.url), yield* Instance.make("b", redis.url)] as const
    const prometheus = yield* Prometheus.make({
      ...options.prometheus,
      job: "api",
      targets: instances.map(({ address, name }) => ({ instance: name, address }))
    })

    const fired = new Map<string, Prometheus.Alert>()
    yield* prometheus.alerts.pipe(
      Effect.map((alerts) => {
        for (const alert of alerts) {
          if (alert.state === "firing") fired.set(JSON.stringify(alert.labels), alert)
        }
      }),
      Effect.andThen(Effect.sleep("500 millis")),
      Effect.forever,
      Effect.forkScoped
    )

    const cast = { provider, redis, instances }
    yield* traffic(cast)
    const phases: Partial<Record<Phase, Prometheus.Range>> = {}
    const begin = yield* seconds
    for (const [phase, play] of Object.entries(script(cast))) {
      const start = yield* seconds
      yield* play
      phases[phase as Phase] = { start, end: yield* seconds }
    }
    return {
      prometheus,
      range: { start: begin, end: yield* seconds },
      phases: phases as Record<Phase, Prometheus.Range>,
      fired: Array.from(fired.values())
    }
  }).pipe(Effect.orDie)

const seconds = Effect.map(Clock.currentTimeMillis, (millis) => millis / 1000)
