// Two processes, one breaker: a trip crosses over, one probe serves both, and Redis stops and comes back.
// Run it: npm run fleet (it starts a Redis server of its own, so redis-server has to be on the PATH)
import { Duration, Effect, Layer, ManagedRuntime } from "effect"
import { CircuitBreaker, type CircuitEvent, CircuitObserver, LlmOutcome, TripPolicy } from "effect-resilience"
import { RedisCircuitStore } from "effect-resilience/redis"
import { fork, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:net"
import { setTimeout } from "node:timers/promises"

type Answer = "hello" | "503"
type Report = { readonly said: string } | { readonly event: CircuitEvent.CircuitEvent; readonly at: number }

/** One of the processes: what makes it one breaker with the other is the layer of the store. */
const serve = (url: string) => {
  const say = (report: Report) => process.send!(report)
  const onEvent = (event: CircuitEvent.CircuitEvent) => {
    if ("from" in event || event.event.startsWith("store.")) say({ event, at: millis() })
  }
  const Breaker = CircuitObserver.layer({ name: "story", onEvent }).pipe(
    Layer.provideMerge(
      CircuitBreaker.layer({
        classify: LlmOutcome.classify,
        tripPolicy: TripPolicy.consecutive(3),
        openDuration: "2 seconds"
      })
    ),
    Layer.provide(RedisCircuitStore.layer({ url }))
  )
  // Stands for a call to a model.
  const model = (answer: Answer) => Effect.delay(answer === "503" ? Effect.fail(answer) : Effect.succeed(answer), 50)
  const ask = (answer: Answer) =>
    model(answer).pipe(
      CircuitBreaker.execute({ key: "openai/gpt-5" }),
      Effect.catchTag("CircuitBreakerError", ({ reason }) => Effect.succeed(`turned away: ${reason._tag}`)),
      Effect.orElseSucceed(() => "the model failed"),
      Effect.timed,
      Effect.map(([took, said]) => say({ said: `${said}, in ${Duration.toMillis(took).toFixed(0)} ms` }))
    )
  const runtime = ManagedRuntime.make(Breaker)
  process.on("message", (answer: Answer) => void runtime.runPromise(ask(answer)))
  process.on("disconnect", () => process.exit())
}

// One clock for all processes of a machine.
const millis = () => Number(process.hrtime.bigint()) / 1_000_000
const startedAt = millis()
const tell = (who: string, what: string) =>
  console.log(`${((millis() - startedAt) / 1000).toFixed(2).padStart(6)} s  ${who.padEnd(7)}${what}`)

const known = new Map<number, number>()
const sentence = (event: CircuitEvent.CircuitEvent, at: number) => {
  if (!("from" in event)) return "error" in event ? `${event.event}: ${event.error}` : event.event
  const first = known.get(event.generation)
  known.set(event.generation, first ?? at)
  return `${event.event}: ${event.reason}${first === undefined ? "" : `, ${Math.abs(at - first).toFixed(1)} ms apart`}`
}

/** Starts a process. Has it make a call, which the model will answer so. */
const member = (name: string, url: string) => {
  const child = fork(import.meta.filename, [url])
  process.on("exit", () => child.kill("SIGKILL"))
  let done = () => {}
  child.on("message", (report: Report) => {
    tell(name, "said" in report ? report.said : sentence(report.event, report.at))
    if ("said" in report) done()
  })
  return (answer: Answer) =>
    new Promise<void>((resolve) => {
      done = resolve
      child.send(answer)
    })
}

const startRedis = async () => {
  const listener = createServer().listen(0, "127.0.0.1")
  await once(listener, "listening")
  const { port } = listener.address() as { readonly port: number }
  await once(listener.close(), "close")
  const server = spawn("redis-server", ["--bind", "127.0.0.1", "--port", `${port}`, "--save", ""])
  process.on("exit", () => server.kill("SIGKILL"))
  await once(server, "spawn").catch(() => {
    console.error("There is no redis-server on the PATH. Install Redis, and run this again.")
    process.exit(1)
  })
  for await (const log of server.stdout) if (`${log}`.includes("Ready to accept")) break
  return { server, url: `redis://127.0.0.1:${port}` }
}

const story = async () => {
  process.on("SIGINT", () => process.exit(130))
  const { server, url } = await startRedis()
  const [first, second] = [member("first", url), member("second", url)]
  await Promise.all([first("hello"), second("hello")])

  console.log("\nThe model fails, and only the first process sees it.")
  for (let call = 0; call < 3; call++) await first("503")
  await setTimeout(100)
  await second("hello")

  console.log("\nThe open time is over, and both call at once.")
  await setTimeout(2100)
  await Promise.all([first("hello"), second("hello")])
  await Promise.all([first("hello"), second("hello")])

  console.log("\nRedis stops. Calls go on, and each process protects itself.")
  server.kill("SIGSTOP")
  await Promise.all([first("hello"), second("hello")])
  await setTimeout(1000)
  for (let call = 0; call < 4; call++) await first("503")
  await second("hello")

  console.log("\nRedis goes on. What the first process has learnt is brought in.")
  server.kill("SIGCONT")
  await setTimeout(1000)
  await second("hello")
  await setTimeout(1200)
  await second("hello")
  await first("hello")
  process.exit()
}

if (import.meta.main) await (process.argv[2] === undefined ? story() : serve(process.argv[2]))
