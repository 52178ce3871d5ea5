// What a tool of ours gets to work with for one call: where it may start programs, whom it tells what while it runs, what is lent to it.
import { PincerError } from "../base/errors.ts"
import type { Placement } from "../protocol/decision.ts"
import type { ToolCallPart } from "../protocol/message.ts"
import type { UserAnswer, UserQuestion } from "../protocol/question.ts"
import type { Editor } from "../tools/editor.ts"
import type { CallingTurn, Confined, Program, ToolContext } from "../tools/tool.ts"
import { untilStopped } from "./hosted-hold.ts"
import { keptView } from "./kept-view.ts"
import { type CallRoom, type Judged, type SceneRoom, wantingOf } from "./scene.ts"
import { taintOf } from "./taint.ts"

const PROGRESS_MS = 200

/** `remarks` gets what the tool wants said beside its result. */
export function contextFor(
  room: CallRoom,
  { decision, tool, touch }: Judged,
  { callId }: ToolCallPart,
  signal: AbortSignal,
  remarks: string[],
): ToolContext {
  const { cwd, notes, ports, scope } = room
  const { clock, redactor } = ports
  const editor = editorFor(room, decision.placement)
  let shownAt = 0
  return {
    cwd,
    judged: touch,
    notes,
    signal,
    clock,
    launch: (program) => launchAt(room, { callId, tool: tool.name, placement: decision.placement }, program),
    progress(output) {
      const now = clock.now()
      if (now - shownAt < PROGRESS_MS) return
      shownAt = now
      scope.live({ type: "tool.updated", callId, name: tool.name, output: redactor.text(output) })
    },
    show: (view) => scope.record([{ type: "tool.changed", callId, view: keptView(view, redactor, () => undefined) }]),
    remark: (text) => void remarks.push(text),
    settings: ports.toolSettings,
    ...(room.ask ? { ask: (question, until) => askWhile(room, question, AbortSignal.any([signal, until])) } : {}),
    ...(editor ? { editor } : {}),
    turn: turnOf(room),
  }
}

/** A question that its asker withdraws is canceled; it stays open at the desk until its turn ends. */
async function askWhile({ ask }: CallRoom, question: UserQuestion, signal: AbortSignal): Promise<UserAnswer> {
  return (ask && (await untilStopped(ask(question), signal))) ?? { type: "canceled" }
}

/** A terminal of the user's is outside of every sandbox: it is there only for calls that may run there. */
function editorFor({ lent }: CallRoom, placement: Placement): Editor | undefined {
  if (!lent?.editor || placement.type === "host") return lent?.editor
  const { openTerminal: _kept, ...files } = lent.editor
  return files
}

function turnOf(room: CallRoom): CallingTurn {
  const { agentId, origin, permissions } = room.request
  const { model, provider } = wantingOf(room)
  const { sessionKey, turnId } = room.scope.fence
  const taint = taintOf(room.messages)
  return { turnId, sessionKey, agentId, origin, ...(permissions ? { permissions } : {}), taint, provider, model }
}

/** Where policy placed the call, and nowhere else. */
export async function launchAt(
  { cwd, ports, request, scope }: SceneRoom,
  { callId, placement, tool }: { callId: string; tool: string; placement: Placement },
  program: Program,
): Promise<Confined> {
  if (placement.type === "host") return { ...program, close: async () => undefined }
  if (placement.type !== "sandbox")
    throw new PincerError("PERMISSION_DENIED", `${tool} was not given a place to start programs in`)
  const { turnId, sessionKey } = scope.fence
  const { agentId } = request
  const where = { agentId, sessionKey, turnId, callId, tool, profile: placement.profile }
  return ports.rights.confine({ ...where, workspace: cwd }, program)
}
