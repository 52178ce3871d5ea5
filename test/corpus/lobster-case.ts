// The form of the cases that Lobster and Pincer are compared by: files, and command lines one after the other in one folder and with one state.

export interface LobsterCase {
  name: string
  files?: Readonly<Record<string, string>>
  /** `{token}` and `{id}` stand for those of the last gate that was shown. */
  calls: readonly (readonly string[])[]
  env?: Readonly<Record<string, string>>
  /** Why Pincer answers otherwise: a row of docs/workflows/compatibility.md. */
  differs?: string
  /** Has a recorded answer, and starts no program: part of every run of the tests. */
  quick?: true
}

export interface CallAnswer {
  code: number | null
  /** JSON without what differs from run to run, else the text. */
  said: unknown
}

const OURS = new Set(["runId", "steps", "counts", "spilled", "resumeToken", "approvalId"])

/** What is compared: not tokens, not the wording of errors, not what Pincer says beyond Lobster. */
export function compared(text: string): unknown {
  try {
    return stripped(JSON.parse(text))
  } catch {
    // Text for people.
    return text
  }
}

function stripped(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(stripped)
  if (typeof value !== "object" || value === null) return value
  const isError = "ok" in value && value.ok === false
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, one]): [string, unknown][] => {
      if (OURS.has(key)) return []
      if (isError && key === "error" && typeof one === "object" && one !== null && "type" in one)
        return [[key, { type: one.type }]]
      return [[key, stripped(one)]]
    }),
  )
}

/** The last gate that this output shows. */
export function gateIn(text: string): { token: string; id: string } {
  const last = (name: string) => [...text.matchAll(new RegExp(`"${name}": "([^"]+)"`, "g"))].at(-1)?.[1] ?? "none"
  return { token: last("resumeToken"), id: last("approvalId") }
}

/** A command line with the gate's names filled in. */
export function filled(words: readonly string[], gate: { token: string; id: string }): string[] {
  return words.map((word) => word.replace("{token}", gate.token).replace("{id}", gate.id))
}
