// Which files a repository of models offers, at Hugging Face or ModelScope, and where they are downloaded from.
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { partsOf } from "./shelf.ts"

export type HubName = "huggingface" | "modelscope"

export interface HubOptions {
  hub: HubName
  /** Where it is; default its own address. */
  baseUrl?: string
  signal: AbortSignal
}

export interface HubFile {
  file: string
  url: string
  sha256?: string
}

const HOMES: Readonly<Record<HubName, string>> = {
  huggingface: "https://huggingface.co",
  modelscope: "https://modelscope.cn",
}
const DEADLINE_MS = 30_000
const REPOSITORY = /^[\w.-]+\/[\w.-]+$/

/**
 * The file that was named, else the first in Q4_K_M, else the first model; with all its parts. Throws NOT_FOUND when there is none,
 * INVALID_PARAMS and UNAVAILABLE.
 */
export async function filesOf(
  repository: string,
  filename: string | undefined,
  options: HubOptions,
): Promise<HubFile[]> {
  if (!REPOSITORY.test(repository) || repository.includes(".."))
    throw new PincerError(
      "INVALID_PARAMS",
      `"${repository}" is not a repository: say owner/name, as in Qwen/Qwen3-4B-GGUF`,
    )
  const base = (options.baseUrl ?? HOMES[options.hub]).replace(/\/+$/, "")
  const files =
    options.hub === "huggingface"
      ? await huggingface(base, repository, options)
      : await modelscope(base, repository, options)
  const models = files.filter(({ file }) => /\.gguf$/i.test(file))
  const answering = models.filter(({ file }) => !/mmproj/i.test(file))
  const chosen =
    filename === undefined
      ? (answering.find(({ file }) => /Q4_K_M/i.test(file)) ?? answering[0])
      : models.find(({ file }) => file === filename)
  if (!chosen) {
    const what = filename === undefined ? "no model in the GGUF format" : `no file "${filename}" in the GGUF format`
    const others = answering.slice(0, 8).map(({ file }) => file)
    throw new PincerError(
      "NOT_FOUND",
      `${repository} has ${what}${others.length > 0 ? `; it has ${others.join(", ")}` : ": look for one whose name ends in -GGUF"}`,
    )
  }
  return partsOf(chosen.file).map((part) => {
    const found = files.find(({ file }) => file === part)
    if (!found) throw new PincerError("NOT_FOUND", `${repository} lacks ${part}, a part of the model`)
    return found
  })
}

async function huggingface(base: string, repository: string, options: HubOptions): Promise<HubFile[]> {
  const body = await json(`${base}/api/models/${repository}?blobs=true`, repository, options)
  return list(isObject(body) ? body["siblings"] : undefined).flatMap((row) => {
    const file = row["rfilename"]
    if (typeof file !== "string") return []
    const sum = isObject(row["lfs"]) ? row["lfs"]["sha256"] : undefined
    return [{ file, url: `${base}/${repository}/resolve/main/${quoted(file)}`, ...summed(sum) }]
  })
}

async function modelscope(base: string, repository: string, options: HubOptions): Promise<HubFile[]> {
  const body = await json(`${base}/api/v1/models/${repository}/repo/files?Recursive=true`, repository, options)
  const data = isObject(body) ? body["Data"] : undefined
  return list(isObject(data) ? data["Files"] : undefined).flatMap((row) => {
    const file = row["Path"]
    if (typeof file !== "string") return []
    return [{ file, url: `${base}/models/${repository}/resolve/master/${quoted(file)}`, ...summed(row["Sha256"]) }]
  })
}

function list(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

function summed(sum: unknown): { sha256?: string } {
  return typeof sum === "string" && /^[0-9a-f]{64}$/i.test(sum) ? { sha256: sum } : {}
}

function quoted(file: string): string {
  return file.split("/").map(encodeURIComponent).join("/")
}

async function json(url: string, repository: string, { signal }: HubOptions): Promise<unknown> {
  const { host } = new URL(url)
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]) })
    if (response.status === 404 || response.status === 401)
      throw new PincerError("NOT_FOUND", `${host} shows no repository "${repository}": check its name`)
    if (!response.ok) throw new PincerError("UNAVAILABLE", `${host} answered with status ${response.status}`)
    return await response.json()
  } catch (error) {
    if (error instanceof PincerError) throw error
    if (signal.aborted) throw new PincerError("ABORTED", "Stopped", { cause: error })
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error)
    throw new PincerError("UNAVAILABLE", `${host} cannot be asked what "${repository}" offers: ${cause}`, {
      cause: error,
    })
  }
}
