// gateway.auth: how callers show who they are. One shared secret (token or password), nobody at all, or a proxy in front that has
// asked them already.
import { isIP } from "node:net"
import { z } from "zod"
import { secretRef } from "./secret-ref.ts"

/** "192.0.2.1", "2001:db8::1", or a network like "10.0.0.0/8". */
export function isAddressOrNetwork(text: string): boolean {
  const [address = "", bits, ...more] = text.split("/")
  const family = isIP(address)
  if (family === 0 || more.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}

const ms = z.number().int().min(0)
const headerName = z
  .string()
  .regex(/^[A-Za-z0-9-]+$/, "must be the name of a header: letters, digits and -")
  .transform((name) => name.toLowerCase())

const trustedProxy = z.strictObject({
  /** The header in which the proxy names the user. It must take this header out of what clients send. */
  userHeader: headerName,
  /** Further headers that must be there. */
  requiredHeaders: z.array(headerName).default([]),
  /** Users that may come in; empty: all whom the proxy lets through. */
  allowUsers: z.array(z.string().min(1)).default([]),
  /** Rights of those users. */
  scopes: z
    .array(z.enum(["operator.read", "operator.write", "operator.admin", "operator.approvals", "operator.pairing"]))
    .default(["operator.read", "operator.write", "operator.admin", "operator.approvals", "operator.pairing"]),
  /** The proxy runs on this machine. Any other program here could then name users, too. */
  allowLoopback: z.boolean().default(false),
})

export const auth = z
  .strictObject({
    /** "none" is accepted on loopback only, unless allowInsecure is set. */
    mode: z.enum(["token", "password", "none", "trusted-proxy"]).default("token"),
    /** Default: generated on first start into <home>/gateway.token (0600). */
    token: secretRef.optional(),
    /** The shared secret of mode "password". */
    password: secretRef.optional(),
    trustedProxy: trustedProxy.optional(),
    allowInsecure: z.boolean().default(false),
    /** Accepted clock difference of a device signature. */
    deviceSkewMs: ms.default(120_000),
    rateLimit: z
      .strictObject({
        maxAttempts: z.number().int().min(1).default(10),
        windowMs: ms.default(60_000),
        lockoutMs: ms.default(300_000),
      })
      .prefault({}),
  })
  .superRefine((value, context) => {
    if (value.mode === "trusted-proxy" && value.trustedProxy === undefined)
      context.addIssue({
        code: "custom",
        path: ["trustedProxy"],
        message: 'is needed with mode "trusted-proxy": at least { "userHeader": "x-forwarded-user" }',
      })
  })
