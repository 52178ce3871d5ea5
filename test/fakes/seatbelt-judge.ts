// What the rules of macOS's sandbox say of one act, decided as macOS does: by the last rule that matches. Knows the filters that are written for
// confined programs and throws for any other, so that nothing is passed over.
import { type Form, type FormList, head, readRules, ruleOf, written } from "../../src/sandbox/seatbelt-reader.ts"

export interface Act {
  /** "file-read-data", "network-outbound". */
  operation: string
  path?: string
  isFolder?: boolean
  /** Of a connection: "localhost:5432". */
  remote?: string
  service?: string
}

export class SeatbeltJudge {
  readonly #rules

  constructor(source: string) {
    const [, ...rules] = readRules(source)
    this.#rules = rules.map(ruleOf)
  }

  /** Throws when it matters how macOS weighs a rule for one operation against a later one for all of a kind: it is said to do both. */
  allows(act: Act): boolean {
    const matching = this.#rules.filter(
      ({ filters, operations }) =>
        operations.some((one) => isOf(act.operation, one)) &&
        (filters.length === 0 || filters.some((filter) => matches(filter, act))),
    )
    const last = matching.at(-1)?.action
    const exact = matching.findLast(({ operations }) => operations.includes(act.operation))?.action
    if (exact !== undefined && exact !== last)
      throw new TypeError(`It is not clear whether ${JSON.stringify(act)} is allowed`)
    return last === "allow"
  }

  canRead(path: string): boolean {
    return this.allows({ operation: "file-read-data", path })
  }

  canWrite(path: string): boolean {
    return ["file-write-data", "file-write-create"].every((operation) => this.allows({ operation, path }))
  }

  canMove(path: string): boolean {
    return this.allows({ operation: "file-write-unlink", path })
  }

  canSee(path: string, isFolder = false): boolean {
    return this.allows({ operation: "file-read-metadata", path, isFolder })
  }

  canConnect(remote: string): boolean {
    return this.allows({ operation: "network-outbound", remote })
  }

  /** Every path that a rule about files names. */
  get paths(): string[] {
    const found = new Set<string>()
    const collect = (form: Form): void => {
      if (form.type !== "list") return
      const [, text] = form.items
      if (["subpath", "literal"].includes(head(form)) && text?.type === "text") found.add(text.text)
      form.items.forEach(collect)
    }
    for (const { filters } of this.#rules) filters.forEach(collect)
    return [...found].sort()
  }
}

function isOf(operation: string, named: string): boolean {
  return named === "default" || named === operation || (named.endsWith("*") && operation.startsWith(named.slice(0, -1)))
}

function matches(filter: FormList, act: Act): boolean {
  const inner = filter.items.filter((item): item is FormList => item.type === "list")
  const [, first, second] = filter.items.map((item) => (item.type === "list" ? "" : item.text))
  const { path = "" } = act
  switch (head(filter)) {
    case "require-all":
      return inner.every((one) => matches(one, act))
    case "require-not":
      return !inner.some((one) => matches(one, act))
    case "subpath":
      return path === first || path.startsWith(first === "/" ? "/" : `${first}/`)
    case "literal":
      return path === first
    case "regex":
      return new RegExp(first ?? "").test(path)
    case "vnode-type":
      return (first === "DIRECTORY") === (act.isFolder === true)
    case "remote":
      return act.remote === second
    case "global-name":
      return act.service === first
    // About more than an act says here: it may match.
    case "target":
    case "socket-domain":
    case "socket-protocol":
    case "iokit-registry-entry-class":
    case "iokit-user-client-class":
    case "sysctl-name":
    case "sysctl-name-prefix":
      return true
    default:
      throw new TypeError(`The filter ${written(filter)} is not known here`)
  }
}
