// Who was let in before the upgrade (/ws and /acp), and how such a connection ends with the rights of its device.
import { PincerError } from "../../base/errors.ts"
import type { Identity } from "../auth.ts"
import { type DeviceMember, memberName, setScopes } from "../devices/device-members.ts"
import type { Caller } from "../methods/method.ts"
import type { Parts } from "../parts.ts"

export interface RpcGuest {
  scopes: Caller["scopes"]
  deviceId?: string
  /** Of the device's rights that were looked at (device-members.ts). */
  epoch?: number
  user?: string
  /** When it is not this machine. */
  address?: string
}

/** As doors keep it. */
export function guestOf({ address, epoch, scopes, subject, user }: Identity): RpcGuest {
  return {
    scopes,
    ...(subject === "owner" ? {} : { deviceId: subject }),
    ...(epoch === undefined ? {} : { epoch }),
    ...(user === undefined ? {} : { user }),
    ...(address === undefined ? {} : { address }),
  }
}

/** Takes a connection in among those of its device; the returned function takes it out. Rights that changed meanwhile drop it. */
export function joinDevice(
  guest: RpcGuest,
  caller: Caller,
  { devices }: Pick<Parts, "devices">,
  drop: (code: number, reason: string) => void,
): () => void {
  const name = memberName(guest)
  if (name === undefined) return () => undefined
  const member = memberOf(name, caller, (reason) => drop(4001, reason))
  try {
    return devices.members.join(member, guest.epoch ?? 0)
  } catch (error) {
    if (!(error instanceof PincerError)) throw error
    setScopes(caller, [])
    drop(4001, "device rights changed")
    return () => undefined
  }
}

/** A caller's connection as one of its device's. */
export function memberOf(deviceId: string, caller: Caller, close: (reason: string) => void): DeviceMember {
  return {
    deviceId,
    role: caller.role,
    connId: caller.connId,
    get scopes() {
      return caller.scopes
    },
    setScopes: (scopes) => setScopes(caller, scopes),
    close,
  }
}
