// The ways that a conversation took, read from its log: which messages count now, and what was left behind when somebody went back. Pure.
// A way is left when some of its messages are taken back; its end names it.
import type { RecordedEvent } from "./event.ts"

/** A way that was left: what counted, oldest first, and when it was left. */
export interface LeftWay {
  ids: readonly string[]
  /** ms since 1970. */
  at: number
}

export interface Ways {
  /** Ids of the messages that count now, oldest first. */
  now: readonly string[]
  /** Last left first; none is the beginning of another. */
  left: readonly LeftWay[]
}

/** More are forgotten, the oldest first. */
const MAX_LEFT = 100

export function waysOf(events: Iterable<{ at: number; event: RecordedEvent }>): Ways {
  const order = new Map<string, number>()
  let now: string[] = []
  let left: LeftWay[] = []
  const leave = (at: number) => {
    const end = now.at(-1)
    if (end !== undefined) left = [...left.filter(({ ids }) => ids.at(-1) !== end), { ids: now, at }].slice(-MAX_LEFT)
  }
  for (const { at, event } of events)
    if (event.type === "message.added") {
      order.set(event.message.id, order.size)
      now.push(event.message.id)
    } else if (event.type === "messages.dropped") {
      const gone = new Set(event.messageIds)
      leave(at)
      now = now.filter((id) => !gone.has(id))
    } else if (event.type === "messages.restored") {
      leave(at)
      const known = event.messageIds.filter((id) => order.has(id))
      now = [...new Set([...now, ...known])].sort((a, b) => order.get(a)! - order.get(b)!)
    }
  const inner = new Set([now, ...left.map(({ ids }) => ids)].flatMap((ids) => ids.slice(0, -1)))
  const end = now.at(-1)
  const ends = left.filter(({ ids }) => ids.at(-1) !== end && !inner.has(ids.at(-1)!))
  return { now, left: ends.reverse() }
}

/** The messages of a way up to this one: of the way that counts, or of the last left one that holds it. Undefined when none does. */
export function wayTo({ left, now }: Ways, id: string): readonly string[] | undefined {
  for (const ids of [now, ...left.map((one) => one.ids)]) {
    const at = ids.indexOf(id)
    if (at >= 0) return ids.slice(0, at + 1)
  }
  return undefined
}
