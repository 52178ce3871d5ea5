// The methods of ACP v1 that belong to sessions, each with what it does.
import { PincerError } from "../../base/errors.ts"
import { optionsOf, patchOf, patchOfMode, patchOfModel } from "./facts.ts"
import { listSessions } from "./listing.ts"
import { afterwards, openFork, openKnown, openNew } from "./opening.ts"
import { type Fields, requireText } from "./params.ts"
import { runPrompt, stopOwn } from "./prompting.ts"
import type { Bound, Room } from "./room.ts"
import type { BoundSessions } from "./sessions.ts"

export type Handler = (params: Fields, signal: AbortSignal) => Promise<unknown>

export function methodsV1(room: Room, sessions: BoundSessions): Record<string, Handler> {
  return {
    "session/new": (params) => openNew(room, sessions, params),
    "session/load": (params) => openKnown(room, sessions, params, true),
    "session/resume": (params) => openKnown(room, sessions, params, false),
    "session/fork": (params) => openFork(room, sessions, params),
    "session/list": (params) => listSessions(params, room.gateway),
    "session/close": (params) => close(sessions, params),
    "session/delete": (params) => remove(room, sessions, params),
    "session/prompt": (params, signal) => runPrompt(room, sessions.require(params["sessionId"]), params, signal),
    "session/set_mode": (params) => setMode(room, sessions, params),
    "session/set_model": (params) => setModel(room, sessions, params),
    "session/set_config_option": (params) => setOption(room, sessions, params),
  }
}

export async function close(sessions: BoundSessions, params: Fields): Promise<Fields> {
  const session = sessions.require(params["sessionId"])
  await stopOwn(session)
  sessions.forget(session)
  return {}
}

/** Deleting what is gone already is no error. */
export async function remove(room: Room, sessions: BoundSessions, params: Fields): Promise<Fields> {
  const id = requireText(params, "sessionId")
  const session = sessions.find(id)
  if (session) {
    await stopOwn(session)
    sessions.forget(session)
  }
  try {
    await room.gateway.request("sessions.delete", { key: session?.key ?? id })
  } catch (error) {
    if (!(error instanceof PincerError) || error.code !== "NOT_FOUND") throw error
  }
  return {}
}

async function change(room: Room, session: Bound, patch: Fields): Promise<void> {
  const before = session.state
  await session.patch(patch)
  afterwards(room, () => room.voice.facts(session, before, session.state))
}

async function setMode(room: Room, sessions: BoundSessions, params: Fields): Promise<Fields> {
  const session = sessions.require(params["sessionId"])
  const { modeId } = params
  // Older clients send an empty one to say nothing.
  if (modeId !== "") await change(room, session, patchOfMode(modeId, session.state))
  return {}
}

async function setModel(room: Room, sessions: BoundSessions, params: Fields): Promise<Fields> {
  const session = sessions.require(params["sessionId"])
  await change(room, session, patchOfModel(params["modelId"], session.state))
  return {}
}

export async function setOption(room: Room, sessions: BoundSessions, params: Fields): Promise<Fields> {
  const session = sessions.require(params["sessionId"])
  const patch = patchOf(requireText(params, "configId"), params["value"], session.state)
  await change(room, session, patch)
  return { configOptions: optionsOf(session.state, await room.models()) }
}
