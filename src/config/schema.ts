// What pincer.json may say. Every key has a default, so an absent file is a valid configuration. Unknown keys are errors.
// Durations carry their unit in the name. Precedence: flag > environment > file (config/load.ts).
import { z } from "zod"
import { auth, isAddressOrNetwork } from "./auth.ts"
import { autonomy, heartbeat, ownHeartbeat } from "./autonomy.ts"
import { cron } from "./cron.ts"
import { discovery } from "./discovery.ts"
import { elevated, elevatedLimits } from "./elevated.ts"
import { hosted } from "./hosted.ts"
import { localModels } from "./local-models.ts"
import { backup, log, update } from "./maintenance.ts"
import { mcpServe, mcpServers } from "./mcp.ts"
import { permissions, policy } from "./policy.ts"
import { rateLimits } from "./rate-limits.ts"
import { sandbox, sandboxProfileName } from "./sandbox.ts"
import { type SecretRef, secretRef } from "./secret-ref.ts"

export { type SecretRef, secretRef }

const port = z.number().int().min(0).max(65535)
const httpUrl = z.url({ protocol: /^https?$/, error: "must be a URL that begins with http:// or https://" })
const ms = z.number().int().min(0)
const gatewayUrl = z.url({ protocol: /^(wss?|https?)$/, error: "must be a URL that begins with ws:// or wss://" })
const listener = z.strictObject({ host: z.string().min(1), port })

const gateway = z.strictObject({
  host: z.string().min(1).default("127.0.0.1"),
  port: port.default(18789),
  /** More addresses; every route is on each. */
  listeners: z.array(listener).default([]),
  auth: auth.prefault({}),
  /** Addresses and networks of proxies whose word about a client's address counts; in mode "trusted-proxy" also about its user. */
  trustedProxies: z
    .array(z.string().refine(isAddressOrNetwork, "must be an address like 10.0.0.5 or a network like 10.0.0.0/8"))
    .default([]),
  /** Under which address other machines reach this gateway: for pairing codes. */
  publicUrl: gatewayUrl.optional(),
  /** The gateway that commands of this home talk to instead of its own; see docs/cli.md. Starting and stopping stay with the own one. */
  remote: z
    .strictObject({
      url: gatewayUrl.optional(),
      token: secretRef.optional(),
      /** The same as the token by another name; set one of them. */
      password: secretRef.optional(),
    })
    .prefault({}),
  /** Browser origins that may connect besides the gateway's own pages. */
  allowedOrigins: z.array(z.string()).default([]),
  /** Host header names accepted besides loopback names and the configured hosts. */
  allowedHosts: z.array(z.string()).default([]),
  /** How long running turns may go on after SIGTERM. */
  drainMs: ms.default(5_000),
  /** Refuse unknown keys, client ids and modes, as the original gateway does. */
  strict: z.boolean().default(false),
  /** Connections that have not authenticated yet, at most; and all connections. */
  maxPending: z.number().int().min(1).default(256),
  maxConnections: z.number().int().min(1).default(10_000),
  tickIntervalMs: ms.default(30_000),
  rateLimits: rateLimits.prefault({}),
})

const limits = z.strictObject({
  maxModelCalls: z.number().int().min(1).default(50),
  maxTimeMs: ms.default(30 * 60_000),
  maxTokens: z.number().int().min(1).nullable().default(null),
  maxCostUsd: z.number().min(0).nullable().default(null),
})

