/**
 * Sliding windows over the outcomes of calls, exact at every moment: the last n calls, or those of the last n
 * milliseconds. Mutable, because every call of a closed circuit writes to them.
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
export const countWindow = (size: number): Window => new CountWindow(size)

// Small, because there are as many as circuits: a class, and one bit for each call in a ring made at the first call.
class CountWindow implements Window {
  calls = 0
  marked = 0
  private next = 0
  private ring: Array<number> | undefined
  private readonly size: number

  constructor(size: number) {
    this.size = size
  }

  record(_: number, marked: boolean): void {
    const ring = this.ring ??= Array.from<number>({ length: (this.size + 31) >>> 5 }).fill(0)
    const word = this.next >>> 5
    const bit = 1 << (this.next & 31)
    const old = ring[word]!
    if (this.calls < this.size) this.calls++
    else if ((old & bit) !== 0) this.marked--
    if (marked) this.marked++
    ring[word] = marked ? old | bit : old & ~bit
    this.next = this.next + 1 === this.size ? 0 : this.next + 1
  }

  expire(): void {}

  clear(): void {
    this.next = this.calls = this.marked = 0
  }
}

// A slot has the calls of one instant, which is a millisecond in windows of up to a minute.
const maxSlots = 60_000

/** The calls of the last `millis` milliseconds: one recorded at t has left at t + `millis`. */
export const timeWindow = (millis: number): Window => {
  const resolution = Math.ceil(millis / maxSlots)
  // A queue of slots in a ring that grows with the traffic. A slot is three numbers: time, calls and marked calls.
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

/** The window with its marked calls only. */
export const onlyMarked = (window: Window): Window => {
  const { record } = window
  return Object.assign(window, {
    record: (now: number, marked: boolean) => marked ? record(now, true) : window.expire(now)
  })
}
