// sessions.files.* and sessions.diff: what the turns of a session did to files, and what its folder holds.
import { existsSync } from "node:fs"
import { join } from "node:path"
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import { namesSession, requireSession, resolveSession } from "../inbound.ts"
import type { Parts } from "../parts.ts"
import type { SessionFolder } from "../sessions/session-files.ts"
import { type Method, method } from "./method.ts"
import { renamed, sessionFields } from "./params.ts"

const work = () => import("../sessions/session-files.ts")

const byName = (params: Record<string, unknown>) => renamed(params, { path: ["file"] })
/** `path` is a file here, so it does not name the session. */
const named = () => {
  const { path: _path, ...fields } = sessionFields()
  return fields
}
const needsSession = { path: ["sessionKey"], error: "sessionKey is required" }
const sessionIn = ({ agentId, key, sessionId, sessionKey }: Record<string, unknown>) =>
  namesSession({ agentId, key, sessionId, sessionKey } as Parameters<typeof namesSession>[0])

const touched = () =>
  z.object({
    path: z.string(),
    workspacePath: z.string().optional().describe("Within the session's folder"),
    name: z.string(),
    kind: z.enum(["modified", "read"]),
    missing: z.boolean(),
    size: z.number().optional(),
    updatedAtMs: z.number().optional(),
  })

const file = () =>
  touched().extend({
    content: z.string(),
    contentEncoding: z.enum(["utf8", "base64"]),
    hash: z.string().describe("What sessions.files.set expects"),
    mimeType: z.string(),
    previewKind: z.enum(["text", "image", "unsupported"]),
    redacted: z.literal(true).optional().describe("It holds secrets that are not shown: it cannot be written back"),
  })

const list = method({
  name: "sessions.files.list",
  summary:
    "Files that a session's turns read or changed, last touched first; with `path` or `search`, what its folder holds.",
  scope: "operator.read",
  normalize: byName,
  params: () =>
    z
      .object({
        ...named(),
        path: z.string().max(4_096).optional().describe("A folder within the session's"),
        search: z.string().trim().min(1).max(200).optional().describe("Part of a name, below that folder"),
      })
      .refine(sessionIn, needsSession),
  result: () =>
    z.object({
      sessionKey: z.string(),
      root: z.string().optional().describe("Where the session works; absent while that is not there"),
      gitCheckout: z.boolean().optional(),
      files: z.array(touched()),
      browser: z
        .object({
          path: z.string(),
          parentPath: z.string().optional(),
          search: z.string().optional(),
          entries: z.array(
            z.object({
              path: z.string(),
              name: z.string(),
              kind: z.enum(["file", "directory"]),
              sessionKind: z.enum(["modified", "read"]).optional(),
              size: z.number().optional(),
              updatedAtMs: z.number().optional(),
            }),
          ),
          truncated: z.literal(true).optional(),
        })
        .optional(),
    }),
  async run({ path, search, ...names }, { parts }) {
    const { browse, folderOf, touchedFiles } = await work()
    const session = await requireSession(names, parts)
    const folder = await folderOf(session, parts)
    const files = await touchedFiles(session, folder, parts)
    const base = { sessionKey: session.key, files }
    if (!folder) return base
    const wanted = path !== undefined || search !== undefined
    const kinds = new Map(files.map(({ kind, path }) => [path, kind]))
    const browser = wanted ? await browse(folder, path ?? "", search) : undefined
    const entries = browser?.entries.map((one) => {
      const sessionKind = kinds.get(one.path)
      return sessionKind === undefined ? one : { ...one, sessionKind }
    })
    return {
      ...base,
      root: folder.root,
      gitCheckout: existsSync(join(folder.root, ".git")),
      ...(browser && entries ? { browser: { ...browser, entries } } : {}),
    }
  },
})

async function requireFolder(names: Parameters<typeof requireSession>[0], parts: Parts) {
  const { folderOf } = await work()
  const session = await requireSession(names, parts)
  const folder = await folderOf(session, parts)
  if (folder) return { session, folder }
  throw new PincerError("NOT_FOUND", `The folder of ${session.key} is not there: set another with sessions.patch (cwd)`)
}

