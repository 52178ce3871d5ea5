// What MCP servers said of themselves when they were last asked, a small file each, so that turns need not wait for servers to start.
// What cannot be read or was asked under another configuration is asked again.
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { makeFolder } from "../../base/folder.ts"
import { isObject, parseJson } from "../../base/json.ts"
import type { Logger } from "../../base/log.ts"
import type { ServerListing } from "../../tools/mcp/ports.ts"

const MAX_BYTES = 4 * 1024 * 1024

export class ListingShelf {
  readonly #folder: string
  readonly #log: Logger

  constructor(folder: string, log: Logger) {
    this.#folder = folder
    this.#log = log
  }

  /** `key`: stands for how the server is reached. */
  read(server: string, key: string): ServerListing | undefined {
    let text: string
    try {
      text = readFileSync(this.#path(server), "utf8")
    } catch (error) {
      if (!isAbsent(error)) this.#log.warn({ err: error, server }, "What an MCP server offered could not be read")
      return undefined
    }
    try {
      return listingIn(parseJson(text), key)
    } catch (error) {
      this.#log.warn({ err: error, server }, "What an MCP server offered is asked again: the file is damaged")
      return undefined
    }
  }

  write(server: string, key: string, listing: ServerListing): void {
    const text = JSON.stringify({ key, ...listing })
    const path = this.#path(server)
    try {
      if (Buffer.byteLength(text) > MAX_BYTES) {
        rmSync(path, { force: true })
        return
      }
      makeFolder(this.#folder)
      writeFileSync(`${path}.next`, text, { mode: 0o600 })
      renameSync(`${path}.next`, path)
    } catch (error) {
      this.#log.warn({ err: error, server }, "What an MCP server offers could not be kept: it is asked again")
    }
  }

  #path(server: string): string {
    return join(this.#folder, `${server.toLowerCase()}.json`)
  }
}

function listingIn(value: unknown, key: string): ServerListing | undefined {
  if (!isObject(value) || value["key"] !== key || !Array.isArray(value["tools"])) return undefined
  const { promptList, prompts, resources } = value
  const beside = Array.isArray(promptList) ? { promptList: promptList as readonly unknown[] } : {}
  return { tools: value["tools"], resources: resources === true, prompts: prompts === true, ...beside }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT"
}
