// Models on disk: those in our own folder, and those that other programs have put on this machine (read only). Looking is bounded in
// depth and number, follows links to files, and costs one look at one folder where there is none.
import type { Dirent } from "node:fs"
import { readdir, realpath, rm, stat } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { PincerError } from "../base/errors.ts"
import { type GgufFacts, readGguf } from "./gguf.ts"

/** Whose folder a model lies in. */
export type ShelfName = "pincer" | "lmstudio" | "llama.cpp" | "huggingface"

export interface Shelf {
  name: ShelfName
  folder: string
  /** Folders within folders that are looked into. */
  depth: number
}

export interface LocalModel {
  /** What it is asked for by: `local/<name>`. Unique among those that were listed together. */
  name: string
  /** The file, or the first of its parts. */
  path: string
  files: string[]
  bytes: number
  /** Milliseconds since 1970. */
  modifiedAt: number
  from: ShelfName
  kind: GgufFacts["kind"]
  architecture?: string
  contextLength?: number
  /** Why it cannot be used. */
  problem?: string
}

const MAX_ENTRIES = 5_000
const MAX_MODELS = 200
const PART = /-(\d{5})-of-(\d{5})$/

/** Our own folder first. `env`: LLAMA_CACHE, HF_HUB_CACHE and HF_HOME move the others' folders, as they do there. */
export function shelves(
  home: string,
  userHome: string,
  env: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform = process.platform,
): Shelf[] {
  const cache = platform === "darwin" ? join(userHome, "Library", "Caches") : join(userHome, ".cache")
  const hub = env["HF_HUB_CACHE"] || join(env["HF_HOME"] || join(userHome, ".cache", "huggingface"), "hub")
  return [
    { name: "pincer", folder: ownShelf(home), depth: 0 },
    { name: "lmstudio", folder: join(userHome, ".lmstudio", "models"), depth: 2 },
    { name: "llama.cpp", folder: env["LLAMA_CACHE"] || join(cache, "llama.cpp"), depth: 0 },
    { name: "huggingface", folder: hub, depth: 4 },
  ]
}

export function ownShelf(home: string): string {
  return join(home, "models")
}

/** The name a file is listed by, and which part of how many it is. */
export function nameOf(file: string): { name: string; part: number; of: number } {
  const stem = basename(file).replace(/\.gguf$/i, "")
  const split = PART.exec(stem)
  if (!split) return { name: stem, part: 1, of: 1 }
  return { name: stem.slice(0, split.index), part: Number(split[1]), of: Number(split[2]) }
}

/** File names of all parts of the model that `file` is one of, itself when it is not split. */
export function partsOf(file: string): string[] {
  const { of } = nameOf(file)
  if (of === 1) return [file]
  const total = String(of).padStart(5, "0")
  return Array.from({ length: of }, (_, i) =>
    file.replace(/-\d{5}-of-\d{5}(?=\.gguf$)/i, `-${String(i + 1).padStart(5, "0")}-of-${total}`),
  )
}

/**
 * Newest first within each folder, folders in the order given. `known`: what was listed before; heads of files that are still the same are
 * not read again.
 */
export async function listModels(places: readonly Shelf[], known: readonly LocalModel[] = []): Promise<LocalModel[]> {
  const before = new Map(known.map((model) => [model.path, model]))
  const models: LocalModel[] = []
  const seen = new Set<string>()
  const names = new Set<string>()
  for (const place of places) {
    const found: LocalModel[] = []
    for (const path of await ggufFiles(place)) {
      if (models.length + found.length >= MAX_MODELS) break
      const model = await look(path, place.name, seen, before)
      if (model) found.push(model)
    }
    found.sort((a, b) => b.modifiedAt - a.modifiedAt || a.name.localeCompare(b.name))
    for (const model of found) {
      model.name = unused(model, names)
      names.add(model.name)
      models.push(model)
    }
  }
  return models
}

/** The first model that can answer. */
export function suitable(models: readonly LocalModel[]): LocalModel | undefined {
  return models.find((one) => one.kind === "model" && one.problem === undefined)
}

function unused(model: LocalModel, names: ReadonlySet<string>): string {
  let name = model.name
  for (let i = 1; names.has(name); i++) name = `${model.from}:${model.name}${i === 1 ? "" : `~${i}`}`
  return name
}

/** First parts only. */
async function ggufFiles({ folder, depth }: Shelf): Promise<string[]> {
  const files: string[] = []
  let left = MAX_ENTRIES
  const walk = async (at: string, below: number): Promise<void> => {
    for (const entry of await entriesOf(at)) {
      if (left-- <= 0) return
      if (entry.name.startsWith(".")) continue
      const path = join(at, entry.name)
      if (entry.isDirectory() && below > 0) await walk(path, below - 1)
      else if (!entry.isDirectory() && /\.gguf$/i.test(entry.name) && nameOf(entry.name).part === 1) files.push(path)
    }
  }
  await walk(folder, depth)
  return files
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true })
  } catch (error) {
    // No such folder, or not ours to read: no models there.
    if (error instanceof Error && "code" in error) return []
    throw error
  }
}

/** Undefined for what is there already under another name, a link that leads nowhere, and what is no file. */
async function look(
  path: string,
  from: ShelfName,
  seen: Set<string>,
  before: ReadonlyMap<string, LocalModel>,
): Promise<LocalModel | undefined> {
  const files = partsOf(path)
  const sizes = await Promise.all(files.map(sizeOf))
  const [first] = sizes
  if (!first) return undefined
  const real = await realpath(path)
  if (seen.has(real)) return undefined
  seen.add(real)
  const model: LocalModel = {
    ...{ name: nameOf(path).name, path, files, from, kind: "model", modifiedAt: Math.round(first.mtimeMs) },
    bytes: sizes.reduce((sum, one) => sum + (one?.size ?? 0), 0),
  }
  const missing = files.filter((_, i) => !sizes[i])
  if (missing.length > 0)
    return { ...model, problem: `parts are missing: ${missing.map((one) => basename(one)).join(", ")}` }
  const old = before.get(path)
  if (old && old.bytes === model.bytes && old.modifiedAt === model.modifiedAt && old.problem === undefined)
    return { ...old, name: model.name, files }
  return { ...model, ...(await factsOf(path)) }
}

async function factsOf(path: string): Promise<Partial<LocalModel>> {
  try {
    const { kind, architecture, contextLength } = await readGguf(path)
    const named = /(?:^|[-_.])mmproj/i.test(basename(path)) ? "projector" : kind
    return { kind: named, architecture, ...(contextLength === undefined ? {} : { contextLength }) }
  } catch (error) {
    if (error instanceof PincerError) return { problem: error.message }
    if (error instanceof Error && "code" in error) return { problem: `${path} cannot be read (${String(error.code)})` }
    throw error
  }
}

async function sizeOf(path: string) {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() ? found : undefined
}

/** Removes a model from our own folder. Throws NOT_FOUND, and PERMISSION_DENIED for what belongs to another program. */
export async function removeModel(name: string, places: readonly Shelf[]): Promise<LocalModel> {
  const models = await listModels(places)
  const model = models.find((one) => one.name === name || basename(one.path) === name)
  if (!model) throw new PincerError("NOT_FOUND", `There is no local model "${name}": run "pincer models local list"`)
  if (model.from !== "pincer")
    throw new PincerError(
      "PERMISSION_DENIED",
      `${model.path} belongs to ${model.from}: remove it there (only files in ${dirname(places[0]?.folder ?? "")}/models are Pincer's)`,
    )
  for (const file of model.files) await rm(file, { force: true })
  return model
}