async function shown(folder: SessionFolder, path: string, parts: Parts) {
  const { fileIn, previewOf } = await work()
  const { content, encoding, ...found } = await fileIn(folder, path)
  const redacted = encoding === "utf8" && parts.redactor.text(content) !== content
  return {
    path: found.path,
    workspacePath: found.path,
    name: found.name,
    kind: "read" as const,
    missing: false,
    size: found.size,
    updatedAtMs: found.updatedAtMs,
    hash: found.hash,
    content,
    contentEncoding: encoding,
    ...previewOf({ encoding, name: found.name }),
    ...(redacted ? { redacted: true as const } : {}),
  }
}

const path = () => z.string({ error: "path is required" }).min(1).max(4_096)

const get = method({
  name: "sessions.files.get",
  summary: "One file of a session's folder, at most a million bytes.",
  scope: "operator.read",
  normalize: byName,
  params: () => z.object({ ...named(), path: path() }).refine(sessionIn, needsSession),
  result: () => z.object({ sessionKey: z.string(), root: z.string(), file: file() }),
  async run({ path, ...names }, { parts }) {
    const { folder, session } = await requireFolder(names, parts)
    return { sessionKey: session.key, root: folder.root, file: await shown(folder, path, parts) }
  },
})

const set = method({
  name: "sessions.files.set",
  summary: "Writes one file of a session's folder, if it still is what was read.",
  scope: "operator.admin",
  normalize: byName,
  params: () =>
    z
      .object({
        ...named(),
        path: path(),
        content: z.string({ error: "content is required" }),
        expectedHash: z
          .string({ error: 'expectedHash is required: the hash that was read, "" for a new file' })
          .max(200),
      })
      .refine(sessionIn, needsSession),
  result: () => z.object({ sessionKey: z.string(), root: z.string(), file: file() }),
  async run({ content, expectedHash, path, ...names }, { parts }) {
    const { writeIn } = await work()
    const { folder, session } = await requireFolder(names, parts)
    const written = await writeIn(folder, { content, expectedHash, path }, (text) => parts.redactor.text(text))
    const now = await shown(folder, written.path, parts)
    return { sessionKey: session.key, root: folder.root, file: { ...now, kind: "modified" as const } }
  },
})

const commit = () => z.object({ sha: z.string(), subject: z.string() })

const diff = method({
  name: "sessions.diff",
  summary: "What is different in the git checkout where a session works. Git runs in the sandbox.",
  scope: "operator.read",
  params: () =>
    z
      .object({
        ...named(),
        scope: z
          .enum(["all", "uncommitted", "commit"])
          .optional()
          .describe("all (default): since it left its upstream; uncommitted: since the last commit"),
        commit: z
          .string()
          .regex(/^[0-9a-f]{4,64}$/i, { error: "commit: the digits of a commit, such as 1f3a9c0" })
          .optional(),
      })
      .refine(sessionIn, needsSession)
      .refine(({ commit, scope }) => (scope === "commit") === (commit !== undefined), {
        path: ["commit"],
        error: 'scope "commit" and commit belong together: give both or none',
      }),
  result: () =>
    z.object({
      sessionKey: z.string(),
      root: z.string().optional(),
      branch: z.string().optional(),
      baseRef: z.string().optional(),
      aheadCount: z.number().optional(),
      commits: z.array(commit()).optional(),
      mergeBase: commit().optional(),
      files: z.array(
        z.object({
          path: z.string(),
          oldPath: z.string().optional(),
          status: z.enum(["added", "modified", "deleted", "renamed"]),
          additions: z.number(),
          deletions: z.number(),
          binary: z.literal(true).optional(),
          untracked: z.literal(true).optional(),
          patch: z.string().optional(),
          truncated: z.literal(true).optional(),
        }),
      ),
      additions: z.number(),
      deletions: z.number(),
      truncated: z.literal(true).optional(),
      unavailableReason: z.enum(["unknown_session", "not_git", "unknown_commit"]).optional(),
    }),
  async run({ commit, scope = "all", ...names }, { caller, parts }) {
    const { key } = await resolveSession(names, parts)
    const none = { sessionKey: key, files: [], additions: 0, deletions: 0 }
    const session = await parts.store.sessions.get(key)
    if (!session) return { ...none, unavailableReason: "unknown_session" as const }
    const { folderOf } = await work()
    const { diffOf } = await import("../sessions/session-diff.ts")
    const folder = await folderOf(session, parts)
    const found = folder ? await diffOf(folder.root, { scope, commit }, parts, caller.signal) : ("not_git" as const)
    return typeof found === "string" ? { ...none, unavailableReason: found } : { sessionKey: key, ...found }
  },
})

export const sessionFileMethods: readonly Method[] = [list, get, set, diff]
