// `pincer mcp login` and `logout`: the gateway asks for the tokens and keeps them; here the page is shown, and the browser's answer is
// waited for on a port of 127.0.0.1, or pasted where the browser is on another machine.
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { createInterface } from "node:readline"
import { PincerError } from "../base/errors.ts"
import type { Cli } from "./cli.ts"
import { inert } from "./inert.ts"
import { askMcp, type McpRow, only, rowsIn } from "./mcp.ts"

interface LoginFlags {
  /** false: with --no-browser. */
  browser: boolean
  timeout?: string
  json?: boolean
}

const PATH = "/callback"
/** Of addresses that nobody listens at: what the browser shows there does not matter. */
const NOWHERE_PORT = 8976

export async function logIn(
  cli: Cli,
  server: string,
  flags: LoginFlags,
  input: NodeJS.ReadableStream = process.stdin,
): Promise<void> {
  const patience = patienceOf(flags.timeout)
  const [row] = rowsIn(await askMcp(cli, "mcp.status", only(server)), "servers")
  const port = typeof row?.["redirectPort"] === "number" ? row["redirectPort"] : undefined
  const answer = flags.browser
    ? await byBrowser(cli, server, port, patience)
    : await byPaste(cli, server, port ?? NOWHERE_PORT, input)
  if (flags.json) {
    cli.out.json(answer)
    return
  }
  const { out } = cli
  const tools = typeof answer["tools"] === "number" ? `: ${answer["tools"]} tools` : ""
  out.line(`${out.paint("✓", "green")} Signed in at ${inert(server)}${answer["connected"] === true ? tools : ""}`)
  if (typeof answer["problem"] === "string") cli.err.line(`${cli.err.paint("!", "yellow")} ${inert(answer["problem"])}`)
}

export async function logOut(cli: Cli, server: string, flags: { json?: boolean }): Promise<void> {
  const answer = await askMcp(cli, "mcp.logout", { server })
  if (flags.json) {
    cli.out.json(answer)
    return
  }
  if (answer["signedIn"] !== true) {
    cli.out.line(`Nobody was signed in at ${inert(server)}.`)
    return
  }
  const back = answer["revoked"] === true ? ", and its tokens were taken back" : ""
  cli.out.line(`Signed out of ${inert(server)}${back}.`)
  if (answer["revoked"] !== true)
    cli.err.line(
      `! ${inert(typeof answer["problem"] === "string" ? answer["problem"] : "Its sign-in service takes no tokens back")}: what was given may count there until it ends`,
    )
}

function patienceOf(seconds: string | undefined): number | undefined {
  if (seconds === undefined) return undefined
  const value = Number(seconds)
  if (Number.isInteger(value) && value >= 1 && value <= 600) return value * 1_000
  throw new PincerError("INVALID_PARAMS", `--timeout: "${seconds}" is no number of seconds from 1 to 600`)
}

