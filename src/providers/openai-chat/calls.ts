// Which call a piece of a call belongs to. OpenAI numbers its calls and names each once; others leave out the index, the id or both,
// number every call 0, repeat the name with every piece, or give two calls the same id. Ids that go on are unique within the answer.
import { uuid } from "../../base/id.ts"
import { isObject } from "../../base/json.ts"
import { type AnswerParts, closeCall, type OpenCall } from "../collect.ts"
import type { ModelEvent } from "../provider.ts"

interface Slot {
  index: number | undefined
  /** As the service gave it; "" for none. */
  wireId: string
  call: OpenCall
  shown: boolean
}

interface Piece {
  index: number | undefined
  id: string
  name: string
  args: string
}

export class CallMerger {
  readonly #answer: AnswerParts
  readonly #slots: Slot[] = []

  constructor(answer: AnswerParts) {
    this.#answer = answer
  }

  /** One element of `delta.tool_calls`. */
  add(wire: Record<string, unknown>, out: ModelEvent[]): void {
    const piece = parsePiece(wire)
    if (piece.name === "" && piece.args === "" && piece.id === "") return
    const slot = this.#slotOf(piece) ?? this.#open(piece)
    const { call } = slot
    if (slot.wireId === "") slot.wireId = piece.id
    if (call.name === "") call.name = piece.name
    call.raw += piece.args
    if (slot.shown || call.name === "") return
    slot.shown = true
    out.push({ type: "tool.started", callId: call.callId, name: call.name })
  }

  #open({ index, id }: Piece): Slot {
    const taken = this.#slots.some((slot) => slot.call.callId === id)
    const call = this.#answer.call(String(this.#slots.length), id === "" || taken ? `call_${uuid()}` : id, "")
    const slot = { index, wireId: id, call, shown: false }
    this.#slots.push(slot)
    return slot
  }

  /** The open call that the piece goes on with. */
  #slotOf({ index, id, name, args }: Piece): Slot | undefined {
    const near = index === undefined ? this.#slots : this.#slots.filter((slot) => slot.index === index)
    if (id !== "") {
      const same = near.findLast((slot) => slot.wireId === id)
      if (same && (index !== undefined || name === "" || same.call.name === name)) return same
    }
    const last = near.at(-1)
    if (!last || (id !== "" && last.wireId !== "")) return undefined
    if (name === "" || last.call.name === "") return last
    // A name once more: the same call as long as its arguments are not complete.
    return name === last.call.name && !(args !== "" && isWhole(last.call)) ? last : undefined
  }
}

function parsePiece(wire: Record<string, unknown>): Piece {
  const fn = isObject(wire["function"]) ? wire["function"] : {}
  const args = fn["arguments"]
  return {
    index: typeof wire["index"] === "number" ? wire["index"] : undefined,
    id: typeof wire["id"] === "string" ? wire["id"] : "",
    name: typeof fn["name"] === "string" ? fn["name"] : "",
    args: typeof args === "string" ? args : isObject(args) ? JSON.stringify(args) : "",
  }
}

function isWhole(call: OpenCall): boolean {
  return call.raw.trim() !== "" && closeCall(call).args !== undefined
}
