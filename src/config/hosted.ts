// agents.entries.<id>.acp: how an external agent that runs an agent's turns is found, started and kept. Which agents are known is
// not known here; whoever builds the agents from it says so when a name is wrong.
import { z } from "zod"
import { secretRef } from "./secret-ref.ts"

const words = z.record(
  z.string().regex(/^[^=\0\s][^=\0]*$/, { error: "must be a name without =" }),
  z.union([z.string(), secretRef], { error: 'must be text or where to read it, such as {"env": "NAME"}' }),
)

const mcpServer = z.discriminatedUnion(
  "type",
  [
    z.strictObject({
      type: z.literal("stdio"),
      name: z.string().min(1),
      command: z.string().min(1),
      args: z.array(z.string()).default([]),
      env: words.default({}),
    }),
    z.strictObject({
      type: z.enum(["http", "sse"]),
      name: z.string().min(1),
      url: z.url({ protocol: /^https?$/, error: "must be a URL that begins with http:// or https://" }),
      headers: words.default({}),
    }),
  ],
  { error: 'must be an MCP server: an object whose "type" is "stdio", "http" or "sse"' },
)

/** Every key may be left out: the id of the entry then names a known agent. */
export const hosted = z.strictObject({
  /** false: the agent of this id is one of ours, even if its id names a known agent. */
  enabled: z.boolean().default(true),
  /** A name in the table of known agents ("pincer agents list --all"); default: the entry's own id. */
  agent: z.string().min(1).optional(),
  /** Program and arguments, started as they are, without a shell. */
  command: z.array(z.string()).min(1).optional(),
  /** Added to the small clean environment that it gets. */
  env: words.default({}),
  /** The version of the protocol that is asked for first. */
  protocol: z.union([z.literal(1), z.literal(2)], { error: "must be 1 or 2" }).default(1),
  /** Its own process runs in the sandbox, too, and not only the commands that it asks us to run. */
  confined: z.boolean().default(false),
  /** It is ended after so long without a turn; 0: never. */
  idleMs: z.number().int().min(0).default(300_000),
  /** Secrets by the id of the agent's method of logging in. */
  credentials: z.record(z.string().min(1), secretRef).default({}),
  /** Handed to it with every session. */
  mcpServers: z.array(mcpServer).max(100).default([]),
})
export type Hosted = z.infer<typeof hosted>
