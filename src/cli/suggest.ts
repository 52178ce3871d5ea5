// A word that is nearly a command was meant as one: asking a model "statsu" would help nobody.
import type { Command } from "commander"
import { PincerError } from "../base/errors.ts"
import { nearWords } from "../base/spelling.ts"

/** Throws INVALID_PARAMS when the first of `words` is nearly a command, or the name of one that belongs to a group. */
export function refuseMistyped(words: readonly string[], program: Command): void {
  const [word] = words
  if (word === undefined || !/^[a-z][a-z-]{2,19}$/.test(word)) return
  const commands = visible(program)
  const near = nearCommand(word, commands)
  // Of several words only those that name a command of a group, too: "what is …" is nearly "chat is …".
  const inner =
    words[1] === undefined ? undefined : near && visible(near).length > 0 && nearCommand(words[1], visible(near), true)
  const alone = words.length === 1
  const below = alone ? commands.find((command) => visible(command).some((one) => one.name() === word)) : undefined
  const meant =
    near && (alone || inner)
      ? [near.name(), ...(inner ? [inner.name()] : [])].join(" ")
      : below && `${below.name()} ${word}`
  if (meant === undefined) return
  throw new PincerError(
    "INVALID_PARAMS",
    `Unknown command "${word}": did you mean "pincer ${meant}"? To ask it as a question: pincer ask ${JSON.stringify(words.join(" "))}`,
  )
}

/** The command whose name or alias is nearly `word`; with `exactToo`, also the one that is called so. */
function nearCommand(word: string, commands: readonly Command[], exactToo = false): Command | undefined {
  const names = (command: Command) => [command.name(), ...command.aliases()]
  const exact = exactToo ? commands.find((command) => names(command).includes(word)) : undefined
  const near = nearest(word, commands.flatMap(names))
  return exact ?? (near === undefined ? undefined : commands.find((command) => names(command).includes(near)))
}

/** Commands that people are shown. */
export function visible(command: Command): Command[] {
  return command.commands.filter((inner) => inner.name() !== "implied" && inner.name() !== "help")
}

/** The candidate within one typing mistake (two in longer words), but not the word itself. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  return nearWords(word, candidates)[0]
}
