// How a bridge speaks ACP v2, a draft: everybody who has a session open sees all of it.
import { randomUUID } from "node:crypto"
import type { SessionConfigOption as OptionV1 } from "@agentclientprotocol/sdk"
import type { AvailableCommand, SessionConfigOption, SessionUpdate } from "@agentclientprotocol/sdk/experimental/v2"
import { kindOf, locationsOf } from "../translate/kind.ts"
import { callOf, updatesV2 } from "../translate/updates-v2.ts"
import { promptCommands } from "./commands.ts"
import { optionsOf } from "./facts.ts"
import type { Bound, Room, Voice } from "./room.ts"
import { chosenOf, viewingOf } from "./voice.ts"

export function optionsV2(options: readonly OptionV1[]): SessionConfigOption[] {
  // Names differ between the versions, nothing else does.
  return options.map(({ id, ...rest }) => ({ configId: id, ...rest }) as SessionConfigOption)
}

export function commandsV2(session: Bound): AvailableCommand[] {
  return promptCommands(session).map(({ name, description, input }) => ({
    type: "command",
    name,
    description,
    ...(input ? { input: { type: "text", hint: input.hint } } : {}),
  }))
}

export function voiceV2(room: Room): Voice {
  const tell = (session: Bound, update: SessionUpdate) =>
    room.peer.notify("session/update", { sessionId: session.id, update })
  return {
    watchesAll: true,
    show(session, shown, { replay, mine }) {
      for (const update of updatesV2(shown, viewingOf(room, session, replay, mine))) tell(session, update)
    },
    say(session, text) {
      tell(session, { sessionUpdate: "agent_message", messageId: randomUUID(), content: [{ type: "text", text }] })
    },
    async facts(session, before, now) {
      const models = await room.models()
      const options = optionsOf(now, models)
      if (!before || JSON.stringify(optionsOf(before, models)) !== JSON.stringify(options))
        tell(session, { sessionUpdate: "config_option_update", configOptions: optionsV2(options) })
      if (now.updatedAt === null || (before?.title === now.title && before.updatedAt === now.updatedAt)) return
      const updatedAt = new Date(now.updatedAt).toISOString()
      tell(session, { sessionUpdate: "session_info_update", title: now.title, updatedAt })
    },
    commands(session) {
      tell(session, { sessionUpdate: "available_commands_update", availableCommands: commandsV2(session) })
    },
    async askLeave(session, approval, choices, signal) {
      tell(session, { sessionUpdate: "state_update", state: "requires_action" })
      const { args, callId, summary, tool, reason } = approval
      const locations = locationsOf(args)
      const view = { title: summary, kind: kindOf(tool), status: "pending" as const, rawInput: args, locations }
      const { sessionUpdate: _kind, ...toolCall } = callOf(
        callId === "" ? approval.id : callId,
        view,
        viewingOf(room, session, false, true),
      )
      const params = {
        sessionId: session.id,
        title: summary,
        description: reason,
        subject: { type: "tool_call", toolCall },
        options: choices,
        _meta: { approvalId: approval.id, tool },
      }
      try {
        return chosenOf(await room.peer.request("session/request_permission", params, { signal }))
      } finally {
        tell(session, { sessionUpdate: "state_update", state: "running" })
      }
    },
  }
}
