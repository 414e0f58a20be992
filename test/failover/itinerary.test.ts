// Whom one call asks next, waits for, and turns to at last.
import { assert, describe, it } from "@effect/vitest"
import { Itinerary } from "../../src/internal/failover/itinerary.ts"
import type { Place } from "../../src/internal/failover/route.ts"
import { closed, disabled, forcedOpen, halfOpen, open, placesOf } from "./places.ts"

const targets = [
  { name: "a", contextTokens: 8 },
  { name: "b", contextTokens: 4 },
  { name: "c", contextTokens: 8 },
  { name: "d", contextTokens: 16 },
  "e"
]
const way = (...states: Parameters<typeof placesOf>[1]) => {
  const places = placesOf({ targets }, [...states, ...targets.map(() => closed())].slice(0, targets.length))
  return { places, itinerary: new Itinerary(places[0]!, () => places) }
}
const name = (place: Place | undefined) => place?.target.name
const rest = (itinerary: Itinerary) => {
  const names: Array<string | undefined> = []
  for (let place = itinerary.takeNext(); place !== undefined; place = itinerary.takeNext()) names.push(name(place))
  return names
}

describe("a call", () => {
  it("asks each target once, the first one first, wherever it stands in the order", () => {
    const { places } = way()
    const itinerary = new Itinerary(places[2]!, () => places)
    assert.deepStrictEqual(itinerary.places.map(name), ["c", "a", "b", "d", "e"])
    assert.deepStrictEqual(rest(itinerary), ["a", "b", "d", "e"])
    assert.isUndefined(itinerary.takeNext())
  })

  it("looks for the order only when it needs it, and once", () => {
    const { places } = way()
    let looks = 0
    const itinerary = new Itinerary(places[0]!, () => {
      looks++
      return places
    })
    assert.strictEqual(looks, 0)
    rest(itinerary)
    assert.strictEqual(itinerary.places.length, 5)
    assert.strictEqual(looks, 1)
  })

  it("that was too long for a target asks larger ones only, of which one that says no size is none", () => {
    const { itinerary, places } = way()
    itinerary.wasTooLongFor(places[0]!)
    assert.deepStrictEqual(rest(itinerary), ["d"])
  })

  it("that was too long for a larger one, too, is measured by that", () => {
    const { itinerary, places } = way()
    itinerary.wasTooLongFor(places[3]!)
    itinerary.wasTooLongFor(places[1]!)
    assert.deepStrictEqual(rest(itinerary), [])
  })

  it("that was too long for a target without a size asks those that have one", () => {
    const { itinerary, places } = way()
    itinerary.wasTooLongFor(places[4]!)
    assert.deepStrictEqual(rest(itinerary), ["b", "c", "d"])
  })
})

describe("gates", () => {
  it("are waited for in the order in which they open, and no more once they have", () => {
    const { itinerary, places } = way(closed(30), closed(10), closed(20))
    assert.isUndefined(itinerary.firstToOpen)
    const gated = placesOf({ targets }, [closed(30), closed(10), closed(20), closed(), closed()], [])
    for (const place of gated.slice(0, 3)) itinerary.waitsFor(place)
    assert.strictEqual(name(itinerary.firstToOpen), "b")
    itinerary.waitsNoMoreFor(gated[1]!)
    assert.strictEqual(name(itinerary.firstToOpen), "c")
    itinerary.wasTooLongFor(places[2]!)
    assert.isUndefined(itinerary.firstToOpen)
  })
})

describe("others take calls", () => {
  const others = (...states: Parameters<typeof placesOf>[1]) => {
    const places = placesOf({ targets: ["a", "b"] }, states, states.map(() => false))
    return new Itinerary(places[0]!, () => places).othersTakeCalls
  }

  it("if one of those that were not asked is ready", () => {
    assert.isTrue(others(open(5), closed()))
    assert.isTrue(others(open(5), disabled))
    assert.isFalse(others(closed(), open(5)))
    assert.isFalse(others(closed(), closed(5)))
  })

  it("if one passes, whatever its state says", () => {
    const places = placesOf({ targets: ["a", "b"] }, [open(5), open(5)], [false, true])
    assert.isTrue(new Itinerary(places[0]!, () => places).othersTakeCalls)
  })

  it("and not if it was asked already, or is too small", () => {
    const { itinerary, places } = way(open(5), closed(), open(5), open(5), open(5))
    assert.isTrue(itinerary.othersTakeCalls)
    itinerary.wasTooLongFor(places[0]!)
    assert.isFalse(itinerary.othersTakeCalls)
    const again = way(open(5), closed(), open(5), open(5), open(5)).itinerary
    again.takeNext()
    assert.isFalse(again.othersTakeCalls)
  })
})

describe("the last resorts", () => {
  it("are those whose circuits are open, the first to come back first, and none that an operator holds", () => {
    const { itinerary } = way(open(30), forcedOpen(1), open(10), halfOpen(), open(20))
    assert.deepStrictEqual(itinerary.lastResorts.map(name), ["c", "e", "a"])
  })
})
