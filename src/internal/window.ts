/**
 * Sliding windows over the outcomes of calls, exact at every moment: a window of the last n calls, and one of the
 * last n milliseconds. Mutable, because the closed path writes to them on every call.
 */

export interface Window {
  readonly record: (now: number, marked: boolean) => void
  /** Forgets what has left the window by now. */
  readonly expire: (now: number) => void
  readonly clear: () => void
  calls: number
  marked: number
}

/** The last `size` calls. */
export const countWindow = (size: number): Window => {
  // One byte a call; made at the first call, so that an idle circuit costs nothing.
  let ring: Uint8Array | undefined
  let next = 0
  const self: Window = {
    calls: 0,
    marked: 0,
    record: (_, marked) => {
      ring ??= new Uint8Array(size)
      const bit = marked ? 1 : 0
      if (self.calls === size) self.marked -= ring[next]!
      else self.calls++
      self.marked += bit
      ring[next] = bit
      next = next + 1 === size ? 0 : next + 1
    },
    expire: () => {},
    clear: () => {
      next = self.calls = self.marked = 0
    }
  }
  return self
}

// A slot holds the calls of one instant; up to a minute an instant is a millisecond.
const maxSlots = 60_000

/** The calls of the last `millis` milliseconds: one recorded at t has left at t + `millis`. */
export const timeWindow = (millis: number): Window => {
  const resolution = Math.ceil(millis / maxSlots)
  // A queue of slots in a ring that grows with the traffic: time, calls and marked calls of each.
  let slots = new Float64Array(0)
  let capacity = 0
  let head = 0
  let length = 0

  const grow = () => {
    const larger = new Float64Array(3 * Math.max(8, 2 * capacity))
    for (let i = 0; i < length; i++) {
      const from = 3 * ((head + i) % capacity)
      larger.set(slots.subarray(from, from + 3), 3 * i)
    }
    slots = larger
    capacity = larger.length / 3
    head = 0
  }

  const self: Window = {
    calls: 0,
    marked: 0,
    record: (now, marked) => {
      self.expire(now)
      const at = now - now % resolution
      let slot = 3 * ((head + length - 1) % capacity)
      if (length === 0 || slots[slot] !== at) {
        if (length === capacity) grow()
        slot = 3 * ((head + length) % capacity)
        slots[slot] = at
        slots[slot + 1] = slots[slot + 2] = 0
        length++
      }
      slots[slot + 1]!++
      self.calls++
      if (marked) {
        slots[slot + 2]!++
        self.marked++
      }
    },
    expire: (now) => {
      while (length > 0 && now - slots[3 * head]! >= millis) {
        self.calls -= slots[3 * head + 1]!
        self.marked -= slots[3 * head + 2]!
        head = head + 1 === capacity ? 0 : head + 1
        length--
      }
    },
    clear: () => {
      slots = new Float64Array(0)
      capacity =
        head =
        length =
        self.calls =
        self.marked =
          0
    }
  }
  return self
}
