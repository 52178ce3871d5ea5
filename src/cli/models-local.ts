// `pincer models local` and `pincer models download`: model files on this machine. They work on the home without a gateway; one that
// runs is told.
import { userInfo } from "node:os"
import { basename, dirname, join } from "node:path"
import { PincerError } from "../base/errors.ts"
import { runningGateway } from "../config/gateway-file.ts"
import { envValue, expandPath, resolvePaths } from "../config/paths.ts"
import { findEngine } from "../local/engine.ts"
import { filesOf, type HubName } from "../local/hub.ts"
import { besideUrl, copyModel, downloadModel, fileOf, type Received, type Receiving } from "../local/receiving.ts"
import {
  type LocalModel,
  listModels,
  nameOf,
  ownShelf,
  partsOf,
  removeModel,
  type Shelf,
  shelves,
  suitable,
} from "../local/shelf.ts"
import type { Cli } from "./cli.ts"
import { confirmed } from "./confirm.ts"
import { otherGateway, reachGateway } from "./connect.ts"
import { inertLine } from "./inert.ts"
import { openProgress, stoppable } from "./progress.ts"
import { bytes as bytesOf } from "./status.ts"

export interface AddFlags {
  name?: string
  sha256?: string
  json?: boolean
}

export interface DownloadFlags {
  filename?: string
  source: string
  baseUrl?: string
  json?: boolean
}

const TELL_MS = 15_000
const SHA256 = /^[0-9a-f]{64}$/i

function shelvesOf(cli: Cli): Shelf[] {
  const { home } = resolvePaths(cli.env, cli.flags)
  return shelves(home, cli.env["HOME"] ?? userInfo().homedir, cli.env)
}

/** "local/<name>" of each model, where it lies, and what it is. */
export async function listLocal(cli: Cli, flags: { json?: boolean }): Promise<void> {
  const { home } = resolvePaths(cli.env, cli.flags)
  const models = await listModels(shelvesOf(cli))
  if (flags.json) {
    cli.out.json(models)
    return
  }
  const rows = models.map((model) => [
    `local/${model.name}`,
    bytesOf(model.bytes),
    model.contextLength === undefined ? "" : `${Math.round(model.contextLength / 1000)}k`,
    model.from,
    model.problem ?? (model.kind === "model" ? (model.architecture ?? "") : `${model.kind}, does not answer`),
  ])
  if (rows.length > 0 || !cli.out.isTerminal) cli.out.table(["MODEL", "SIZE", "CONTEXT", "FROM", "WHAT"], rows)
  if (!cli.out.isTerminal) return
  if (rows.length === 0)
    cli.out.line("No model files are on this machine. To get one: pincer models download Qwen/Qwen3-4B-GGUF")
  else if (!findEngine(home, cli.env["PATH"] ?? "") && suitable(models))
    cli.out.line(cli.out.paint("Nothing runs them yet: pincer models engine install", "dim"))
}

/** `what`: a file, or an https address. All parts of a model that is split come along. */
export async function addLocal(cli: Cli, what: string, flags: AddFlags): Promise<void> {
  if (flags.sha256 !== undefined && !SHA256.test(flags.sha256))
    throw new PincerError("INVALID_PARAMS", `--sha256 "${flags.sha256}" is not a SHA-256: it has 64 hexadecimal digits`)
  const isUrl = /^https?:\/\//i.test(what)
  const first = isUrl ? fileOf(what) : basename(what)
  const files = partsOf(first)
  if (files.length > 1 && (flags.name !== undefined || flags.sha256 !== undefined))
    throw new PincerError(
      "INVALID_PARAMS",
      `${first} is one of ${files.length} parts: --name and --sha256 are for models of one file`,
    )
  const path = expandPath(what, cli.env, cli.cwd)
  await receiveAll(
    cli,
    files.map((file) => ({
      file: flags.name === undefined ? file : `${flags.name.replace(/\.gguf$/i, "")}.gguf`,
      ...(flags.sha256 === undefined ? {} : { sha256: flags.sha256 }),
      receive: (options: Receiving) =>
        isUrl
          ? downloadModel(file === first ? what : besideUrl(what, file), options)
          : copyModel(join(dirname(path), file), options),
    })),
    flags,
  )
}

