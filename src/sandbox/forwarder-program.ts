// How a program gets its way out inside a sandbox without network: the forwarder (forwarder.ts) is started instead, listens on the
// sandbox's own loopback, relays to the bound-in socket of the egress, and starts the program with the proxy variables set.
import { fileURLToPath } from "node:url"
import type { Egress } from "./egress.ts"
import type { Program } from "./sandbox.ts"

/** To be bound read-only into the sandbox, file on file. */
export interface ForwarderBind {
  from: string
  to: string
}

export interface ForwardedProgram {
  program: Program
  /** The socket, Node and the forwarder: outside paths and where they must be inside. */
  bind: readonly ForwarderBind[]
  /** The proxy variables; already part of the program's environment. */
  env: Readonly<Record<string, string>>
}

/** Inside, apart from everything that a profile mounts. */
export const FORWARDER_FOLDER = "/run/pincer"

const PROXY_PORT = 3128
/** Below it an unprivileged program cannot listen: such services are reached through the proxy only. */
const FIRST_FREE_PORT = 1024
/** Would change how the forwarder's own Node starts: handed through to the program under this prefix. */
const KEPT = /^(NODE_|LD_|OPENSSL_)/
export const KEPT_PREFIX = "PINCER_KEPT_"

/** Also needed inside: the system libraries that Node is linked with, a /proc, and an own network namespace with loopback up. */
export function forwardedProgram(
  program: Program,
  egress: Pick<Egress, "socketPath">,
  loopbackPorts: readonly number[],
): ForwardedProgram {
  const source = import.meta.url.endsWith(".ts") ? "forwarder.ts" : "forwarder.js"
  const inside = {
    socket: `${FORWARDER_FOLDER}/out`,
    node: `${FORWARDER_FOLDER}/node`,
    entry: `${FORWARDER_FOLDER}/${source}`,
  }
  let proxyPort = PROXY_PORT
  while (loopbackPorts.includes(proxyPort)) proxyPort += 1
  const ports = [...new Set(loopbackPorts)].filter((port) => port >= FIRST_FREE_PORT)
  const task = JSON.stringify({ socket: inside.socket, port: proxyPort, forward: ports })
  const env = proxyEnvironment(proxyPort)
  const kept = Object.entries({ ...program.env, ...env }).map(([name, value]) => [
    KEPT.test(name) ? KEPT_PREFIX + name : name,
    value,
  ])
  return {
    program: {
      file: inside.node,
      args: ["--disable-sigusr1", "--no-warnings", inside.entry, task, program.file, ...program.args],
      cwd: program.cwd,
      env: Object.fromEntries(kept),
    },
    bind: [
      { from: egress.socketPath, to: inside.socket },
      { from: process.execPath, to: inside.node },
      { from: fileURLToPath(new URL(`./${source}`, import.meta.url)), to: inside.entry },
    ],
    env,
  }
}

/**
 * NO_PROXY is set and empty: a list from elsewhere would send clients around the proxy, into a network that is not there. ALL_PROXY
 * names the HTTP proxy: common clients refuse to start when it names a SOCKS proxy and an optional package is missing.
 */
export function proxyEnvironment(port: number): Record<string, string> {
  const proxy = `http://127.0.0.1:${port}`
  const lower = { http_proxy: proxy, https_proxy: proxy, all_proxy: proxy, no_proxy: "" }
  const upper = Object.entries(lower).map(([name, value]) => [name.toUpperCase(), value])
  // Node's own fetch looks at the variables only when it is told to.
  return { ...lower, ...Object.fromEntries(upper), NODE_USE_ENV_PROXY: "1" }
}
