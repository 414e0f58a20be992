import { assert, describe, it } from "@effect/vitest"
import { sizeOf } from "../../src/internal/untrusted/size.ts"

const size = (value: unknown) => sizeOf(value, Infinity)

class Frame {
  readonly text = "x".repeat(1_000)
  readonly client = new Client()
}
class Client {
  readonly memory = "x".repeat(1_000_000)
}

const thrower = {
  get text(): string {
    throw new Error("no")
  }
}

describe("the size of a part", () => {
  it("is that of its texts and bytes, wherever they are", () => {
    for (
      const part of [
        "x".repeat(5_000),
        { data: "x".repeat(5_000) },
        [{ deep: [{ text: "x".repeat(5_000) }] }],
        new Uint8Array(5_000),
        { file: new Uint8Array(5_000).buffer },
        { view: new DataView(new ArrayBuffer(5_000)) }
      ]
    ) {
      assert.isAtLeast(size(part), 5_000)
      assert.isAtMost(size(part), 5_300)
    }
  })

  it("grows with the number of small values", () => {
    assert.isAtLeast(size(Array.from({ length: 1_000 }, () => ({ a: 1 }))), 32_000)
    assert.isAbove(size(undefined), 0)
  })

  it("is without what is not its own: of a client that a part refers to", () => {
    assert.isAtLeast(size(new Frame()), 1_000)
    assert.isAtMost(size(new Frame()), 1_200)
  })

  it("counts what appears twice once, and ends where values refer to each other", () => {
    const shared = { text: "x".repeat(1_000) }
    const circle: Record<string, unknown> = { shared, again: shared }
    circle["self"] = circle
    assert.isAtMost(size(circle), 1_300)
  })

  it.each([
    ["a getter that throws", thrower],
    [
      "a proxy that throws",
      new Proxy({}, {
        ownKeys: () => {
          throw new Error("no")
        },
        getPrototypeOf: () => {
          throw new Error("no")
        }
      })
    ],
    ["a revoked proxy", revoked()]
  ])("does not throw at %s", (_, part) => {
    assert.isAbove(size({ part }), 0)
    assert.isAbove(size(part), 0)
  })

  it("is not counted on when it is enough", () => {
    let read = 0
    const list = new Proxy(Array.from({ length: 100_000 }, () => "x"), {
      get: (target, key) => {
        read++
        return Reflect.get(target, key)
      }
    })
    assert.isAtLeast(sizeOf({ list }, 3_200), 3_200)
    assert.isAtMost(read, 110)
  })
})

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}
