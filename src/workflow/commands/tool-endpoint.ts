// The tool endpoint of an OpenClaw gateway: where it is, who may send a token there, and what its answers mean.
import { isIP } from "node:net"
import { PincerError } from "../../base/errors.ts"
import type { CommandContext, StageArgs } from "../command.ts"
import { isRecord, textArg } from "./items.ts"

export interface Endpoint {
  url: string
  headers: Record<string, string>
}

/**
 * From --url and --token, else from the environment. A token of the environment goes to this machine only: a URL is easily somebody else's.
 * Undefined when there is no URL.
 */
export function gatewayEndpoint(args: StageArgs, { env }: CommandContext, command: string): Endpoint | undefined {
  const base = textArg(args, "url") ?? env["OPENCLAW_URL"] ?? env["CLAWD_URL"]
  if (base === undefined || base === "") return undefined
  const url = urlOf(base, command)
  const given = textArg(args, "token")
  const ambient = env["OPENCLAW_TOKEN"] ?? env["CLAWD_TOKEN"]
  if (given === undefined && ambient !== undefined && ambient !== "" && !isLocal(url))
    throw new PincerError(
      "PERMISSION_DENIED",
      `${command} sends the token of the environment to this machine only, not to ${url.host}: give one with --token`,
    )
  return { url: new URL("/tools/invoke", url).href, headers: bearer(given ?? ambient) }
}

export function urlOf(text: string, command: string): URL {
  if (URL.canParse(text)) return new URL(text)
  throw new PincerError("INVALID_PARAMS", `${command}: "${text}" is not a URL`)
}

export function bearer(token: string | undefined): Record<string, string> {
  const auth: Record<string, string> = token === undefined || token === "" ? {} : { authorization: `Bearer ${token}` }
  return { "content-type": "application/json", ...auth }
}

function isLocal({ hostname }: URL): boolean {
  const host = hostname.replace(/^\[|\]$/g, "")
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."))
}

/** Posts JSON; what the answer says. Throws when it is a refusal or no JSON. */
export async function posted(endpoint: Endpoint, body: unknown, context: CommandContext, command: string) {
  const { headers, url } = endpoint
  const answer = await context.fetch({ url, method: "POST", headers, body: JSON.stringify(body) })
  if (answer.status < 200 || answer.status >= 300)
    throw new Error(`${command} failed (${answer.status}): ${answer.text.slice(0, 2_000)}`)
  return resultOf(answer.text, command)
}

function resultOf(text: string, command: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Error(`${command}: the answer is no JSON`, { cause: error })
  }
  if (!isRecord(value) || typeof value["ok"] !== "boolean") return value
  if (value["ok"]) return "result" in value ? value["result"] : value
  const { error } = value
  const message = isRecord(error) && typeof error["message"] === "string" ? error["message"] : JSON.stringify(error)
  throw new Error(`${command}: the tool failed: ${message}`)
}
