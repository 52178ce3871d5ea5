// A case of the conformance set: files, command lines one after another, and what both programs must agree on. Written from the description of
// Lobster's language, not from its tests.

export interface Call {
  /** Words after the program's name. "{token}" and "{id}" are those that the call before told. */
  argv: readonly string[]
  env?: Readonly<Record<string, string>>
}

export interface Case {
  name: string
  /** Written into the folder where the calls work. */
  files?: Readonly<Record<string, string>>
  calls: readonly Call[]
  /** Set where we answer otherwise on purpose: the row of docs/workflows/compatibility.md that says why. */
  differs?: string
}

/** One call in tool mode. */
export function tool(...argv: string[]): Call {
  return { argv: ["run", "--mode", "tool", ...argv] }
}

/** One call whose output is for people. */
export function human(...argv: string[]): Call {
  return { argv: ["run", ...argv] }
}

export const approve: Call = { argv: ["resume", "--token", "{token}", "--approve", "yes"] }
export const reject: Call = { argv: ["resume", "--token", "{token}", "--approve", "no"] }
export const cancel: Call = { argv: ["resume", "--token", "{token}", "--cancel"] }

export function respond(value: unknown): Call {
  return { argv: ["resume", "--token", "{token}", "--response-json", JSON.stringify(value)] }
}

/** A pipeline in tool mode, named after itself. */
export function line(name: string, text: string, differs?: string): Case {
  return { name, calls: [tool(text)], ...(differs === undefined ? {} : { differs }) }
}

/** A workflow file in tool mode, with further words. */
export function flow(name: string, yaml: string, ...words: string[]): Case {
  return { name, files: { "w.lobster": yaml }, calls: [tool("w.lobster", ...words)] }
}
