// Who may take up what an earlier connection had: the same client, with no fewer rights than it had then.
import { grants, type Scope } from "../../protocol/frame.ts"

/** What the gateway has established of a client. */
export interface ClientRights {
  deviceId?: string
  role: "operator" | "node"
  scopes: readonly string[]
}

/** The same device, or both without one and so with the owner's token; and no right that the heir lacks. */
export function mayTake(heir: ClientRights, earlier: ClientRights): boolean {
  return (
    heir.deviceId === earlier.deviceId &&
    heir.role === earlier.role &&
    earlier.scopes.every((scope) => grants(heir.scopes, scope as Scope))
  )
}
