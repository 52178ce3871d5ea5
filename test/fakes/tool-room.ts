// A folder to work in and the context a tool runs with. The folder goes when the test ends.
import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import type { TestContext } from "node:test"
import { systemClock } from "../../src/base/clock.ts"
import { parseWith } from "../../src/base/schema.ts"
import type { Tool, ToolContext, ToolResult, ToolSettings } from "../../src/tools/tool.ts"

export interface ToolRoom {
  cwd: string
  context: ToolContext
  /** Where it may write besides: a folder outside the working directory. */
  outside: string
  path(name: string): string
  put(name: string, content: string | Buffer): Promise<string>
  /** Parses, touches and runs, as a turn does. */
  call<A>(tool: Tool<A>, args: Record<string, unknown>, more?: Partial<ToolContext>): Promise<ToolResult>
}

export const toolSettings: ToolSettings = {
  maxOutputChars: 30_000,
  exec: {
    timeoutMs: 20_000,
    maxTimeoutMs: 60_000,
    shell: "/bin/sh",
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", HOME: tmpdir() },
  },
  fetch: { timeoutMs: 10_000, maxBytes: 1_000_000, allowHosts: [] },
  search: { service: "duckduckgo", apiKey: () => undefined },
}

export async function toolRoom(t: TestContext, settings: Partial<ToolSettings> = {}): Promise<ToolRoom> {
  const base = await realpath(await mkdtemp(join(tmpdir(), "tools-")))
  t.after(() => rm(base, { recursive: true, force: true }))
  const [cwd, outside] = [join(base, "work"), join(base, "outside")]
  await mkdir(cwd)
  await mkdir(outside)
  const context: ToolContext = {
    cwd,
    notes: new Map(),
    signal: new AbortController().signal,
    clock: systemClock,
    progress: () => undefined,
    launch: async (program) => ({ ...program, close: async () => undefined }),
    settings: { ...toolSettings, ...settings },
  }
  const path = (name: string) => join(cwd, name)
  return {
    cwd,
    outside,
    context,
    path,
    async put(name, content) {
      await mkdir(dirname(path(name)), { recursive: true })
      await writeFile(path(name), content)
      return path(name)
    },
    async call(tool, args, more = {}) {
      const parsed = parseWith(tool.args, args, tool.name)
      return tool.run(parsed, {
        ...context,
        judged: await tool.touch(parsed, cwd, more.settings ?? context.settings),
        ...more,
      })
    },
  }
}

/** The text of a result. */
export function textIn(result: ToolResult): string {
  return result.content.map((part) => (part.type === "text" ? part.text : `[${part.mimeType}]`)).join("\n")
}
