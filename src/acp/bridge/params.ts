// Reading what a client sends: every field is looked at once, here, and a wrong one is named.
import { isAbsolute } from "node:path"
import { asPincerError, PincerError } from "../../base/errors.ts"
import { isObject } from "../../base/json.ts"
import type { McpServer } from "../../protocol/mcp-server.ts"
import { RpcFailure, saidBy } from "../peer.ts"

export type Fields = Record<string, unknown>

export function invalid(text: string): PincerError {
  return new PincerError("INVALID_PARAMS", text)
}

export function fieldsOf(value: unknown): Fields {
  return isObject(value) ? value : {}
}

export function rowsOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

export function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined
}

export function requireText(params: Fields, name: string): string {
  const value = params[name]
  if (typeof value !== "string" || value === "") throw invalid(`${name} is required: a text`)
  return value
}

export function requireCwd(params: Fields): string {
  const { cwd } = params
  if (typeof cwd !== "string" || !isAbsolute(cwd)) throw invalid(`cwd must be an absolute path, not ${shown(cwd)}`)
  return cwd
}

export function directoriesOf(value: unknown): string[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw invalid("additionalDirectories must be a list of absolute paths")
  return value.map((path: unknown) => {
    if (typeof path === "string" && isAbsolute(path)) return path
    throw invalid(`additionalDirectories must hold absolute paths only, not ${shown(path)}`)
  })
}

export function serversOf(value: unknown): McpServer[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw invalid("mcpServers must be a list")
  return value.map((one: unknown, i) => serverOf(fieldsOf(one), `mcpServers[${i}]`))
}

function serverOf(server: Fields, where: string): McpServer {
  const name = server["name"]
  if (typeof name !== "string" || name === "") throw invalid(`${where}.name is required: a text`)
  const type = server["type"] ?? "stdio"
  if (type === "http" || type === "sse") {
    const { url } = server
    if (typeof url !== "string" || !URL.canParse(url)) throw invalid(`${where}.url must be an address`)
    return { type, name, url, headers: pairsOf(server["headers"], `${where}.headers`) }
  }
  if (type !== "stdio")
    throw invalid(`${where} ("${name}"): servers of type ${shown(type)} are not known: use stdio, http or sse`)
  const { command, args = [] } = server
  if (typeof command !== "string" || command === "") throw invalid(`${where}.command is required: a program`)
  if (!Array.isArray(args) || !args.every((arg) => typeof arg === "string"))
    throw invalid(`${where}.args must be a list of texts`)
  return { type, name, command, args, env: pairsOf(server["env"], `${where}.env`) }
}

function pairsOf(value: unknown, where: string): Record<string, string> {
  if (value === undefined || value === null) return {}
  if (!Array.isArray(value)) throw invalid(`${where} must be a list of {name, value}`)
  const pairs = value.map((one: unknown): [string, string] => {
    const { name, value: text } = fieldsOf(one)
    if (typeof name !== "string" || typeof text !== "string") throw invalid(`${where} must hold {name, value} only`)
    return [name, text]
  })
  return Object.fromEntries(pairs)
}

export function shown(value: unknown): string {
  return (JSON.stringify(value) ?? "nothing").slice(0, 200)
}

/** What went wrong, wherever the other side put the useful text. */
export function wordsOf(error: unknown): string {
  return error instanceof RpcFailure ? saidBy(error) : asPincerError(error).message
}
