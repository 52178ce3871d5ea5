// The doors, and what is told at them without being asked for.
import { elevatedRow } from "../approvals/approval-rows.ts"
import { type Auth, openAuth } from "../auth.ts"
import { methodTable } from "../dispatch.ts"
import { methods } from "../methods/index.ts"
import type { Parts } from "../parts.ts"
import { announceChanges } from "../sessions/session-changes.ts"
import { AcpDoor } from "../sockets/acp.ts"
import { ControlDoor } from "../sockets/control.ts"
import { RpcDoor } from "../sockets/rpc.ts"
import type { Ground } from "./ground.ts"
import type { Hands } from "./hands.ts"
import type { Work } from "./work.ts"

export interface Doors {
  auth: Auth
  table: ReturnType<typeof methodTable>
  control: ControlDoor
  rpc: RpcDoor
  acp: AcpDoor
  /** Tells whoever is connected, editors too. The payload is JSON. */
  tellAll(event: string, payload: string): void
}

export function openDoors(parts: Parts, ground: Ground, hands: Hands, work: Work): Doors {
  const auth = openAuth(parts)
  const table = methodTable(methods)
  const control = new ControlDoor(parts, auth, table)
  const rpc = new RpcDoor(parts, table)
  const acp = new AcpDoor(parts, table, parts.version)
  hands.desk.canAsk = () => control.canAsk() || acp.canAsk()
  const doors = { auth, table, control, rpc, acp }
  const told = tellers(doors)
  tellNews({ parts, ground, hands, work, control, ...told })
  return { ...doors, tellAll: told.tellAll }
}

interface Tellers {
  /** Whoever follows the gateway. */
  tellMany(event: string, payload: string): void
  tellAll: Doors["tellAll"]
  /** Those whose rights reach so far. */
  tellEntitled(event: string, payload: unknown): void
}

function tellers({ acp, control, rpc }: Pick<Doors, "acp" | "control" | "rpc">): Tellers {
  const tellMany = (event: string, payload: string) => {
    control.broadcastText(event, payload)
    rpc.announce(event, payload)
  }
  return {
    tellMany,
    tellAll(event, payload) {
      tellMany(event, payload)
      acp.broadcastText(event, payload)
    },
    tellEntitled(event, payload) {
      const text = JSON.stringify(payload)
      control.announce(event, text)
      rpc.announce(event, text)
    },
  }
}

interface News extends Tellers {
  parts: Parts
  ground: Ground
  hands: Hands
  work: Work
  control: ControlDoor
}

function tellNews({ parts, ground, hands, work, control, tellAll, tellEntitled, tellMany }: News): void {
  const { live, redactor, undo } = ground
  const { devices } = parts
  const { elevations, servers } = hands
  const { schedules, updates } = work
  const proxies = ["gateway.auth.trustedProxy", "gateway.trustedProxies"]
  undo.add(live.take({ prefixes: proxies, apply: () => devices.members.closeUsers("access changed") }))
  devices.onEvent = tellEntitled
  elevations.onChanged = (sessionKey, elevation) =>
    control.broadcast("elevated.changed", elevatedRow(sessionKey, elevation))
  undo.add(announceChanges(parts, (payload) => tellAll("session.changed", payload)))
  updates.onChanged = (run) => tellEntitled("update.run.changed", redactor.value(run))
  updates.onSettled = async (run) => (await import("../update/telling.ts")).tellUpdate(run, parts)
  schedules.onNews = (payload) => tellMany("cron", payload)
  schedules.onHeartbeat = (payload) => tellMany("heartbeat", payload)
  servers.onChanged = (server) => tellAll("mcp.changed", JSON.stringify(server === undefined ? {} : { server }))
}
