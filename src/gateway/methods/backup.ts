// backup.*: copies of the gateway's home, made by its own hand. They stay on its machine; putting one back is the command line's.
import { z } from "zod"
import { type Method, method } from "./method.ts"

const NEWEST = 10

const row = () =>
  z.looseObject({
    path: z.string(),
    size: z.number().describe("Bytes"),
    createdAt: z.number().describe("ms since 1970"),
    sealed: z.boolean(),
    automatic: z.boolean().describe("Made before a change of schema: the database alone"),
  })

const exported = method({
  name: "backup.export",
  summary: "Makes a backup of the home on the gateway's machine, reads it back, and says where it is.",
  scope: "operator.admin",
  params: () =>
    z.object({
      secrets: z.boolean().optional().describe("Also tokens, keys and the configuration's secrets; default: not"),
      workspace: z.boolean().optional().describe("Also the folders that agents work in; default: yes"),
    }),
  result: () =>
    z.looseObject({
      path: z.string(),
      files: z.number().describe("How many are in it"),
      size: z.number().describe("Bytes"),
      createdAt: z.string(),
      secrets: z.boolean(),
      workspace: z.boolean(),
      schema: z.number().nullable(),
    }),
  async run({ secrets = false, workspace = true }, { parts }) {
    const { createInThread } = await import("../../backup/thread.ts")
    const { backupFolder, summaryOf } = await import("../../backup/shelf.ts")
    const { bytes, manifest, path } = await createInThread({
      home: parts.home,
      config: parts.configPath,
      folder: backupFolder(parts.config, parts.home),
      secrets,
      workspace,
      pincer: parts.version,
      now: parts.clock.now(),
    })
    parts.log.info({ path, size: bytes, secrets, workspace }, "A backup was made")
    return { ...summaryOf(manifest), path, size: bytes }
  },
})

const status = method({
  name: "backup.status",
  aliases: ["backup.list"],
  summary: "The newest ten backups there are.",
  scope: "operator.read",
  params: () => z.object({}),
  result: () => z.looseObject({ backups: z.array(row()), count: z.number(), total: z.number(), folder: z.string() }),
  async run(_params, { parts }) {
    const { backupFolder, listBackups } = await import("../../backup/shelf.ts")
    const folder = backupFolder(parts.config, parts.home)
    const all = await listBackups(folder)
    const backups = all.slice(0, NEWEST)
    return { backups, count: backups.length, total: all.length, folder }
  },
})

export const backupMethods: readonly Method[] = [exported, status]
