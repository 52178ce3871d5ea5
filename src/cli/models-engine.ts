// `pincer models engine`: what runs model files. It is installed into the home, by npm and without install scripts.
import { userInfo } from "node:os"
import { resolvePaths } from "../config/paths.ts"
import { ENGINE_VERSION, engineFolder, findEngine, installEngine, removeEngine, sizeOfFolder } from "../local/engine.ts"
import type { Cli } from "./cli.ts"
import { inertLine } from "./inert.ts"
import { tellGateway } from "./models-local.ts"
import { openProgress, stoppable } from "./progress.ts"
import { Exit } from "./report.ts"
import { bytes as bytesOf } from "./status.ts"

/** What npm may know of our environment: the way to programs, its own settings, proxies. No keys. */
const PASSED =
  /^(?:PATH|HOME|USER|LOGNAME|LANG|LC_\w+|TMPDIR|TEMP|TMP|SystemRoot|APPDATA|LOCALAPPDATA|(?:https?|no|all)_proxy|SSL_CERT_(?:FILE|DIR)|NODE_EXTRA_CA_CERTS|npm_config_\w+)$/i

export async function installEngineHere(cli: Cli, flags: { json?: boolean }): Promise<void> {
  const { home } = resolvePaths(cli.env, cli.flags)
  const progress = openProgress(cli)
  const began = performance.now()
  const timer = setInterval(
    () =>
      progress.show(
        `Installing node-llama-cpp ${ENGINE_VERSION} (85 MB) … ${Math.round((performance.now() - began) / 1000)} s`,
      ),
    500,
  )
  try {
    const env = Object.fromEntries(
      Object.entries(cli.env).filter((one): one is [string, string] => PASSED.test(one[0]) && one[1] !== undefined),
    )
    env["HOME"] ??= userInfo().homedir
    await stoppable((signal) => installEngine({ home, env, signal }))
  } finally {
    clearInterval(timer)
    progress.end()
  }
  const gateway = await tellGateway(cli)
  const bytes = await sizeOfFolder(engineFolder(home))
  if (flags.json) cli.out.json({ installed: true, version: ENGINE_VERSION, path: engineFolder(home), bytes, gateway })
  else {
    cli.out.line(
      inertLine(`node-llama-cpp ${ENGINE_VERSION} is installed in ${engineFolder(home)} (${bytesOf(bytes)}).`),
    )
    cli.out.line("Models on this machine: pincer models local list")
  }
}

/** Throws Exit(1) when nothing here runs models. */
export async function showEngine(cli: Cli, flags: { json?: boolean }): Promise<void> {
  const { home } = resolvePaths(cli.env, cli.flags)
  const engine = findEngine(home, cli.env["PATH"] ?? "")
  const bytes = engine?.type === "node-llama-cpp" ? await sizeOfFolder(engineFolder(home)) : 0
  if (flags.json)
    cli.out.json({
      installed: engine !== undefined,
      ...engine,
      ...(bytes > 0 ? { bytes } : {}),
      wanted: ENGINE_VERSION,
    })
  else if (!engine) cli.out.line("Nothing here runs model files. To install it: pincer models engine install")
  else if (engine.type === "llama-server") cli.out.line(inertLine(`${engine.path} of this machine runs model files.`))
  else {
    cli.out.line(
      inertLine(`node-llama-cpp ${engine.version} in ${engineFolder(home)} (${bytesOf(bytes)}) runs model files.`),
    )
    if (engine.version !== ENGINE_VERSION)
      cli.out.line(`This Pincer wants ${ENGINE_VERSION}: pincer models engine install`)
  }
  if (!engine) throw new Exit(1)
}

export async function removeEngineHere(cli: Cli, flags: { json?: boolean }): Promise<void> {
  const { home } = resolvePaths(cli.env, cli.flags)
  const removed = await removeEngine(home)
  const gateway = await tellGateway(cli)
  if (flags.json) cli.out.json({ removed, gateway })
  else cli.out.line(removed ? inertLine(`Removed ${engineFolder(home)}.`) : "No engine was installed here.")
}
