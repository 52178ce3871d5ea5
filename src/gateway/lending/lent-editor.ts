// The editor that a client lends, as tools know it: every call becomes an ask of the client. Tools speak of real paths; the client is told
// its own spelling of them, for that is how its buffers are named.
import { join, relative } from "node:path"
import { PincerError } from "../../base/errors.ts"
import { isInside } from "../../policy/places.ts"
import type { Editor, EditorCommand, EditorTerminal } from "../../tools/editor.ts"
import { type AnswerTo, type AskKind, type AskOptions, MAX_TEXT } from "./asks.ts"

/** A folder as the client named it, and where it really is. */
export interface Root {
  given: string
  real: string
}

/** What of its editor a client lends. */
export interface EditorOffer {
  readText: boolean
  writeText: boolean
  terminal: boolean
}

export type AskClient = <K extends AskKind>(what: K, params: unknown, options?: AskOptions) => Promise<AnswerTo<K>>

/** Undefined when the client lends nothing of it. */
export function lentEditor(roots: readonly Root[], offer: EditorOffer, ask: AskClient): Editor | undefined {
  if (!offer.readText && !offer.writeText && !offer.terminal) return undefined
  return {
    roots: roots.map(({ real }) => real),
    ...(offer.readText
      ? {
          readText: async (path: string, signal: AbortSignal) =>
            (await ask("readText", { path: spelled(path, roots) }, { signal })).text,
        }
      : {}),
    ...(offer.writeText
      ? {
          writeText: async (path: string, text: string, signal: AbortSignal) => {
            if (text.length > MAX_TEXT)
              throw new PincerError("TOO_LARGE", `The text has ${text.length} characters: an editor takes ${MAX_TEXT}`)
            await ask("writeText", { path: spelled(path, roots), text }, { signal })
          },
        }
      : {}),
    ...(offer.terminal
      ? { openTerminal: (command: EditorCommand, signal: AbortSignal) => openTerminal(command, roots, ask, signal) }
      : {}),
  }
}

async function openTerminal(
  { args, command, cwd, env, outputByteLimit }: EditorCommand,
  roots: readonly Root[],
  ask: AskClient,
  signal: AbortSignal,
): Promise<EditorTerminal> {
  const params = { command, args, env, cwd: spelled(cwd, roots), outputByteLimit }
  const { terminalId } = await ask("terminal.create", params, { signal })
  const it = { terminalId }
  return {
    id: terminalId,
    output: async () => {
      const { exitCode, output, signal: by, truncated } = await ask("terminal.output", it)
      return {
        output,
        truncated,
        ...(exitCode === undefined ? {} : { exitCode }),
        ...(by === undefined ? {} : { signal: by }),
      }
    },
    exited: (until) => ask("terminal.wait", it, { signal: until }),
    kill: async () => void (await ask("terminal.kill", it)),
    release: async () => void (await ask("terminal.release", it)),
  }
}

/** The client's spelling of a real path. Throws PERMISSION_DENIED outside of what it lends. */
function spelled(path: string, roots: readonly Root[]): string {
  const root = roots.find(({ real }) => isInside(path, real))
  if (!root) throw new PincerError("PERMISSION_DENIED", `${path} lies outside of the folders that the client lends`)
  return join(root.given, relative(root.real, path))
}
