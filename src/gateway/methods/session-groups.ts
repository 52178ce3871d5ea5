// sessions.groups.*: what people sort their sessions into. A session names its group itself (`category` of sessions.patch).
import { z } from "zod"
import { PincerError } from "../../base/errors.ts"
import type { Parts } from "../parts.ts"
import { type Method, method } from "./method.ts"
import { requireDirectory } from "./sessions.ts"

const name = () => z.string({ error: "name is required" }).trim().min(1).max(64)
const group = () => z.object({ name: z.string(), position: z.number() })
const names = () => z.array(name(), { error: "names is required: a list" }).max(500)

const listed = () => ({
  groups: z.array(group()),
  sectionOrder: z.array(z.string()).describe("Where a page shows which section; pages give it its meaning"),
})
const mutation = () =>
  z.object({ ok: z.literal(true), ...listed(), updatedSessions: z.number().describe("Sessions that moved with it") })
const defaults = () =>
  z.array(
    z.object({
      name: z.string(),
      cwd: z.string().optional().describe("Where new sessions of it work"),
      worktree: z.boolean(),
    }),
  )

async function shown({ store }: Pick<Parts, "store">) {
  const { groups, sections } = await store.groups.list()
  return { groups: groups.map(({ name, position }) => ({ name, position })), sectionOrder: sections }
}

async function told(keys: readonly string[], parts: Parts) {
  for (const key of keys) parts.notices.tell({ type: "updated", key, changed: ["category"] })
  return { ok: true as const, ...(await shown(parts)), updatedSessions: keys.length }
}

const list = method({
  name: "sessions.groups.list",
  summary: "The groups, in order; last those that sessions name and nobody has put in order.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () => z.object(listed()),
  run: (_params, { parts }) => shown(parts),
})

const put = method({
  name: "sessions.groups.put",
  summary: "Exactly these groups in this order; sessions of others are in none any more.",
  scope: "operator.write",
  params: () =>
    z.object({
      names: names().refine((all) => new Set(all).size === all.length, { error: "names holds one name twice" }),
      sectionOrder: z.array(z.string().min(1).max(100)).max(500).optional(),
    }),
  result: mutation,
  run: async ({ names, sectionOrder }, { parts }) => told(await parts.store.groups.put(names, sectionOrder), parts),
})

const rename = method({
  name: "sessions.groups.rename",
  summary: "Gives a group another name; its sessions go with it.",
  scope: "operator.write",
  params: () => z.object({ name: name(), to: z.string({ error: "to is required" }).trim().min(1).max(64) }),
  result: mutation,
  run: async ({ name, to }, { parts }) => told(await parts.store.groups.rename(name, to), parts),
})

const remove = method({
  name: "sessions.groups.delete",
  summary: "Takes a group away; its sessions stay and are in none any more.",
  scope: "operator.write",
  params: () => z.object({ name: name() }),
  result: mutation,
  run: async ({ name }, { parts }) => told(await parts.store.groups.delete(name), parts),
})

async function defaultsOf({ store }: Pick<Parts, "store">) {
  const { groups } = await store.groups.list()
  return groups.map(({ cwd, name }) => ({ name, ...(cwd === null ? {} : { cwd }), worktree: false }))
}

const defaultsList = method({
  name: "sessions.groups.defaults",
  summary: "What new sessions of each group begin with.",
  scope: "operator.write",
  params: () => z.object({}),
  result: () => z.object({ defaults: defaults() }),
  run: async (_params, { parts }) => ({ defaults: await defaultsOf(parts) }),
})

const update = method({
  name: "sessions.groups.update",
  summary: "Says in which folder new sessions of a group work; null: where their agent does.",
  scope: "operator.write",
  demands: ({ cwd }) => (cwd === null ? "operator.write" : "operator.admin"),
  params: () =>
    z.object({
      name: name(),
      cwd: z.string({ error: "cwd is required: an absolute path, or null" }).min(1).nullable(),
      worktree: z.boolean().optional().describe("Only false: sessions get no worktrees of their own"),
    }),
  result: () => z.object({ ok: z.literal(true), defaults: defaults() }),
  async run({ cwd, name, worktree = false }, { parts }) {
    if (worktree)
      throw new PincerError(
        "INVALID_PARAMS",
        "Sessions get no worktrees of their own: make one with git and give its folder as cwd",
      )
    if (cwd !== null) await requireDirectory(cwd)
    await parts.store.groups.setFolder(name, cwd)
    return { ok: true as const, defaults: await defaultsOf(parts) }
  },
})

export const sessionGroupMethods: readonly Method[] = [list, put, rename, remove, defaultsList, update]
