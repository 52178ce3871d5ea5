// awk and sed are languages: only programs of a small, plain part of them are known not to run anything or write files.
type Words = readonly (string | null)[]

/** Undefined when the awk program only prints: no system(), pipes, files, includes or input from commands. */
export function whyAwkRuns(args: Words): string | undefined {
  let at = 0
  for (; at < args.length; at++) {
    const word = args[at]
    if (word === null || word === undefined) return ""
    if (word === "-F" || word === "-v") at++
    else if (!/^-[Fv]./.test(word)) break
  }
  const program = args[at]
  if (program === null || program === undefined || program.startsWith("-")) return (program ?? "").slice(0, 40)
  const runs = /[|>@]|system|getline|close|fflush/.test(program)
  return runs ? "with system(), a pipe or a file" : undefined
}

/** Undefined when every sed script is one plain command: p, d, q, =, or s without its e and w flags. */
export function whySedRuns(args: Words): string | undefined {
  let scripts = 0
  for (let at = 0; at < args.length; at++) {
    const word = args[at]
    if (word === null || word === undefined) return ""
    if (word === "-e" || word === "--expression") {
      if (!plainSed(args[++at] ?? "")) return "with a script that is more than one plain command"
      scripts++
    } else if (/^-[nErsz]+$/.test(word) || /^-i$/.test(word) || word === "--quiet" || word === "--silent") continue
    else if (word.startsWith("-")) return word.slice(0, 40)
    else if (scripts === 0) {
      if (args.slice(at + 1).some((later) => later === null || later.startsWith("-")))
        return "with options after its script"
      return plainSed(word) ? undefined : "with a script that is more than one plain command"
    }
  }
  return scripts > 0 ? undefined : ""
}

function plainSed(script: string): boolean {
  if (script.length > 2_000 || script.includes("\n")) return false
  const address = String.raw`(?:\d+|\$|/(?:[^/\\]|\\[^\n])*/)`
  const command = new RegExp(`^(?:${address}(?:,${address})?)?\\s*(?:[pdq=]|(s.*))$`, "u").exec(script)
  return command !== null && (command[1] === undefined || plainSubstitution(command[1]))
}

function plainSubstitution(command: string): boolean {
  const mark = command[1]
  if (mark === undefined || mark === "\\" || /[\w\s]/.test(mark)) return false
  const pieces: string[] = [""]
  for (let at = 2; at < command.length; at++) {
    const char = command[at]!
    if (char === mark) pieces.push("")
    else if (char === "\\") pieces[pieces.length - 1] += char + (command[++at] ?? "")
    else pieces[pieces.length - 1] += char
  }
  // A mark within [brackets] may or may not end a piece: such are left to people.
  return (
    pieces.length === 3 &&
    !pieces.some((piece) => piece.includes("[") && piece.includes("\\")) &&
    /^[gIip\d]*$/.test(pieces[2]!)
  )
}