async function begin(cli: Cli, server: string, port: number): Promise<{ url: string; expiresAt: number }> {
  const answer = await askMcp(cli, "mcp.login", { server, redirectUri: `http://127.0.0.1:${port}${PATH}` })
  const { expiresAt, url } = answer
  if (typeof url !== "string" || !/^https?:\/\//.test(url))
    throw new PincerError("UNAVAILABLE", "The gateway named no page to open")
  return { url, expiresAt: typeof expiresAt === "number" ? expiresAt : Date.now() + 600_000 }
}

async function byBrowser(cli: Cli, server: string, wanted: number | undefined, patience?: number): Promise<McpRow> {
  const outcome = Promise.withResolvers<McpRow>()
  const door = createServer((request, response) => {
    hear(cli, server, request, response, outcome).catch(outcome.reject)
  })
  door.listen(wanted ?? 0, "127.0.0.1")
  await once(door, "listening").catch((error: unknown) => {
    throw new PincerError(
      "UNAVAILABLE",
      `Port ${wanted} of this machine is taken: ${String(error)}. --no-browser does without`,
    )
  })
  let late: NodeJS.Timeout | undefined
  try {
    const { url, expiresAt } = await begin(cli, server, (door.address() as AddressInfo).port)
    tellPage(cli, url, "Waiting for the browser. On a machine without one, stop this and add --no-browser.")
    open(cli, url)
    late = setTimeout(
      () =>
        outcome.reject(
          new PincerError("TIMEOUT", `Nobody signed in at ${server} in time: type "pincer mcp login ${server}" again`),
        ),
      patience ?? Math.max(1_000, expiresAt - Date.now()),
    )
    return await outcome.promise
  } finally {
    clearTimeout(late)
    // The page that says so is still on its way.
    door.close()
    door.closeIdleConnections()
  }
}

/** What is no answer of this sign-in is refused, and the wait goes on. */
async function hear(
  cli: Cli,
  server: string,
  request: IncomingMessage,
  response: ServerResponse,
  outcome: PromiseWithResolvers<McpRow>,
): Promise<void> {
  const say = (status: number, words: string) => {
    const headers = { "content-type": "text/plain; charset=utf-8", connection: "close", "cache-control": "no-store" }
    response.writeHead(status, { ...headers, "content-security-policy": "default-src 'none'" }).end(`${words}\n`)
  }
  const [path, query = ""] = (request.url ?? "").split("?")
  const own = `127.0.0.1:${request.socket.localPort}`
  if (request.method !== "GET" || path !== PATH || request.headers.host !== own) {
    say(404, "Nothing is here.")
    return
  }
  try {
    const answer = await askMcp(cli, "mcp.login.finish", { server, answer: query === "" ? "?" : query })
    say(200, "Signed in. This page can be closed.")
    outcome.resolve(answer)
  } catch (error) {
    const known = error instanceof PincerError ? error : undefined
    say(400, known?.message ?? "That did not work.")
    if (!isForeign(known)) outcome.reject(error)
  }
}

/** Somebody else's answer, or a page that was opened twice: the right one may still come. */
function isForeign(error: PincerError | undefined): boolean {
  return error?.message.includes("does not belong to the sign-in") ?? false
}

async function byPaste(cli: Cli, server: string, port: number, input: NodeJS.ReadableStream): Promise<McpRow> {
  const { url } = await begin(cli, server, port)
  tellPage(
    cli,
    url,
    `The browser ends at an address that begins with http://127.0.0.1:${port}${PATH} and shows nothing there. Paste that whole address here:`,
  )
  const lines = createInterface({ input })
  try {
    for await (const line of lines) {
      const pasted = line.trim()
      if (pasted === "") continue
      try {
        return await askMcp(cli, "mcp.login.finish", { server, answer: pasted })
      } catch (error) {
        if (!(error instanceof PincerError) || !isForeign(error)) throw error
        cli.err.line(
          `${cli.err.paint("!", "yellow")} ${inert(error.message)}. Paste the whole address, from http:// to its end:`,
        )
      }
    }
  } finally {
    lines.close()
  }
  throw new PincerError("ABORTED", `Nothing was pasted, so nobody is signed in at ${server}`)
}

/** On standard error: standard output is for the outcome. */
function tellPage(cli: Cli, url: string, next: string): void {
  cli.err.line(`Open this page to sign in:\n\n  ${inert(url)}\n\n${next}`)
}

function open(cli: Cli, url: string): void {
  const { DISPLAY, WAYLAND_DISPLAY } = cli.env
  const program =
    process.platform === "darwin"
      ? "open"
      : process.platform === "linux" && (DISPLAY || WAYLAND_DISPLAY)
        ? "xdg-open"
        : undefined
  if (!cli.interactive || program === undefined) return
  const child = spawn(program, [url], { stdio: "ignore", detached: true, env: { ...cli.env } })
  // The page stands on the screen for whoever has no such program.
  child.on("error", () => undefined)
  child.unref()
}
