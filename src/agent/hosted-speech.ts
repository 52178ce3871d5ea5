// What an external agent says: words and thoughts shown as they come, kept as drafts against a crash, and one message once it is
// finished. The message is made of what was shown, so that who reads along and who reads later see the same.
import { uuid } from "../base/id.ts"
import type { Message, Part } from "../protocol/message.ts"
import type { HostedRoom } from "./hosted-room.ts"

/** A message that grows beyond this is finished, and another one begun. */
const MAX_CHARS = 1_000_000
const MAX_PARTS = 200
/** Base64 of a picture or sound. */
const MAX_PART_CHARS = 14_000_000

type Kind = "text" | "thinking"

interface Open {
  id: string
  /** The agent's own id of it. */
  theirs: string | undefined
  content: Part[]
  chars: number
  /** Words that are being written, and what takes the secrets out of them. */
  words: { kind: Kind; text: string; stream: { push(piece: string): string; end(): string } } | undefined
}

export class HostedSpeech {
  readonly #room: HostedRoom
  readonly #live: { text: string; thinking: string }
  readonly #by: () => { provider: string; model?: string }
  #open: Open | undefined

  constructor(
    room: HostedRoom,
    live: { text: string; thinking: string },
    by: () => { provider: string; model?: string },
  ) {
    this.#room = room
    this.#live = live
    this.#by = by
  }

  /** Whether what comes now begins another message. */
  begins(messageId: string | undefined): boolean {
    const open = this.#open
    if (!open) return false
    if (open.chars > MAX_CHARS || open.content.length > MAX_PARTS) return true
    return messageId !== undefined && open.theirs !== undefined && messageId !== open.theirs
  }

  text(of: "answer" | "thought", text: string, messageId: string | undefined): void {
    const kind = of === "answer" ? "text" : "thinking"
    const open = this.#opened(messageId)
    if (open.words?.kind !== kind) this.#endWords(open)
    open.words ??= { kind, text: "", stream: this.#room.ports.redactor.stream() }
    open.chars += text.length
    this.#grow(open, open.words.stream.push(text))
  }

  part(part: Part, messageId: string | undefined): void {
    const words = wordsFor(part)
    if (words !== undefined) {
      this.text("answer", words, messageId)
      return
    }
    const open = this.#opened(messageId)
    this.#endWords(open)
    const kept = this.#room.ports.redactor.value(part)
    open.content.push(kept)
    this.#room.scope.live({ type: "part.added", messageId: open.id, part: kept })
  }

  /** The finished message, which must be recorded at once; undefined when nothing was said. */
  end(): Message | undefined {
    const open = this.#open
    if (!open) return undefined
    this.#endWords(open)
    this.#open = undefined
    this.#live.text = ""
    this.#live.thinking = ""
    const { ports, scope } = this.#room
    ports.books.drafts.drop(scope.fence.turnId)
    if (open.content.length === 0) return undefined
    return {
      id: open.id,
      role: "assistant",
      content: open.content,
      at: ports.clock.now(),
      turnId: scope.fence.turnId,
      ...this.#by(),
    }
  }

  #opened(messageId: string | undefined): Open {
    const id = uuid(this.#room.ports.clock.now())
    this.#open ??= { id, theirs: messageId, content: [], chars: 0, words: undefined }
    this.#open.theirs ??= messageId
    return this.#open
  }

  /** What was held back of them is shown, and they become a part. */
  #endWords(open: Open): void {
    const { words } = open
    if (!words) return
    this.#grow(open, words.stream.end())
    open.words = undefined
    if (words.text !== "") open.content.push({ type: words.kind, text: words.text })
  }

  /** Publish first, then keep. */
  #grow({ id, words }: Open, delta: string): void {
    if (!words || delta === "") return
    const { ports, scope } = this.#room
    const { kind } = words
    const offset = this.#live[kind].length
    scope.live({ type: kind === "text" ? "text.delta" : "thinking.delta", messageId: id, delta, offset })
    this.#live[kind] += delta
    words.text += delta
    ports.books.drafts.add(scope.fence, id, kind, delta)
    if (offset === 0) ports.checkpoint("model.streaming")
  }
}

/** The text that stands for a part: its own, or that it was too large. */
function wordsFor(part: Part): string | undefined {
  if (part.type === "text") return part.text
  const long = "data" in part && (part.data?.length ?? 0) > MAX_PART_CHARS
  return long ? `[${part.mimeType ?? part.type}, too large to keep]` : undefined
}
