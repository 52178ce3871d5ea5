// Between the judgement of a command and its start a person may think for an hour. What was judged is compared with what is there now.
import type { CommandFacts, CommandSegment } from "../command.ts"

/** In words, what is otherwise than when it was judged; undefined when the command would still do the same. */
export function changedSince(judged: CommandFacts, now: CommandFacts): string | undefined {
  if (judged.text !== now.text) return "the command is another"
  if (judged.segments.length !== now.segments.length) return "it would start other programs"
  for (const [at, segment] of now.segments.entries()) {
    const change = changeOf(judged.segments[at]!, segment)
    if (change !== undefined) return change
  }
  const news = now.unknown.find((why) => !judged.unknown.includes(why))
  return news === undefined ? undefined : `it is no longer known: ${news}`
}

function changeOf(before: CommandSegment, after: CommandSegment): string | undefined {
  if (before.program !== after.program)
    return `${after.argv[0] ?? "a program"} leads to ${after.program ?? "nothing"} now`
  for (const { path, sha256 } of after.scripts) {
    const known = before.scripts.find((one) => one.path === path)
    if (known === undefined) return `it would run ${path} now`
    if (known.sha256 !== sha256) return `${path} has changed`
  }
  const gone = before.scripts.find((one) => !after.scripts.some(({ path }) => path === one.path))
  if (gone) return `${gone.path} is not what it was`
  if (before.interprets !== after.interprets) return `it is other code now: ${after.interprets ?? "none"}`
  if (before.cwd !== after.cwd) return `it would run in ${after.cwd ?? "another folder"} now`
  if (JSON.stringify(before.argv) !== JSON.stringify(after.argv)) return "its words are others now"
  // A path that is gone does no harm; one that leads elsewhere was never judged.
  const path = [...after.paths, ...after.writes].find(
    (one) => !before.paths.includes(one) && !before.writes.includes(one),
  )
  if (path !== undefined) return `it would touch ${path} now`
  const target = after.redirections.find((one, at) => one.target !== before.redirections[at]?.target)
  return target === undefined ? undefined : `a redirection leads to ${target.target ?? "another file"} now`
}
