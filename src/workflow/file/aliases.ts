// Puts in place of every alias what it stands for, so that places and values are at hand, and finds keys that stand twice. A file of a few lines
// can stand for gigabytes this way: what aliases add is bounded. Each part is looked at once, however often it is named.
import { isAlias, isMap, isPair, isScalar, isSeq, type Node } from "yaml"

/** Lists and objects within each other. */
export const MAX_DEPTH = 200
/** What all aliases of a file may add: values, and pieces of long texts. */
const MAX_ADDED = 100_000
const PIECE = 32

type Note = (message: string, offset: number | undefined) => void

interface Part {
  node: Node | null
  /** Values in it, with those of its aliases. */
  weight: number
}

/** Undefined: something is wrong, and it was noted. Throws a RangeError for what nests too deeply. */
export function withoutAliases(contents: Node | null, uniqueKeys: boolean, note: Note): Node | null | undefined {
  const all = new Unfolding(uniqueKeys, note)
  const { node } = all.part(contents)
  return all.sound ? node : undefined
}

class Unfolding {
  readonly #uniqueKeys: boolean
  readonly #note: Note
  /** By anchor; without a part while it is open. */
  readonly #anchors = new Map<string, Part | undefined>()
  #added = 0
  #depth = 0
  sound = true

  constructor(uniqueKeys: boolean, note: Note) {
    this.#uniqueKeys = uniqueKeys
    this.#note = note
  }

  part(node: unknown): Part {
    if (isAlias(node)) return this.#named(node)
    const anchor = isScalar(node) || isMap(node) || isSeq(node) ? node.anchor : undefined
    if (anchor !== undefined) this.#anchors.set(anchor, undefined)
    this.#depth += 1
    if (this.#depth > MAX_DEPTH) throw new RangeError(`It nests deeper than ${MAX_DEPTH} levels`)
    const part = this.#own(node)
    this.#depth -= 1
    if (anchor !== undefined) this.#anchors.set(anchor, part)
    return part
  }

  #own(node: unknown): Part {
    if (isScalar(node)) {
      const length = typeof node.value === "string" ? node.value.length : 0
      return { node, weight: 1 + Math.floor(length / PIECE) }
    }
    let weight = 1
    if (isSeq(node)) {
      node.items = node.items.map((item) => {
        const inner = this.part(item)
        weight += inner.weight
        return inner.node
      })
      return { node, weight }
    }
    if (!isMap(node)) return { node: null, weight }
    const seen = new Set<unknown>()
    for (const pair of node.items) {
      if (!isPair(pair)) continue
      const key = this.part(pair.key)
      const value = this.part(pair.value)
      pair.key = key.node
      pair.value = value.node
      weight += key.weight + value.weight
      const name = isScalar(key.node) ? key.node.value : undefined
      if (this.#uniqueKeys && name !== undefined && seen.has(name))
        this.#wrong(`The key "${String(name)}" stands here twice`, key.node)
      seen.add(name)
    }
    return { node, weight }
  }

  #named(alias: Node & { source: string }): Part {
    const nothing = { node: null, weight: 1 }
    const known = this.#anchors.get(alias.source)
    if (!known) {
      const why = this.#anchors.has(alias.source) ? "stands for something that it is a part of" : "stands for nothing"
      this.#wrong(`The alias *${alias.source} ${why}`, alias)
      return nothing
    }
    this.#added += known.weight
    if (this.#added <= MAX_ADDED) return known
    if (this.sound) this.#wrong(`Aliases stand for more than ${MAX_ADDED} values: write them out, or fewer`, alias)
    return nothing
  }

  #wrong(message: string, at: Node | null): void {
    this.sound = false
    this.#note(message, at?.range?.[0])
  }
}
