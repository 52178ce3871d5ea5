// MCP servers that the owner names: how each is reached, what of it is offered to whom, how it is confined and what it may ask for.
import { z } from "zod"
import { sandboxProfileName } from "./sandbox.ts"
import { secretRef } from "./secret-ref.ts"

const path = z.string().regex(/^(?:\/|~\/|[A-Za-z]:[\\/])/, 'must be an absolute path, or begin with "~/"')
const httpUrl = z.url({ protocol: /^https?$/, error: "must be a URL that begins with http:// or https://" })
const ms = z.number().int()
const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be the name of an environment variable")
const header = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "must be the name of an HTTP header")

/** A part of tool names that every model service takes, so it never has runs of "_". */
export const MCP_SERVER_NAME = /^[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*$/
export const MAX_MCP_SERVER_NAME = 24

const mcpOauth = z.strictObject({
  /** Of Pincer at the server's sign-in service. Default: Pincer registers itself. */
  clientId: z.string().min(1).max(2_000).optional(),
  clientSecret: secretRef.optional(),
  /** What is asked for. Default: what the server says. */
  scope: z.string().min(1).max(2_000).optional(),
  /** Where this machine waits for the browser, as it was registered: http://127.0.0.1:<port>/callback. Default: any free port. */
  redirectPort: z.number().int().min(1).max(65_535).optional(),
})

export const mcpServer = z
  .strictObject({
    /** Default: "stdio" with a command, "http" with a url. */
    type: z.enum(["stdio", "http", "sse"]).optional(),
    /** A program that speaks on its standard input and output. */
    command: z.string().min(1).optional(),
    args: z.array(z.string()).default([]),
    env: z.record(variable, secretRef).default({}),
    /** Where it starts, and the folder that it is told about. Default: the folder that the calling turn works in; one program for each. */
    cwd: path.optional(),
    url: httpUrl.optional(),
    headers: z.record(header, secretRef).default({}),
    /** How people sign in at an address (pincer mcp login); false: nobody does. */
    oauth: z.union([z.literal(false), mcpOauth]).optional(),
    enabled: z.boolean().default(true),
    /** By the server's own names, "*" stands for any run of characters. An empty `allow` allows all; `deny` comes first. */
    tools: z
      .strictObject({ allow: z.array(z.string().min(1)).default([]), deny: z.array(z.string().min(1)).default([]) })
      .prefault({}),
    /** Agents that have it; absent: all. */
    agents: z.array(z.string().min(1)).optional(),
    /** What it says does not count as text from outside: only for servers whose every answer is yours. */
    trusted: z.boolean().default(false),
    /** "auto": confined with the web where this machine has a sandbox; a profile: confined so, or not started; "off": never. */
    sandbox: z.union([z.enum(["auto", "off"]), sandboxProfileName]).default("auto"),
    /** Absolute paths that a confined program sees besides its folder, and those that it may change. */
    read: z.array(path).default([]),
    write: z.array(path).default([]),
    /** Whether it may ask for an answer of the model, which costs: never, after a human said yes, or always. */
    sampling: z.enum(["deny", "ask", "allow"]).default("deny"),
    samplingMaxTokens: z.number().int().min(1).max(100_000).default(2_000),
    /** Whether its questions are put to a human. */
    elicitation: z.boolean().default(true),
    /** Whether it is told its folder. */
    roots: z.boolean().default(true),
    /** Whether models may list and read its resources. */
    resources: z.boolean().default(true),
    connectTimeoutMs: ms.min(100).max(600_000).default(30_000),
    /** How long a call may be silent, and how long it may take in all. */
    callTimeoutMs: ms.min(100).max(86_400_000).default(300_000),
    callTotalMs: ms.min(100).max(86_400_000).default(1_800_000),
    /** It is ended when nobody used it for so long; 0: never. */
    idleMs: ms.min(0).max(86_400_000).default(600_000),
  })
  .superRefine((server, refusal) => {
    const { command, oauth, type, url } = server
    const refuse = (path: string, message: string) => refusal.addIssue({ code: "custom", path: [path], message })
    if (command === undefined && url === undefined)
      refuse("command", 'is missing: give a "command", or the "url" of a server')
    if (command !== undefined && url !== undefined) refuse("url", 'stands beside "command": give one of the two')
    if (oauth !== undefined && url === undefined) refuse("oauth", 'is for servers with a "url"')
    if (oauth && oauth.clientSecret !== undefined && oauth.clientId === undefined)
      refuse("oauth", 'has a "clientSecret" and no "clientId"')
    if (type === "stdio" && url !== undefined) refuse("type", 'is "stdio", which needs a "command" and no "url"')
    if (type !== undefined && type !== "stdio" && command !== undefined)
      refuse("type", `is "${type}", which needs a "url" and no "command"`)
  })

export const mcpServers = z
  .record(
    z
      .string()
      .max(MAX_MCP_SERVER_NAME)
      .regex(MCP_SERVER_NAME, 'must be a name of letters and digits with single "-" or "_" between them'),
    mcpServer,
  )
  .superRefine((servers, refusal) => {
    const seen = new Map<string, string>()
    for (const name of Object.keys(servers)) {
      const other = seen.get(name.toLowerCase())
      if (other !== undefined)
        refusal.addIssue({ code: "custom", path: [name], message: `is the same name as "${other}" but for capitals` })
      seen.set(name.toLowerCase(), name)
    }
  })
  .default({})

/** What Pincer offers to MCP clients (`pincer mcp serve`, and /mcp of the gateway). */
export const mcpServe = z.strictObject({
  enabled: z.boolean().default(true),
  /** Tools of the house that clients may call besides conversations; names, groups and patterns as in policies. */
  tools: z.array(z.string().min(1)).default([]),
})

export type McpServerSettings = z.infer<typeof mcpServer>
export type McpServeSettings = z.infer<typeof mcpServe>
