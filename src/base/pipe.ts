// One queue from pushing to async iteration. Bounded: push() says when the reader has fallen behind.
// Closed exactly once, by end() or fail(); what was pushed before is still delivered.

export class Pipe<T> implements AsyncIterable<T> {
  #items: T[] = []
  #head = 0
  #wake: (() => void) | undefined
  #ended = false
  #error: unknown
  readonly #limit: number

  /** `limit`: items the pipe holds before push() answers false. */
  constructor(limit = Number.POSITIVE_INFINITY) {
    this.#limit = limit
  }

  get size(): number {
    return this.#items.length - this.#head
  }

  /** Adds an item. False when the pipe is closed or full; the item is then dropped. */
  push(item: T): boolean {
    if (this.#ended || this.size >= this.#limit) return false
    this.#items.push(item)
    this.#wake?.()
    return true
  }

  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  fail(error: unknown): void {
    if (this.#ended) return
    this.#error = error ?? new Error("The pipe failed")
    this.end()
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    try {
      for (;;) {
        while (this.#head < this.#items.length) {
          const item = this.#items[this.#head] as T
          this.#head += 1
          if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
            this.#items = this.#items.slice(this.#head)
            this.#head = 0
          }
          yield item
        }
        this.#items = []
        this.#head = 0
        if (this.#ended) {
          if (this.#error !== undefined) throw this.#error
          return
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        this.#wake = undefined
      }
    } finally {
      this.#ended = true
      this.#items = []
    }
  }
}
