// Files that we read and write for an external agent: judged, journalled and audited like our own Read and Write, done by their code,
// or in the editor that the turn's client lends. What is read goes to the agent as it is: it writes files back whole, and a file with
// its secrets taken out would be a broken file.
import { asPincerError, PincerError } from "../base/errors.ts"
import { isInside } from "../policy/decide.ts"
import type { CallFacts } from "../policy/scene.ts"
import { readText } from "../tools/files.ts"
import { movedAway, resolvePath, shownPath } from "../tools/paths.ts"
import { write } from "../tools/write.ts"
import { auditCall, type HostedLeaves, type HostedWish } from "./hosted-leave.ts"
import type { HostedRoom } from "./hosted-room.ts"
import type { OwnDeeds } from "./hosted-watch.ts"
import type { Lent } from "./lent.ts"
import type { Judgement } from "./scene.ts"

/** How one deed ended, as the journal keeps it. */
type Deed = { done: true; chars: number } | { done: false; code: PincerError["code"]; message: string }

export class HostedHands {
  readonly #room: HostedRoom
  readonly #leaves: HostedLeaves
  readonly #deeds: OwnDeeds
  #count = 0

  constructor(room: HostedRoom, leaves: HostedLeaves, deeds: OwnDeeds) {
    this.#room = room
    this.#leaves = leaves
    this.#deeds = deeds
  }

  async readText(path: string, { limit, line = 1 }: { line?: number; limit?: number }): Promise<string> {
    const wish = this.#wish("Read", path, { path })
    let text = ""
    await this.#do(wish, "read", async (verdict, signal) => {
      const target = await this.#target(path, verdict.facts.reads)
      const editor = await this.#editor(target)
      text = editor?.readText
        ? await editor.readText(target, signal)
        : await readText(target, shownPath(target, this.#room.cwd))
      return text.length
    })
    if (line <= 1 && limit === undefined) return text
    const from = Math.max(0, line - 1)
    return text
      .split("\n")
      .slice(from, limit === undefined ? undefined : from + limit)
      .join("\n")
  }

  async writeText(path: string, text: string): Promise<void> {
    const wish = this.#wish("Write", path, { path, content: text })
    await this.#do(wish, "idempotent", async (verdict, signal) => {
      const target = await this.#target(path, verdict.facts.writes)
      const editor = await this.#editor(target)
      if (editor?.writeText) await editor.writeText(target, text, signal)
      else await this.#write(path, text, verdict, signal)
      return text.length
    })
  }

  async #write(path: string, content: string, { facts }: Judgement, signal: AbortSignal): Promise<void> {
    const { cwd, ports } = this.#room
    await write.run(
      { path, content },
      {
        cwd,
        judged: { reads: [], writes: [...facts.writes], hosts: [] },
        notes: new Map(),
        signal,
        clock: ports.clock,
        launch: () => Promise.reject(new PincerError("PERMISSION_DENIED", "Writing a file starts no programs")),
        progress: () => undefined,
        settings: ports.toolSettings,
      },
    )
  }

  #wish(tool: "Read" | "Write", path: string, args: Record<string, unknown>): HostedWish {
    this.#count += 1
    const facts = async (): Promise<CallFacts> => {
      const target = await resolvePath(path, this.#room.cwd)
      const base = { tool, aliases: [], from: "acp", args, hosts: [] } as const
      return tool === "Read"
        ? { ...base, class: "read", reads: [target], writes: [] }
        : { ...base, class: "write", reads: [], writes: [target] }
    }
    return { callId: `fs-${this.#count}`, facts, title: path, by: {} }
  }

  /** Where the path leads now; nowhere else than when it was judged. */
  async #target(path: string, judged: readonly string[]): Promise<string> {
    const target = await resolvePath(path, this.#room.cwd)
    if (!judged.includes(target)) throw movedAway(shownPath(target, this.#room.cwd))
    return target
  }

  async #editor(target: string): Promise<Lent["editor"]> {
    const { ports, request } = this.#room
    const lent = await ports.lent?.(request)
    return lent?.editor?.roots.some((root) => isInside(target, root)) ? lent.editor : undefined
  }

  /** One judged step. Throws what a peer may be told. */
  async #do(
    wish: HostedWish,
    effect: "read" | "idempotent",
    act: (verdict: Judgement, signal: AbortSignal) => Promise<number>,
  ): Promise<void> {
    const verdict = await permitted(this.#leaves, wish)
    const { ports, scope, signal } = this.#room
    const startedAt = ports.clock.now()
    const key = `hosted:${scope.fence.epoch}:${wish.callId}`
    const outcome = await scope.step<Deed>(key, effect, { before: [], after: () => [] }, async () => {
      try {
        signal.throwIfAborted()
        return { done: true, chars: await act(verdict, signal) }
      } catch (error) {
        if (signal.aborted) return { done: false, code: "ABORTED", message: "The turn was stopped" }
        const { code, message } = asPincerError(error)
        if (!(error instanceof PincerError)) ports.log.error({ err: error }, "A file of an external agent failed")
        return { done: false, code, message }
      }
    })
    const deed = outcome.type === "done" ? outcome.value : undefined
    const durationMs = ports.clock.now() - startedAt
    await auditCall(this.#room, wish, verdict, { type: "effect", outcome: deed?.done ? "done" : "failed", durationMs })
    if (deed && !deed.done) throw new PincerError(deed.code, deed.message)
    for (const path of [...verdict.facts.reads, ...verdict.facts.writes]) this.#deeds.paths.add(path)
  }
}

/** The verdict under which it may be done. Throws PERMISSION_DENIED, ABORTED once the turn is over, and what is wrong with a path. */
export async function permitted(leaves: HostedLeaves, wish: HostedWish): Promise<Judgement> {
  const permission = await leaves.permit(wish)
  if (permission.type === "allowed") return permission.verdict
  if (permission.type === "canceled") throw new PincerError("ABORTED", "The turn was stopped before anybody answered")
  throw new PincerError("PERMISSION_DENIED", permission.reason)
}
