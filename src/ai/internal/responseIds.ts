/** The ids by which providers remember answers, each for the target that gave it. */
import { Context, Option } from "effect"
import { ResponseIdTracker } from "effect/ai"

type Tracker = ResponseIdTracker.Service

/**
 * Lets a target see its own ids alone: another one's it would not know, or, worse, know and answer to what came after
 * it. Whoever finds no id gets the whole prompt.
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
