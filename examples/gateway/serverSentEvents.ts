// Server-sent events, as targets write them and as callers read them.
import { Effect, Stream } from "effect"
import { Sse } from "effect/encoding"

/** Reads events from a text that may be cut anywhere. Skips comments and empty events, which keep connections alive. */
export const read = <E, R>(text: Stream.Stream<string, E, R>): Stream.Stream<Sse.Event, E | Sse.SseError, R> =>
  Stream.suspend(() => {
    let events: Array<Sse.Event> = []
    const parser = Sse.makeParser((event) => {
      if (event._tag === "Event" && event.data.trim() !== "") events.push(event)
    })
    return text.pipe(
      // The last event may come without its empty line.
      Stream.concat(Stream.succeed("\n\n")),
      Stream.mapEffect((text) =>
        Effect.suspend(() => {
          const error = parser.feed(text)
          if (error !== undefined) return Effect.fail(error)
          const read = events
          events = []
          return Effect.succeed(read)
        })
      ),
      Stream.flattenIterable
    )
  })

export const write = Sse.encoder.write

/** An event with nothing but data. */
export const writeData = (data: string): string => write({ _tag: "Event", event: "message", id: undefined, data })
