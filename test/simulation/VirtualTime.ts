/**
 * Time and fibers that move only when a test says so, without the real event loop: the same run takes the same way each
 * time, and several times less than under `TestClock`, which waits for turns of the event loop after every sleep.
 */
import { Clock, Context, Duration, Effect, Scheduler } from "effect"

interface Sleeper {
  readonly at: number
  readonly wake: () => void
  awake: boolean
}

export class VirtualTime {
  /** Milliseconds since the run began. */
  now = 0
  private turns: Array<() => void> = []
  private readonly sleepers: Array<Sleeper> = []
  private readonly scheduler = new Scheduler.MixedScheduler("async", (turn) => {
    let isDue = true
    this.turns.push(() => {
      if (isDue) turn()
    })
    return () => {
      isDue = false
    }
  })

  /** What the fibers of a process need: a clock that began to run, and shows the time of people, at its own moments. */
  context(ageMillis: number, wallMillis: number): Context.Context<never> {
    return Context.make(Clock.Clock, this.clock(ageMillis, wallMillis)).pipe(
      Context.add(Scheduler.Scheduler, this.scheduler)
    )
  }

  clock(ageMillis: number, wallMillis: number): Clock.Clock {
    const wall = () => this.now + epochMillis + wallMillis
    const nanos = (millis: number) => BigInt(Math.floor(millis * 1000)) * 1000n
    return {
      currentTimeMillisUnsafe: wall,
      currentTimeMillis: Effect.sync(wall),
      currentTimeNanosUnsafe: () => nanos(wall()),
      currentTimeNanos: Effect.sync(() => nanos(wall())),
      monotonicTimeNanosUnsafe: () => nanos(this.now + ageMillis),
      monotonicTimeNanos: Effect.sync(() => nanos(this.now + ageMillis)),
      sleep: (duration) => this.sleep(Duration.toMillis(duration))
    }
  }

  private sleep(millis: number): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (millis <= 0) return resume(Effect.void)
      if (millis === Number.POSITIVE_INFINITY) return
      const sleeper: Sleeper = { at: this.now + millis, wake: () => resume(Effect.void), awake: false }
      let low = 0
      let high = this.sleepers.length
      // The next one to wake is the last, and of those of one moment the first that fell asleep.
      while (low < high) {
        const middle = (low + high) >>> 1
        if (this.sleepers[middle]!.at > sleeper.at) low = middle + 1
        else high = middle
      }
      this.sleepers.splice(low, 0, sleeper)
      return Effect.sync(() => {
        sleeper.awake = true
      })
    })
  }

  /** Runs what can run without time passing. */
  settle(): void {
    for (let turn = 0; this.turns.length > 0; turn++) {
      if (turn > 100_000) throw new Error("The fibers never rest")
      const { turns } = this
      this.turns = []
      for (const turn of turns) turn()
    }
  }

  advance(millis: number): void {
    const end = this.now + millis
    this.settle()
    for (let next = this.sleepers.at(-1); next !== undefined && next.at <= end; next = this.sleepers.at(-1)) {
      this.sleepers.pop()
      if (next.awake) continue
      this.now = Math.max(this.now, next.at)
      next.awake = true
      next.wake()
      this.settle()
    }
    this.now = end
  }
}

export const epochMillis = 1_700_000_000_000
