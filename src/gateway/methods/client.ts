// client.*: what a client lends to the turns of a session that it starts: its editor's files and terminals, its ear for questions, MCP
// servers of its own. The gateway asks with the event client.asked; the client answers with client.answer.
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { grants } from "../../protocol/frame.ts"
import { resolveSession } from "../inbound.ts"
import { MAX_TEXT } from "../lending/asks.ts"
import { type Method, type MethodContext, method } from "./method.ts"

const MAX_ROOTS = 32
const MAX_SERVERS = 32

const text = (max: number) => z.string().min(1).max(max)
const path = () => text(4_096)
const lender = () => z.uuid({ error: "lender must be a UUID" }).describe("A UUID that the client chooses")
const words = () => z.record(z.string().max(1_000), z.string().max(32_000))
const flag = () => z.boolean().optional()

const server = () =>
  z.discriminatedUnion("type", [
    z.object({
      type: z.literal("stdio"),
      name: text(200),
      command: path(),
      args: z.array(z.string().max(32_000)).max(1_000).default([]),
      env: words().default({}),
    }),
    z.object({ type: z.enum(["http", "sse"]), name: text(200), url: text(8_000), headers: words().default({}) }),
  ])

const lend = method({
  name: "client.lend",
  summary:
    "Lends editor, questions and MCP servers to this client's turns in a session, until release or disconnection.",
  scope: "operator.write",
  params: () =>
    z.object({
      lender: lender(),
      sessionKey: text(512),
      cwd: path().describe("Absolute path of a folder"),
      roots: z.array(path()).max(MAX_ROOTS).optional().describe("Further folders; absolute"),
      fs: z.object({ readText: flag(), writeText: flag() }).optional(),
      terminal: flag(),
      questions: z.object({ form: flag(), url: flag() }).optional(),
      mcpServers: z
        .array(server())
        .max(MAX_SERVERS)
        .optional()
        .describe("One of type stdio starts a program: that needs operator.admin"),
    }),
  result: () =>
    z.object({
      lender: z.string(),
      tools: z.array(z.string()).describe("Tools of the MCP servers, by the names that the model sees"),
      problems: z.array(z.object({ server: z.string(), message: z.string() })),
    }),
  async run(params, context) {
    const { caller, parts } = context
    const emit = emitterOf(context, "client.lend")
    const { fs, lender: id, mcpServers = [], questions, roots = [], terminal } = params
    if (mcpServers.some(({ type }) => type === "stdio") && !grants(caller.scopes, "operator.admin"))
      throw new PincerError(
        "PERMISSION_DENIED",
        "An MCP server of type stdio starts a program: that needs operator.admin",
        {
          details: { code: "MISSING_SCOPE", missingScope: "operator.admin", requiredScopes: ["operator.admin"] },
        },
      )
    const session = await resolveSession({ sessionKey: params.sessionKey }, parts)
    const wish = {
      lender: id,
      sessionKey: session.key,
      cwd: params.cwd,
      roots,
      editor: { readText: fs?.readText ?? false, writeText: fs?.writeText ?? false, terminal: terminal ?? false },
      questions: { form: questions?.form ?? false, url: questions?.url ?? false },
      mcpServers,
    }
    const { problems, tools } = await parts.lendings.lend(wish, { connId: caller.connId, caller, emit })
    return {
      lender: id,
      tools: tools.map(({ name }) => name),
      problems: problems.map((one) => ({ server: one.server, message: one.message })),
    }
  },
})

/** Throws METHOD_NOT_FOUND where nothing can be pushed. */
export function emitterOf({ emit }: MethodContext, name: string): NonNullable<MethodContext["emit"]> {
  if (emit) return emit
  throw new PincerError("METHOD_NOT_FOUND", `${name} needs a WebSocket: connect to /ws`)
}

const release = method({
  name: "client.release",
  summary: "Ends what this connection lends under an id; false when it lends nothing under it.",
  scope: "operator.write",
  params: () => z.object({ lender: lender() }),
  result: () => z.object({ released: z.boolean() }),
  run: async (params, { caller, parts }) => ({ released: parts.lendings.release(params.lender, caller.connId) }),
})

const answer = method({
  name: "client.answer",
  summary: "Answers a client.asked of this connection, with a result or an error; what nobody waits for is refused.",
  scope: "operator.write",
  params: () =>
    z
      .object({
        id: text(100),
        result: z.record(z.string(), z.unknown()).optional(),
        error: z
          .object({
            message: z.string().max(MAX_TEXT),
            code: z.enum(["NOT_FOUND", "PERMISSION_DENIED"]).optional(),
          })
          .optional(),
      })
      .refine((p) => p.result === undefined || p.error === undefined, {
        path: ["error"],
        error: "give a result or an error, not both",
      }),
  result: () => z.object({}),
  async run({ id, ...said }, { caller, parts }) {
    parts.lendings.answer(id, said, caller.connId)
    return {}
  },
})

export const clientMethods: readonly Method[] = [lend, release, answer]
