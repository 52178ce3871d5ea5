// Where `pincer config` works: through the gateway that runs on this home, so that a change counts at once; through another one that
// --server names; or on the file itself where none runs. The same checks hold everywhere.
import { systemClock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { runningGateway } from "../config/gateway-file.ts"
import { type Paths, resolvePaths } from "../config/paths.ts"
import type { ConfigEdit } from "../config/revise.ts"
import type { GatewayClient } from "../protocol/client.ts"
import type { Cli } from "./cli.ts"
import { inertLine } from "./inert.ts"

/** What a change did. */
export interface ConfigOutcome {
  path: string
  hash: string
  /** Places that count now in a running gateway. */
  changed: string[]
  /** Places that wait for a restart of a running gateway. */
  restart: string[]
  warnings: string[]
  /** Whether a gateway has taken it. */
  live: boolean
}

export interface ConfigDoor {
  paths: Paths
  /** The gateway that it goes through. */
  client?: GatewayClient
  change(edit: ConfigEdit, baseHash?: string): Promise<ConfigOutcome>
  close(): Promise<void>
}

const METHODS = { set: "config.set", unset: "config.unset", patch: "config.patch" } as const

export async function openDoor(cli: Cli): Promise<ConfigDoor> {
  const paths = resolvePaths(cli.env, cli.flags)
  const client = await gatewayOf(cli, paths)
  if (!client)
    return { paths, change: (edit, hash) => changeHere(cli, paths, edit, hash), close: async () => undefined }
  return {
    paths,
    client,
    change: (edit, hash) => changeThere(client, edit, hash),
    close: async () => client.close(),
  }
}

/** The gateway whose configuration is meant; undefined when that is a file that no gateway has loaded. */
async function gatewayOf(cli: Cli, paths: Paths): Promise<GatewayClient | undefined> {
  const { homeToken, namedGateway, openClient } = await import("./connect.ts")
  if (cli.flags.server !== undefined) {
    const named = namedGateway(cli)
    return named && openClient(cli, named)
  }
  const running = runningGateway(paths.home)
  if (!running) return undefined
  try {
    const token = await homeToken(cli, paths.home)
    const client = await openClient(cli, { url: running.url, token }, { connectTimeoutMs: 5_000 })
    if (client.hello.snapshot?.["configPath"] === paths.config) return client
    client.close()
    return undefined
  } catch (error) {
    // A gateway that does not answer must not keep anybody from mending its configuration: it watches the file.
    if (!(error instanceof PincerError)) throw error
    cli.err.line(`! The gateway at ${running.url} was not asked (${inertLine(error.message)}): the file itself is used`)
    return undefined
  }
}

async function changeHere(cli: Cli, paths: Paths, edit: ConfigEdit, baseHash?: string): Promise<ConfigOutcome> {
  const { changeFile } = await import("../config/change-file.ts")
  const { hash, warnings } = await changeFile({ env: cli.env, paths, clock: systemClock }, edit, baseHash)
  return { path: paths.config, hash, changed: [], restart: [], warnings, live: false }
}

async function changeThere(client: GatewayClient, edit: ConfigEdit, baseHash?: string): Promise<ConfigOutcome> {
  const { method, params } = callOf(edit)
  const answer = await client.request<Record<string, unknown>>(method, {
    ...params,
    ...(baseHash === undefined ? {} : { baseHash }),
  })
  const restart = isObject(answer["restart"]) ? answer["restart"]["paths"] : []
  return {
    path: String(answer["path"]),
    hash: String(answer["hash"]),
    changed: textsOf(answer["changed"]),
    restart: textsOf(restart),
    warnings: textsOf(answer["warnings"]),
    live: true,
  }
}

function callOf(edit: ConfigEdit): { method: string; params: Record<string, unknown> } {
  switch (edit.type) {
    case "set":
      return { method: METHODS.set, params: { key: edit.key, value: edit.value } }
    case "unset":
      return { method: METHODS.unset, params: { key: edit.key } }
    case "patch":
      return { method: METHODS.patch, params: { patch: edit.patch } }
    case "value":
      return { method: METHODS.set, params: { config: edit.value } }
    case "text":
      return { method: METHODS.set, params: { raw: edit.text } }
  }
}

export function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : []
}
