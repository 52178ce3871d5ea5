// Whether a caller is somewhere else: what limits and bans count by.
import type { IncomingMessage } from "node:http"
import { isLoopbackAddress } from "./auth.ts"

/** `address` of a caller that is not a program on this machine. */
export function foreignAddress({ socket }: Pick<IncomingMessage, "socket">): { address?: string } {
  const { remoteAddress } = socket
  return remoteAddress === undefined || isLoopbackAddress(remoteAddress) ? {} : { address: remoteAddress }
}
