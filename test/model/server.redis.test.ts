/** The server of the model against the script on a real one: every answer and every message, word for word. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import { Circuit, TripPolicy } from "effect-resilience"
import { afterAll } from "vitest"
import { circuitLua } from "../../src/redis/internal/circuitScript.ts"
import type { Operation } from "../../src/redis/internal/luaOperations.ts"
import { writeCircuit } from "../../src/redis/internal/record.ts"
import { compiled, start } from "../redis/twin/machine.ts"
import { argumentsOf, ownRedis, Script } from "../redis/twin/script.ts"
import { writeMessage, writeReply } from "./fleet/record.ts"
import { Server } from "./fleet/Server.ts"
import { sound } from "./Transitions.ts"

const redis = await ownRedis()
const script = await Script.load(redis, circuitLua)
const listener = redis.duplicate()
const heard = new Map<string, Array<string>>()
const hear = (channel: string, message: string) => void heard.get(channel)?.push(message)
listener.on("message", hear)
afterAll(() => listener.disconnect())

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const outcomes = ["", "Success", "Failure", "Failure", "Ignored", "Throttled", "OpenNow"] as const
const Command = Schema.Struct({
  wait: Schema.Union([Schema.Literal(0), int(0, 6)]),
  operation: Schema.Literals(
    [
      ...["claim", "claim", "claim", "claim", "renew", "renew"] as const,
      ...["report", "report", "report", "report", "report", "report", "report"] as const,
      ...["force", "reset", "disable", "enable", "enable", "read", "merge"] as const
    ]
  ),
  owner: Schema.Literals(["a", "a", "b"]),
  /** How many writes ago the sender looked. */
  ago: Schema.Union([Schema.Literal(0), Schema.Literal(0), int(0, 3)]),
  /** Which probe, counted back from the last one; none while the circuit is not half-open. */
  probe: Schema.Literals([0, 0, 0, 1]),
  outcome: Schema.Literals(outcomes),
  endsStreak: Schema.Boolean,
  hint: int(0, 5),
  millis: Schema.Union([int(0, 6), Schema.Undefined]),
  /** Whether the sender claims to know a later generation than there is. */
  ahead: Schema.Literals([0, 0, 0, 0, 0, 1])
})

const given = {
  probes: int(1, 2),
  successesToClose: int(1, 2),
  ramp: Schema.Union([Schema.Undefined, Schema.Literal(3)]),
  failures: int(1, 2),
  commands: Arbitrary.array(Arbitrary.schema(Command), { maxLength: 60 })
}

interface Given {
  readonly probes: number
  readonly successesToClose: number
  readonly ramp: number | undefined
  readonly failures: number
  readonly commands: ReadonlyArray<typeof Command.Type>
}

describe("the server of the model", () => {
  const seen = new Map<string, number>()

  const compare = async ({ commands, failures, ...rules }: Given) => {
    const policy = compiled({
      ...rules,
      tripPolicy: TripPolicy.consecutive(failures),
      openDuration: 3,
      probeLease: 4,
      maxOpenDuration: 4
    })
    const server = new Server(sound)
    const key = script.key()
    heard.set(key, [])
    await listener.subscribe(key)
    const known = [{ circuit: Circuit.initial(0), revision: 0 }]
    const told: Array<string> = []
    let now = start
    for (const one of commands) {
      now += one.wait
      const view = known[one.ago] ?? known[0]!
      const { generation, issued } = view.circuit
      const probe = Math.max(0, issued - one.probe)
      const word = one.outcome === "" && probe > 0 ? "Ignored" : one.outcome
      const args: Record<Operation, ReadonlyArray<string | number>> = {
        read: [],
        claim: [4],
        renew: [generation, probe, 3],
        // No process ends a streak by a probe, nor a probe without a word.
        report: [
          generation,
          0,
          one.endsStreak && probe === 0 ? 1 : 0,
          probe,
          word,
          "timeout",
          one.hint,
          1,
          2,
          3
        ],
        force: [one.millis ?? Circuit.never, "why", "who"],
        reset: ["because", "ops"],
        disable: ["", ""],
        enable: ["", "me"],
        merge: [writeCircuit(view.circuit, view.revision, one.hint === 0 ? {} : undefined, now, generation + one.ahead)]
      }
      const sent = argumentsOf(one.operation, args[one.operation], {
        policy,
        now,
        known: generation + one.ahead,
        owner: one.owner,
        channel: key
      })
      const { message, reply } = server.serve(sent, now, now * 1000)
      assert.deepStrictEqual(await script.run(key, sent), writeReply(reply), `to ${sent.join(" ")}`)
      assert.strictEqual(await redis.hget(key, "expireAt") ?? undefined, server.stored?.expireAt.toString())
      if (message !== undefined) told.push(writeMessage(message))
      known.unshift(reply.stored)
      const sight = `${one.operation} ${reply.status} ${reply.stored.circuit.state}`
      seen.set(sight, (seen.get(sight) ?? 0) + 1)
    }
    // Messages arrive on a connection of their own, in order: the last one is there when this one is.
    const end = new Promise<void>((resolve) =>
      listener.on("message", (channel, message) => {
        if (channel === key && message === "end") resolve()
      })
    )
    await redis.publish(key, "end")
    await end
    assert.deepStrictEqual(heard.get(key), [...told, "end"])
    await listener.unsubscribe(key)
    listener.removeAllListeners("message").on("message", hear)
    await redis.del(key)
  }

  it.live.prop("answers and tells as the script does", given, (given) => Effect.promise(() => compare(given)), {
    arbitrary: { runs: 600, size: 60 }
  })

  it("has been asked everything, in every state", () => {
    for (const operation of ["claim ok", "report ok", "merge ok", "read ok"]) {
      for (const state of Circuit.states) {
        // It ends no call of a circuit that an operator holds open.
        if (operation === "report ok" && state === "forced_open") continue
        assert.isAbove(seen.get(`${operation} ${state}`) ?? 0, 0, `${operation} ${state}`)
      }
    }
    for (const sight of ["report late open", "claim stale closed", "force ok forced_open"]) {
      assert.isAbove(seen.get(sight) ?? 0, 0, sight)
    }
  })
})
