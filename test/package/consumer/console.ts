import { Layer } from "effect"
import { CircuitBreaker, CircuitStore } from "effect-resilience"
import { CircuitConsole } from "effect-resilience/console"
import { HttpRouter, HttpServer } from "effect/http"

const app = CircuitConsole.layer({ path: "/ops" }).pipe(
  Layer.provide(CircuitBreaker.layer()),
  Layer.provide(CircuitStore.layerMemory),
  Layer.provide(HttpServer.layerServices)
)

const { dispose, handler } = HttpRouter.toWebHandler(app, { disableLogger: true })
const page = await handler(new Request("http://localhost/ops"))
const snapshot = await handler(new Request("http://localhost/ops/snapshot"))
const { circuits } = await snapshot.json() as CircuitConsole.Snapshot
await dispose()

console.log(`${page.headers.get("content-type")}, ${circuits.length} circuits`)