const agentFields = {
  name: z.string().min(1).optional(),
  /** How clients show it: a sign, and the address of a picture. */
  emoji: z.string().min(1).max(32).optional(),
  avatar: z.string().min(1).max(2_000).optional(),
  /** `provider/model`; default: what discovery chose. */
  model: z.string().min(1).optional(),
  /** Tried in order when the model before fails before its first words. */
  fallbacks: z.array(z.string().min(1)).optional(),
  /** Working directory of sessions that name none. Default <home>/workspace. */
  workspace: z.string().min(1).optional(),
  systemPrompt: z.string().optional(),
  /** Tools that the agent has; default all. */
  tools: z.array(z.string()).optional(),
  thinking: z.enum(["off", "minimal", "low", "medium", "high", "xhigh"]).optional(),
  temperature: z.number().min(0).max(2).optional(),
  maxOutputTokens: z.number().int().min(1).optional(),
  /** Sandbox profile of its commands; default sandbox.profile. */
  sandbox: sandboxProfileName.optional(),
  /** Narrows tools.elevated. */
  elevated: elevatedLimits.optional(),
  /** What its turns may do unless they ask for less, or for more with the right to. */
  permissions: permissions.optional(),
  /** Narrows the policy at the top. */
  policy: policy.optional(),
}

const agents = z.strictObject({
  default: z.string().default("main"),
  defaults: z
    .strictObject({ ...agentFields, limits: limits.prefault({}), heartbeat: heartbeat.prefault({}) })
    .prefault({}),
  entries: z
    .record(
      z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'must be an agent id: a-z, 0-9, "-" and "_"'),
      z.strictObject({
        ...agentFields,
        limits: limits.partial().optional(),
        heartbeat: ownHeartbeat.optional(),
        /** An external agent runs its turns, spoken to over ACP. */
        acp: hosted.optional(),
      }),
    )
    .default({}),
})

const price = z.strictObject({
  /** US dollars per million tokens. */
  input: z.number().min(0),
  output: z.number().min(0),
  cacheRead: z.number().min(0).optional(),
  cacheWrite: z.number().min(0).optional(),
})

const provider = z.strictObject({
  /** A row of the built-in table ("openai", "openrouter", "ollama", …). Default: the key itself when it names a row. */
  service: z.string().optional(),
  wire: z.enum(["openai-chat", "openai-responses", "anthropic", "gemini"]).optional(),
  baseUrl: httpUrl.optional(),
  apiKey: secretRef.optional(),
  headers: z.record(z.string(), z.string()).default({}),
  models: z.array(z.string()).default([]),
  connectTimeoutMs: ms.default(60_000),
  stallMs: ms.default(120_000),
  quirks: z
    .strictObject({
      maxTokensField: z.enum(["max_tokens", "max_completion_tokens"]).optional(),
      noStreamUsage: z.boolean().optional(),
      reasoningField: z.string().optional(),
    })
    .prefault({}),
  enabled: z.boolean().default(true),
})

const models = z.strictObject({
  /** Providers tried, in this order, after the model's own fallbacks. None unless named: no conversation goes to another service unasked. */
  fallbackProviders: z.array(z.string()).default([]),
  /** `provider/model` or a model id -> price; overrides the built-in table. */
  prices: z.record(z.string(), price).default({}),
  /** Look for keys in the environment and for model servers on this machine. */
  discover: z.boolean().default(true),
  /** Where local model servers are looked for; the default is the well-known ports. */
  localServers: z.array(z.strictObject({ id: z.string(), baseUrl: httpUrl })).optional(),
  /** Model files of this machine. */
  local: localModels.prefault({}),
})

const tools = z.strictObject({
  maxOutputChars: z.number().int().min(1_000).default(30_000),
  exec: z
    .strictObject({
      shell: z.string().default("/bin/bash"),
      timeoutMs: ms.default(120_000),
      maxTimeoutMs: ms.default(600_000),
      /** Added to the small clean environment that commands get. */
      env: z.record(z.string(), z.string()).default({}),
    })
    .prefault({}),
  fetch: z
    .strictObject({
      timeoutMs: ms.default(30_000),
      maxBytes: z.number().int().min(1_000).default(5_000_000),
      /** host or host:port entries that may be private addresses. */
      allowHosts: z.array(z.string()).default([]),
    })
    .prefault({}),
  search: z
    .strictObject({
      service: z.enum(["duckduckgo", "brave", "tavily"]).default("duckduckgo"),
      apiKey: secretRef.optional(),
      baseUrl: httpUrl.optional(),
    })
    .prefault({}),
  elevated: elevated.prefault({}),
  /** MCP servers, by the name under which their tools are known: mcp:<name>:<tool>. */
  mcpServers,
})

