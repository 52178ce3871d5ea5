// Whether a human who may answer can be reached in a turn. Nobody stands behind what the clock started, whoever happens to be
// connected: it is judged as when nobody is there, the same by day and by night.
import type { TurnRequest } from "../protocol/turn.ts"
import type { Ports } from "./ports.ts"

export function canReachHuman(
  { canAsk }: Pick<Ports, "canAsk">,
  { origin, sessionKey }: Pick<TurnRequest, "origin" | "sessionKey">,
): boolean {
  return origin.door !== "schedule" && canAsk(sessionKey)
}