/** From Hugging Face or ModelScope. */
export async function downloadFrom(cli: Cli, repository: string, flags: DownloadFlags): Promise<void> {
  const hub = hubOf(flags.source)
  const baseUrl = flags.baseUrl ?? (hub === "huggingface" ? envValue(cli.env, "HF_ENDPOINT") : undefined)
  const files = await stoppable((signal) =>
    filesOf(repository, flags.filename, { hub, signal, ...(baseUrl === undefined ? {} : { baseUrl }) }),
  )
  await receiveAll(
    cli,
    files.map(({ file, url, sha256 }) => ({
      file: basename(file),
      ...(sha256 === undefined ? {} : { sha256 }),
      receive: (options: Receiving) => downloadModel(url, options),
    })),
    flags,
  )
}

function hubOf(source: string): HubName {
  if (source === "huggingface" || source === "modelscope") return source
  throw new PincerError("INVALID_PARAMS", `--source "${source}" is not known: huggingface or modelscope`)
}

interface Coming {
  file: string
  sha256?: string
  receive(options: Receiving): Promise<Received>
}

async function receiveAll(cli: Cli, files: readonly Coming[], flags: { json?: boolean }): Promise<void> {
  const { home } = resolvePaths(cli.env, cli.flags)
  const into = ownShelf(home)
  const progress = openProgress(cli)
  const received: Received[] = []
  try {
    await stoppable(async (signal) => {
      for (const [i, { file, sha256, receive }] of files.entries()) {
        const which = files.length > 1 ? ` (${i + 1} of ${files.length})` : ""
        const onProgress = (done: number, total: number | undefined) =>
          progress.show(
            `${file}${which}: ${bytesOf(done)}${total === undefined ? "" : ` of ${bytesOf(total)}, ${Math.floor((done / Math.max(1, total)) * 100)} %`}`,
          )
        received.push(await receive({ into, file, signal, onProgress, ...(sha256 === undefined ? {} : { sha256 }) }))
      }
    })
  } finally {
    progress.end()
  }
  const gateway = await tellGateway(cli)
  const { name } = nameOf(files[0]!.file)
  const engine = findEngine(home, cli.env["PATH"] ?? "")
  if (flags.json) {
    cli.out.json({ name: `local/${name}`, files: received, engine: engine?.type ?? null, gateway })
    return
  }
  for (const { path, bytes, sha256, resumed } of received) {
    const again = resumed > 0 ? `, of which ${bytesOf(resumed)} were here already` : ""
    cli.out.line(inertLine(`${path}: ${bytesOf(bytes)}${again}`))
    cli.out.line(`  SHA-256 ${sha256}`)
  }
  if (!engine) cli.out.line("Nothing runs it yet: pincer models engine install")
  else cli.out.line(inertLine(`To use it: pincer config set agents.defaults.model "local/${name}"`))
}

export async function removeLocal(cli: Cli, name: string, flags: { yes?: boolean; json?: boolean }): Promise<void> {
  const places = shelvesOf(cli)
  const bare = name.replace(/^local\//, "")
  const model = (await listModels(places)).find((one) => one.name === bare || basename(one.path) === bare)
  if (model?.from === "pincer") {
    const question = `Remove ${model.path} (${bytesOf(model.bytes)})?`
    if (!(await confirmed(cli, question, flags.yes === true))) {
      cli.out.line("Nothing was removed.")
      return
    }
  }
  const removed: LocalModel = await removeModel(bare, places)
  const gateway = await tellGateway(cli)
  if (flags.json) cli.out.json({ removed, gateway })
  else cli.out.line(inertLine(`Removed ${removed.files.join(", ")}.`))
}

/** A gateway of this home that runs looks again. Null when none runs; false, and a line that says so, when it could not be told. */
export async function tellGateway(cli: Cli): Promise<boolean | null> {
  const { home } = resolvePaths(cli.env, cli.flags)
  if (!runningGateway(home) || (await otherGateway(cli))) return null
  try {
    const link = await reachGateway(cli, { otherwise: "refuse" })
    try {
      await link.client.request("models.list", {}, { timeoutMs: TELL_MS })
      return true
    } finally {
      await link.close()
    }
  } catch (error) {
    if (!(error instanceof PincerError)) throw error
    cli.err.line(inertLine(`The gateway that runs could not be told (${error.message}): pincer gateway restart`))
    return false
  }
}
