// What became of updates: a small file in the home, so that the program that comes after a restart can say it, whatever its database is like.
import { readFile, rename, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { z } from "zod"

export const updateStep = () =>
  z.object({
    name: z.enum(["install", "verify", "put back", "verify old"]),
    command: z.string(),
    cwd: z.string(),
    durationMs: z.number(),
    exitCode: z.number().nullable(),
    stdoutTail: z.string().optional(),
  })

/** `restarting`: installed, and the old program is on its way out. `done`: the new program runs. `installed`: it waits for a restart by hand. */
export const updateRun = () =>
  z.object({
    id: z.string(),
    state: z.enum(["running", "restarting", "installed", "done", "failed", "skipped"]),
    from: z.string().describe("The version before"),
    target: z.string().describe("The version that was asked for"),
    version: z.string().describe("The version that was there at the end"),
    root: z.string().describe("The folder of the package"),
    reason: z.string().optional(),
    steps: z.array(updateStep()),
    startedAt: z.number(),
    endedAt: z.number().nullable(),
    note: z.string().optional(),
    sessionKey: z.string().optional(),
    continuationMessage: z.string().optional(),
  })

export type UpdateRun = z.infer<ReturnType<typeof updateRun>>

const KEPT = 20
const file = () => z.object({ runs: z.array(updateRun()) })

export class UpdateRecord {
  readonly path: string

  constructor(home: string) {
    this.path = join(home, "update-runs.json")
  }

  /** Newest first; none when there is no file, or none that can be read. */
  async runs(): Promise<UpdateRun[]> {
    const text = await readFile(this.path, "utf8").catch(() => undefined)
    if (text === undefined) return []
    try {
      return file().parse(JSON.parse(text)).runs
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof z.ZodError) return []
      throw error
    }
  }

  /** Adds a run, or replaces the one of its id. */
  async put(run: UpdateRun): Promise<void> {
    const others = (await this.runs()).filter(({ id }) => id !== run.id)
    const runs = [run, ...others].slice(0, KEPT)
    await writeFile(`${this.path}.tmp`, JSON.stringify({ runs }, null, 2), { mode: 0o600, flush: true })
    await rename(`${this.path}.tmp`, this.path)
  }
}