const jobInterrupt = z.enum(["fail", "resume"])

const jobs = z.strictObject({
  /** Jobs that run at once; more wait. One that waits for an approval does not count. */
  maxConcurrent: z.number().int().min(1).max(1_000).default(8),
  /** Jobs that have not ended, at most. */
  maxQueued: z.number().int().min(1).default(100_000),
  /** Attempts of a job when a model service is out of reach or overloaded, unless its caller said otherwise. */
  maxAttempts: z.number().int().min(1).max(100).default(1),
  /** Pause before the second attempt; doubled for each further one, up to maxBackoffMs. */
  backoffMs: ms.default(2_000),
  maxBackoffMs: ms.default(300_000),
  /** A job that a crash or restart cut off has failed, or goes on from what is recorded, unless its caller said otherwise. */
  onInterrupt: jobInterrupt.default("fail"),
  /** The same for the jobs of single agents. */
  agents: z
    .record(
      z.string(),
      z.strictObject({
        onInterrupt: jobInterrupt.optional(),
        maxAttempts: z.number().int().min(1).max(100).optional(),
      }),
    )
    .default({}),
  /** Jobs are removed this many days after they ended. */
  keepDays: z.number().int().min(1).default(30),
  callback: z
    .strictObject({
      timeoutMs: ms.default(10_000),
      maxTries: z.number().int().min(1).default(6),
      /** Pause before the second try; four times as long for each further one. */
      backoffMs: ms.default(1_000),
      /** host or host:port entries that may be private addresses. */
      allowHosts: z.array(z.string()).default([]),
    })
    .prefault({}),
})

export const configSchema = z.strictObject({
  $schema: z.string().optional(),
  gateway: gateway.prefault({}),
  discovery: discovery.prefault({}),
  log: log.prefault({}),
  backup: backup.prefault({}),
  update: update.prefault({}),
  agents: agents.prefault({}),
  providers: z.record(z.string().regex(/^[a-z0-9][a-z0-9_.-]{0,63}$/), provider).default({}),
  models: models.prefault({}),
  sessions: z
    .strictObject({
      /** Sessions that a stateless caller (an OpenAI client without a session) left are deleted this many days after their last turn. */
      statelessDays: z.number().int().min(1).default(30),
      /** Sessions in which nothing happened for so many days are deleted, main ones never; 0: all are kept. */
      keepDays: z.number().int().min(0).default(0),
    })
    .prefault({}),
  turns: z
    .strictObject({
      /** What happens to a turn that a crash or restart cut off, unless its caller said otherwise. */
      onInterrupt: z.enum(["resume", "mark"]).default("resume"),
      /** A turn that was cut off this often is not started again. */
      maxAttempts: z.number().int().min(1).default(3),
      /** Turns that run at once; more wait. */
      maxConcurrent: z.number().int().min(1).default(256),
      /** Turns that may wait in one session. */
      maxQueued: z.number().int().min(1).default(100),
      approvalTimeoutMs: ms.default(30 * 60_000),
    })
    .prefault({}),
  jobs: jobs.prefault({}),
  cron: cron.prefault({}),
  autonomy: autonomy.prefault({}),
  tools: tools.prefault({}),
  /** Rules for the hands of every agent; each layer below can only narrow. */
  policy: policy.prefault({}),
  sandbox: sandbox.prefault({}),
  /** What is offered to MCP clients. */
  mcpServe: mcpServe.prefault({}),
  store: z
    .strictObject({
      /** "full" survives a power cut; "normal" survives a crash of the process only. */
      durability: z.enum(["full", "normal"]).default("full"),
    })
    .prefault({}),
})

export type Config = z.infer<typeof configSchema>
