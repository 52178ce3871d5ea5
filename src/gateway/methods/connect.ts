// What the connection itself answers (sockets/): written down here for features.methods, the docs and the JSON Schema only.
import { z } from "zod"
import type { Scope } from "../../protocol/frame.ts"
import { withSchemas } from "./method.ts"

export interface ConnectionMethod {
  name: string
  aliases?: readonly string[]
  summary: string
  /** null: before authentication. */
  scope: Scope | null
  params: z.ZodType
  result: z.ZodType
}

const client = () =>
  z.looseObject({
    id: z.string(),
    version: z.string(),
    platform: z.string(),
    mode: z.string(),
    displayName: z.string().optional(),
    instanceId: z.string().optional(),
    deviceFamily: z.string().optional(),
  })

const resume = () =>
  z.looseObject({ bootId: z.string().optional(), connId: z.string(), lastSeq: z.number().int().min(0) })

export const connectionMethods: readonly ConnectionMethod[] = [
  withSchemas<ConnectionMethod>({
    name: "connect",
    summary: "Must be the first request of a connection: says who is calling and proves it.",
    scope: null,
    params: () =>
      z.looseObject({
        minProtocol: z.number().int(),
        maxProtocol: z.number().int(),
        client: client().optional().describe("Present in the claw dialect"),
        clientName: z.string().optional().describe("Present instead of client in the simple (py) dialect"),
        role: z.enum(["operator", "node"]).optional(),
        scopes: z.array(z.string()).optional(),
        caps: z.array(z.string()).optional(),
        auth: z.looseObject({ token: z.string().optional(), password: z.string().optional() }).optional(),
        device: z
          .looseObject({
            id: z.string(),
            publicKey: z.string(),
            signature: z.string(),
            signedAt: z.number(),
            nonce: z.string().optional(),
          })
          .optional(),
        resume: resume().optional(),
      }),
    result: () =>
      z.looseObject({
        type: z.literal("hello-ok"),
        protocol: z.number().int(),
        server: z.looseObject({ name: z.string(), version: z.string(), connId: z.string(), bootId: z.string() }),
        features: z.looseObject({
          methods: z.array(z.string()),
          events: z.array(z.string()),
          capabilities: z.array(z.string()),
        }),
        snapshot: z.looseObject({ presence: z.array(z.unknown()), health: z.unknown() }),
        auth: z.looseObject({ role: z.string(), scopes: z.array(z.string()), deviceToken: z.string().optional() }),
        policy: z.looseObject({ maxPayload: z.number(), maxBufferedBytes: z.number(), tickIntervalMs: z.number() }),
      }),
  }),
  withSchemas<ConnectionMethod>({
    name: "events.resume",
    summary:
      "After a reconnect: sends again the events that the earlier connection missed, with their original numbers.",
    scope: "operator.read",
    params: resume,
    result: () =>
      z.looseObject({ resumed: z.boolean(), seq: z.number().optional().describe("Events go on from this number") }),
  }),
]
