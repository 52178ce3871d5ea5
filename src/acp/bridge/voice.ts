// How a bridge speaks ACP v1: each fact as the update that v1 has for it.

import { randomUUID } from "node:crypto"
import type { SessionUpdate } from "@agentclientprotocol/sdk"
import { kindOf, locationsOf } from "../translate/kind.ts"
import { callFields, updatesOf, type Viewing } from "../translate/updates.ts"
import { promptCommands } from "./commands.ts"
import { modesOf, optionsOf, type SessionState } from "./facts.ts"
import { fieldsOf, textOf } from "./params.ts"
import type { Bound, Room, Voice } from "./room.ts"

/** How a session is shown, by its settings and what the client can do. */
export function viewingOf(room: Room, { state }: Bound, replay: boolean, mine: boolean): Viewing {
  const { client } = room
  return {
    replay,
    tools: state.verbose === "off" || state.verbose === "on" ? state.verbose : "full",
    thoughts: state.reasoning !== "off",
    usage: state.usage === "off" || state.usage === "tokens" ? state.usage : "full",
    notices: client.notices,
    terminals: client.agentTerminals,
    echo: replay || !mine,
  }
}

export function voiceV1(room: Room): Voice {
  const tell = (session: Bound, update: SessionUpdate) =>
    room.peer.notify("session/update", { sessionId: session.id, update })
  return {
    watchesAll: false,
    show(session, shown, { replay, mine }) {
      for (const update of updatesOf(shown, viewingOf(room, session, replay, mine))) tell(session, update)
    },
    say(session, text) {
      tell(session, { sessionUpdate: "agent_message_chunk", messageId: randomUUID(), content: { type: "text", text } })
    },
    facts(session, before, now) {
      return tellFacts(room, session, before, now, (update) => tell(session, update))
    },
    commands(session) {
      tell(session, { sessionUpdate: "available_commands_update", availableCommands: promptCommands(session) })
    },
    async askLeave(session, approval, choices, signal) {
      const { args, callId, summary, tool, reason, placement } = approval
      const locations = locationsOf(args)
      const fields = callFields(
        {
          title: summary,
          kind: kindOf(tool),
          status: "pending",
          rawInput: args,
          ...(locations.length > 0 ? { locations } : {}),
        },
        viewingOf(room, session, false, true),
      )
      const where = placement === undefined ? {} : { placement: placement.type }
      const params = {
        sessionId: session.id,
        toolCall: { toolCallId: callId === "" ? approval.id : callId, ...fields },
        options: choices,
        _meta: { approvalId: approval.id, reason, tool, ...where },
      }
      return chosenOf(await room.peer.request("session/request_permission", params, { signal }))
    },
  }
}

/** The option that was chosen; undefined when the client put it off. */
export function chosenOf(answer: unknown): string | undefined {
  const outcome = fieldsOf(fieldsOf(answer)["outcome"])
  return outcome["outcome"] === "selected" ? textOf(outcome["optionId"]) : undefined
}

async function tellFacts(
  room: Room,
  session: Bound,
  before: SessionState | undefined,
  now: SessionState,
  tell: (update: SessionUpdate) => void,
): Promise<void> {
  const mode = modesOf(now)?.currentModeId
  if (mode !== undefined && mode !== (before && modesOf(before)?.currentModeId))
    tell({ sessionUpdate: "current_mode_update", currentModeId: mode })
  const models = await room.models().catch((error: unknown) => {
    room.log.warn({ err: error }, "The models could not be listed")
    return []
  })
  const options = optionsOf(now, models)
  if (!before || JSON.stringify(optionsOf(before, models)) !== JSON.stringify(options))
    tell({ sessionUpdate: "config_option_update", configOptions: options })
  if (before?.title === now.title && before.updatedAt === now.updatedAt) return
  if (now.updatedAt === null) return
  tell({
    sessionUpdate: "session_info_update",
    title: now.title,
    updatedAt: new Date(now.updatedAt).toISOString(),
    _meta: { sessionKey: session.key },
  })
}
