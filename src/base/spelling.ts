// How far apart two words are, for "did you mean". Used for configuration keys and commands.

/** Typing mistakes between two words: insert, delete, replace, swap neighbours (optimal string alignment). */
export function mistakes(a: string, b: string): number {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let steps = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) steps = Math.min(steps, before[j - 2]! + 1)
      row.push(steps)
    }
    before = last
    last = row
  }
  return last[b.length]!
}

/** The candidates that `word` was probably meant as, the likeliest first: one mistake apart, two for longer words. */
export function nearWords(word: string, candidates: readonly string[]): string[] {
  const limit = word.length >= 6 ? 2 : 1
  return candidates
    .map((candidate) => ({ candidate, steps: mistakes(word, candidate) }))
    .filter(({ steps }) => steps > 0 && steps <= limit)
    .sort((a, b) => a.steps - b.steps)
    .map(({ candidate }) => candidate)
}
