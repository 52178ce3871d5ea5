// What is piped into the program: the prompt, or what the prompt is about.
import { fstatSync } from "node:fs"
import { PincerError } from "../base/errors.ts"

/** The gateway takes no longer message. */
const MAX_CHARS = 500_000
/** With a prompt on the command line, a pipe on which nothing comes for so long is taken for one that nobody writes to. */
const SILENCE_MS = 1_000

/**
 * All of standard input, or undefined when it is a terminal or closed. `optional`: a pipe in which nothing stirs is left alone,
 * because many programs start others with a pipe that they never use. `named`: it was asked for with "-", whatever it is.
 */
export async function readStdin(
  optional: boolean,
  named = false,
  stdin: NodeJS.ReadStream = process.stdin,
): Promise<string | undefined> {
  if (!named && (stdin.isTTY || !isReadable())) return undefined
  let text = ""
  let silence: NodeJS.Timeout | undefined
  const silent = new Promise<"silent">((resolve) => {
    if (optional && !named) silence = setTimeout(() => resolve("silent"), SILENCE_MS)
  })
  const decoder = new TextDecoder("utf-8")
  const read = new Promise<"end">((resolve, reject) => {
    stdin.on("data", (chunk: Buffer) => {
      clearTimeout(silence)
      text += decoder.decode(chunk, { stream: true })
      if (text.length > MAX_CHARS)
        reject(
          new PincerError(
            "TOO_LARGE",
            `Standard input is longer than ${MAX_CHARS} characters: put it into a file and name it`,
          ),
        )
    })
    stdin.on("end", () => resolve("end"))
    stdin.on("error", reject)
  })
  try {
    const end = await Promise.race([read, silent])
    return end === "end" || text !== "" ? text + decoder.decode() : undefined
  } finally {
    clearTimeout(silence)
    stdin.removeAllListeners("data")
    stdin.pause()
    stdin.unref?.()
  }
}

function isReadable(): boolean {
  try {
    const stat = fstatSync(0)
    return stat.isFile() || stat.isFIFO() || stat.isSocket()
  } catch {
    // Closed.
    return false
  }
}
