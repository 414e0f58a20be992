/** The ids by which providers remember answers, each for the target that gave it. */
import { Context, Option } from "effect"
import { ResponseIdTracker } from "effect/ai"

type Tracker = ResponseIdTracker.Service

/**
 * Gives a target only its own ids. An id of another target would be unknown to it, or, worse, be the id of another
 * conversation. A target without an id gets the whole prompt.
 */
export const ofTarget = (target: string) => <R>(context: Context.Context<R>): Context.Context<R> => {
  const tracker = Context.getOption(context, ResponseIdTracker.ResponseIdTracker)
  return Option.isNone(tracker) ? context : Context.add(
    context,
    ResponseIdTracker.ResponseIdTracker,
    marked(`${target}\u0000`, tracker.value)
  )
}

const marked = (mark: string, tracker: Tracker): Tracker => ({
  clearUnsafe: () => tracker.clearUnsafe(),
  markParts: (parts, id) => tracker.markParts(parts, mark + id),
  prepareUnsafe: (prompt) =>
    Option.map(
      Option.filter(tracker.prepareUnsafe(prompt), ({ previousResponseId }) => previousResponseId.startsWith(mark)),
      ({ previousResponseId, prompt }) => ({ previousResponseId: previousResponseId.slice(mark.length), prompt })
    )
})
