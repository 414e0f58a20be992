/** A clock on which time passes faster, for a program that takes all its time from Effect's `Clock`. */
import { Clock, Duration, Effect, Layer } from "effect"

/** `factor` seconds of this clock are one second of the real one. A whole number, since nanoseconds are. */
const make = (factor: number): Clock.Clock => {
  const real = Clock.Clock.defaultValue()
  const times = BigInt(factor)
  const millisAtStart = real.currentTimeMillisUnsafe()
  const nanosAtStart = real.currentTimeNanosUnsafe()
  const monotonicAtStart = real.monotonicTimeNanosUnsafe()
  const currentTimeMillis = () => millisAtStart + (real.currentTimeMillisUnsafe() - millisAtStart) * factor
  const currentTimeNanos = () => nanosAtStart + (real.currentTimeNanosUnsafe() - nanosAtStart) * times
  const monotonicTimeNanos = () => monotonicAtStart + (real.monotonicTimeNanosUnsafe() - monotonicAtStart) * times
  return {
    currentTimeMillisUnsafe: currentTimeMillis,
    currentTimeMillis: Effect.sync(currentTimeMillis),
    currentTimeNanosUnsafe: currentTimeNanos,
    currentTimeNanos: Effect.sync(currentTimeNanos),
    monotonicTimeNanosUnsafe: monotonicTimeNanos,
    monotonicTimeNanos: Effect.sync(monotonicTimeNanos),
    // Rounded up: a timer that is early by a fraction of a millisecond is early by many of this clock's.
    sleep: (duration) => real.sleep(Duration.millis(Math.ceil(Duration.toMillis(duration) / factor)))
  }
}

export const layer = (factor: number): Layer.Layer<never> => Layer.sync(Clock.Clock, () => make(factor))
