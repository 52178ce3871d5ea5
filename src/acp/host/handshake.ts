// What we say of ourselves in initialize, and what an agent's answer means, in one shape for both versions. Read leniently: a field of
// the wrong kind is absent.
import { PincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import type { AgentAbilities, AgentFacts, AuthMethod } from "./host-ports.ts"

type Fields = Record<string, unknown>

export interface Greeting {
  protocol: 1 | 2
  clientName: string
  version: string
}

/** Who asks for version 2 may have to talk version 1: then the fields of both stand side by side. */
export function initializeParams({ clientName, protocol, version }: Greeting): Fields {
  const info = { name: clientName, title: "Pincer", version }
  const elicitation = { form: {}, url: {} }
  const one = {
    clientCapabilities: {
      fs: { readTextFile: true, writeTextFile: true },
      terminal: true,
      session: { configOptions: { boolean: {} }, notices: {}, compaction: {} },
      elicitation,
      plan: {},
      subagents: {},
      // How agents are told that the output of their own terminals is shown.
      _meta: { terminal_output: true },
    },
    clientInfo: info,
  }
  if (protocol === 1) return { protocolVersion: 1, ...one }
  return { protocolVersion: 2, info, capabilities: { elicitation }, ...one }
}

/** Throws UNAVAILABLE when it is no answer, or speaks a version that we do not. */
export function agentFacts(answer: unknown, who: string): AgentFacts {
  if (!isObject(answer)) throw new PincerError("UNAVAILABLE", `${who} answered initialize with nothing readable`)
  const protocol = answer["protocolVersion"]
  if (protocol !== 1 && protocol !== 2) {
    const said = JSON.stringify(protocol) ?? "no version"
    const message = `${who} speaks version ${said} of ACP; Pincer speaks 1 and 2: update one of the two`
    throw new PincerError("UNAVAILABLE", message, { retryable: false })
  }
  const info = objectOf(answer[protocol === 1 ? "agentInfo" : "info"])
  return {
    protocol,
    ...named(info, "name"),
    ...named(info, "title"),
    ...named(info, "version"),
    abilities: protocol === 1 ? abilitiesV1(answer) : abilitiesV2(answer),
    authMethods: listOf(answer["authMethods"]).flatMap(authMethod),
  }
}

function abilitiesV1(answer: Fields): AgentAbilities {
  const all = objectOf(answer["agentCapabilities"])
  const session = objectOf(all["sessionCapabilities"])
  const prompt = objectOf(all["promptCapabilities"])
  const mcp = objectOf(all["mcpCapabilities"])
  return {
    load: all["loadSession"] === true,
    resume: offered(session["resume"]),
    list: offered(session["list"]),
    close: offered(session["close"]),
    delete: offered(session["delete"]),
    fork: offered(session["fork"]),
    image: prompt["image"] === true,
    audio: prompt["audio"] === true,
    embeddedContext: prompt["embeddedContext"] === true,
    http: mcp["http"] === true,
    sse: mcp["sse"] === true,
    systemPrompt: offered(session["systemPrompt"]),
  }
}

function abilitiesV2(answer: Fields): AgentAbilities {
  const session = objectOf(objectOf(answer["capabilities"])["session"])
  const prompt = objectOf(session["prompt"])
  return {
    // Whoever has sessions has these.
    ...{ load: false, resume: true, list: true, close: true, sse: false },
    delete: offered(session["delete"]),
    fork: offered(session["fork"]),
    image: offered(prompt["image"]),
    audio: offered(prompt["audio"]),
    embeddedContext: offered(prompt["embeddedContext"]),
    http: offered(objectOf(session["mcp"])["http"]),
    systemPrompt: offered(session["systemPrompt"]),
  }
}

function authMethod(value: unknown): AuthMethod[] {
  const one = objectOf(value)
  const id = textOf(one["id"]) ?? textOf(one["methodId"])
  if (id === undefined) return []
  const meta = objectOf(one["_meta"])
  const variables = listOf(one["vars"]).flatMap((variable) => textOf(objectOf(variable)["name"]) ?? [])
  return [
    {
      id,
      name: textOf(one["name"]) ?? id,
      ...named(one, "description"),
      type: textOf(one["type"]) ?? "agent",
      variables: variables.filter((name) => /^[A-Za-z_]\w*$/.test(name)),
      ...("api-key" in meta ? { metaKey: "api-key" } : {}),
    },
  ]
}

/** A marker of v1 and v2: an object, or true where an agent takes it for a switch. */
function offered(value: unknown): boolean {
  return value === true || isObject(value)
}

function objectOf(value: unknown): Fields {
  return isObject(value) ? value : {}
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value.slice(0, 100) : []
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined
}

function named<K extends string>(from: Fields, key: K): { [key in K]?: string } {
  const text = textOf(from[key])
  return (text === undefined ? {} : { [key]: text }) as { [key in K]?: string }
}
