// Workflow files that stand about: in the "workflows" folder of a workspace and of the working directory, and in the latter as *.lobster.
import type { Dirent } from "node:fs"
import { open, readdir } from "node:fs/promises"
import { extname, join } from "node:path"

const KINDS = new Set([".lobster", ".yaml", ".yml", ".json"])
const MAX_FILES = 200
const MAX_BYTES = 256 * 1024

export interface WorkflowFile {
  file: string
  name: string
  description?: string
  args: { name: string; description?: string; required: boolean }[]
  steps: number
  /** Why it cannot be run. */
  problem?: string
}

/** Of these folders, each file once, by path. Folders that are not there hold none. */
export async function workflowFiles(workspace: string, cwd: string): Promise<WorkflowFile[]> {
  const found = await Promise.all([
    filesOf(join(workspace, "workflows"), (name) => KINDS.has(extname(name))),
    filesOf(join(cwd, "workflows"), (name) => KINDS.has(extname(name))),
    filesOf(cwd, (name) => extname(name) === ".lobster"),
  ])
  const files = [...new Set(found.flat())].sort().slice(0, MAX_FILES)
  return Promise.all(files.map(look))
}

async function filesOf(folder: string, wanted: (name: string) => boolean): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((): Dirent[] => [])
  return entries.filter((entry) => entry.isFile() && wanted(entry.name)).map((entry) => join(folder, entry.name))
}

async function look(file: string): Promise<WorkflowFile> {
  const unknown = (problem: string): WorkflowFile => ({ file, name: file, args: [], steps: 0, problem })
  const text = await beginning(file)
  if (text === undefined) return unknown(`it cannot be read, or is longer than ${MAX_BYTES} bytes`)
  const { readWorkflow } = await import("../../workflow/file/read.ts")
  const { definition, problems } = readWorkflow(text, file)
  const wrong = problems.find(({ level }) => level === "error")
  if (!definition) return unknown(wrong?.message ?? "it is no workflow")
  const { args, description, name, steps } = definition
  return {
    file,
    name: name ?? file,
    ...(description === undefined ? {} : { description }),
    args: Object.entries(args).map(([arg, about]) => ({
      name: arg,
      ...(about.description === undefined ? {} : { description: about.description }),
      required: about.required === true && about.default === undefined,
    })),
    steps: steps.length,
    ...(wrong ? { problem: wrong.message } : {}),
  }
}

/** Undefined when it is too long, or gone. */
async function beginning(file: string): Promise<string | undefined> {
  try {
    const handle = await open(file, "r")
    try {
      const { size } = await handle.stat()
      return size > MAX_BYTES ? undefined : await handle.readFile("utf8")
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (error instanceof Error) return undefined
    throw error
  }
}
