// The words of `pincer acp client` before commander sees them: its --server, -v and --server-args mean something else there than in front
// of a command, and what follows --server-args belongs to the server, whatever it looks like.

/** The command line with the client's own words in a form that nothing else understands; any other command line unchanged. */
export function rewriteClientArgs(args: readonly string[]): string[] {
  const at = args.findIndex((word, i) => word === "client" && args[i - 1] === "acp")
  if (at < 0) return [...args]
  const own = args.slice(at + 1)
  const split = own.findIndex((word) => word === "--server-args" || word.startsWith("--server-args="))
  const mine = split < 0 ? own : own.slice(0, split)
  const given = split < 0 ? [] : own.slice(split)
  const inline = given[0]?.startsWith("--server-args=") ? [given[0].slice("--server-args=".length)] : []
  const theirs = [...inline, ...given.slice(1)]
  return [
    ...args.slice(0, at + 1),
    ...mine.map((word) => {
      if (word === "-v") return "--verbose"
      return word.replace(/^--server(?==|$)/, "--server-command")
    }),
    ...(split < 0 ? [] : [`--server-args=${JSON.stringify(theirs)}`]),
  ]
}
