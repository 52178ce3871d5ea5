// How a session comes to be bound: new, loaded with its history, taken up without it, or forked from another.

import { PincerError } from "../../base/errors.ts"
import { uuid } from "../../base/id.ts"
import { RPC, RpcFailure } from "../peer.ts"
import { modesOf, optionsOf } from "./facts.ts"
import { lend } from "./lending.ts"
import { directoriesOf, type Fields, fieldsOf, requireCwd, requireText, serversOf } from "./params.ts"
import type { Bound, Room, WorkPlace } from "./room.ts"
import { type BoundSessions, unknownSession } from "./sessions.ts"
import { targetOf } from "./target.ts"

function placeOf(params: Fields): WorkPlace {
  return { cwd: requireCwd(params), roots: directoriesOf(params["additionalDirectories"]) }
}

/** Runs after the answer that is being made was sent. */
export function afterwards(room: Room, then: () => void | Promise<void>): void {
  setImmediate(() => {
    Promise.resolve()
      .then(then)
      .catch((error: unknown) => room.log.warn({ err: error }, "Something was not told after an answer"))
  })
}

export async function openNew(room: Room, sessions: BoundSessions, params: Fields): Promise<Fields> {
  sessions.checkRate()
  const place = placeOf(params)
  const servers = serversOf(params["mcpServers"])
  const target = await targetOf(params, undefined, room.settings, room.gateway)
  if (target.reset) await emptied(room, target.key)
  const session = sessions.bind(target.key, target.key, place)
  const problems = await settled(room, sessions, session, servers, () => watch(room, session))
  const facts = await factsOf(room, session)
  tellAfterwards(room, session, problems)
  return { sessionId: session.id, ...facts }
}

export async function openKnown(room: Room, sessions: BoundSessions, params: Fields, replay: boolean): Promise<Fields> {
  sessions.checkRate()
  const id = requireText(params, "sessionId")
  const place = placeOf(params)
  const servers = serversOf(params["mcpServers"])
  const target = await targetOf(params, id, room.settings, room.gateway)
  const key = await knownKey(room, sessions, id, target.key)
  if (target.reset) await emptied(room, key)
  const session = sessions.bind(id, key, place)
  const problems = await settled(room, sessions, session, servers, async () => {
    await session.readState()
    if (!replay) {
      await watch(room, session)
      return
    }
    await room.makeEar(session)
    await session.replay()
  })
  const facts = await factsOf(room, session)
  if (!replay) tellAfterwards(room, session, problems)
  else {
    room.voice.commands(session)
    for (const text of problems) room.voice.say(session, text)
    await room.voice.facts(session, undefined, session.state)
  }
  return facts
}

/** The gateway's key of a session that the client names. Throws -32002. */
async function knownKey(room: Room, sessions: BoundSessions, id: string, key: string): Promise<string> {
  try {
    const found = fieldsOf(await room.gateway.request("sessions.resolve", { key }))
    return String(found["key"])
  } catch (error) {
    const unknown = error instanceof PincerError && (error.code === "NOT_FOUND" || error.code === "INVALID_PARAMS")
    if (!unknown) throw error
    // Made by this client, and nothing was said in it yet.
    const bound = sessions.find(id)
    if (bound && bound.key === key) return key
    throw unknownSession(id)
  }
}

async function emptied(room: Room, key: string): Promise<void> {
  try {
    await room.gateway.request("sessions.reset", { key })
  } catch (error) {
    // There is nothing to forget yet.
    if (!(error instanceof PincerError) || error.code !== "NOT_FOUND") throw error
  }
}

/** Who sees the turns of others hears of them from the beginning. */
async function watch(room: Room, session: Bound): Promise<void> {
  if (!room.voice.watchesAll) return
  await room.makeEar(session)
  await session.listen()
}

/** Lends and listens; a session that could not be opened is not bound. Returns the problems of its MCP servers. */
async function settled(
  room: Room,
  sessions: BoundSessions,
  session: Bound,
  servers: ReturnType<typeof serversOf>,
  listen: () => Promise<void>,
): Promise<string[]> {
  try {
    const problems = await lend(room, session, { servers })
    session.servers = servers
    await listen()
    return problems
  } catch (error) {
    if (session.prompts.size === 0) sessions.forget(session)
    throw error
  }
}

async function factsOf(room: Room, session: Bound): Promise<Fields> {
  await Promise.all([session.readState(), session.readOffered()])
  const modes = modesOf(session.state)
  return { ...(modes ? { modes } : {}), configOptions: optionsOf(session.state, await room.models()) }
}

function tellAfterwards(room: Room, session: Bound, problems: readonly string[]): void {
  afterwards(room, () => {
    room.voice.commands(session)
    for (const text of problems) room.voice.say(session, text)
    return room.voice.facts(session, { ...session.state, title: null, updatedAt: null }, session.state)
  })
}

export async function openFork(room: Room, sessions: BoundSessions, params: Fields): Promise<Fields> {
  sessions.checkRate()
  const id = requireText(params, "sessionId")
  const place = placeOf(params)
  const servers = serversOf(params["mcpServers"])
  const from = await knownKey(room, sessions, id, sessions.find(id)?.key ?? id)
  const forked = fieldsOf(
    await room.gateway.request("sessions.fork", { key: from, newKey: `acp:${uuid()}`, cwd: place.cwd }),
  )
  const { key } = forked
  if (typeof key !== "string") throw new RpcFailure(RPC.internal, "The gateway did not say what the fork is called")
  const session = sessions.bind(key, key, place)
  const problems = await settled(room, sessions, session, servers, () => watch(room, session))
  const facts = await factsOf(room, session)
  tellAfterwards(room, session, problems)
  return { sessionId: session.id, ...facts }
}
