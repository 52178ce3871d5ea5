// The methods of ACP v2, a draft: a prompt is answered when it is accepted, its end is a state; history is replayed by resume.

import type { SessionConfigOption } from "@agentclientprotocol/sdk"
import { PincerError } from "../../base/errors.ts"
import { commandIn, runCommand } from "./commands.ts"
import { listSessions } from "./listing.ts"
import type { Handler } from "./methods.ts"
import { close, remove, setOption } from "./methods.ts"
import { openKnown, openNew } from "./opening.ts"
import { OwnPrompt } from "./own-prompt.ts"
import { type Fields, fieldsOf, invalid } from "./params.ts"
import { saidOf, stopOwn } from "./prompting.ts"
import type { Bound, Room } from "./room.ts"
import type { BoundSessions } from "./sessions.ts"
import { commandsV2, optionsV2 } from "./voice-v2.ts"

export function methodsV2(room: Room, sessions: BoundSessions): Record<string, Handler> {
  return {
    "session/new": async (params) => {
      const made = await openNew(room, sessions, withoutSse(params))
      return { sessionId: made["sessionId"], ...factsV2(sessions.require(made["sessionId"]), made) }
    },
    "session/resume": async (params) => {
      const replay = fieldsOf(params["replayFrom"])["type"]
      if (replay !== undefined && replay !== "start")
        throw invalid(`replayFrom cannot be of type ${JSON.stringify(replay)}: leave it out, or use start`)
      const found = await openKnown(room, sessions, withoutSse(params), replay === "start")
      return factsV2(sessions.require(params["sessionId"]), found)
    },
    "session/list": (params) => listSessions(params, room.gateway),
    "session/close": (params) => close(sessions, params),
    "session/delete": (params) => remove(room, sessions, params),
    "session/prompt": (params) => prompt(room, sessions.require(params["sessionId"]), params),
    "session/set_config_option": async (params) => {
      const { configOptions } = await setOption(room, sessions, params)
      return { configOptions: optionsV2(configOptions as SessionConfigOption[]) }
    },
  }
}

function withoutSse(params: Fields): Fields {
  const { mcpServers } = params
  if (Array.isArray(mcpServers) && mcpServers.some((one) => fieldsOf(one)["type"] === "sse"))
    throw invalid("mcpServers of type sse are gone in version 2: use http or stdio")
  return params
}

function factsV2(session: Bound, { configOptions }: Fields): Fields {
  return { configOptions: optionsV2(configOptions as SessionConfigOption[]), availableCommands: commandsV2(session) }
}

async function prompt(room: Room, session: Bound, params: Fields): Promise<Fields> {
  const { params: said, parts } = saidOf(room, session, params)
  const only = parts.length === 1 ? parts[0] : undefined
  const slash = only?.type === "text" ? commandIn(only.text, session) : undefined
  const own = new OwnPrompt(room, session)
  if (slash) {
    await runCommand(room, session, slash)
    return { messageId: own.turnId }
  }
  await stopOwn(session)
  session.prompts.set(own.turnId, own)
  await room.makeEar(session)
  await session.listen()
  void own.run(said)
  const refused = await own.accepted
  if (refused instanceof Error) throw refused
  if (refused === "canceled") throw new PincerError("ABORTED", "The prompt was canceled before it began")
  return { messageId: own.turnId }
}
