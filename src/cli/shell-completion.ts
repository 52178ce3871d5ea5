// Completion for shells, made from the command tree, so that it can never know other commands than there are.
import type { Command } from "commander"
import { PincerError } from "../base/errors.ts"
import { visible } from "./suggest.ts"

interface Node {
  /** Words from the program on: "", "session", "session list". */
  path: string
  /** Commands below, with what they do. */
  words: { name: string; about: string }[]
  flags: { names: string[]; about: string }[]
}

/** Throws INVALID_PARAMS for another shell. */
export function completionScript(program: Command, shell: string): string {
  const nodes = nodesOf(program)
  switch (shell) {
    case "bash":
      return bash(nodes)
    case "zsh":
      return zsh(nodes)
    case "fish":
      return fish(nodes)
    default:
      throw new PincerError("INVALID_PARAMS", `No completion for "${shell}": there is one for bash, zsh and fish`)
  }
}

function nodesOf(program: Command): Node[] {
  const root = nodeOf(program, "")
  // Asking is meant when no command is named, so its flags stand at the root, too.
  const asking = program.commands.find((command) => command.name() === "ask")
  if (asking) root.flags.push(...nodeOf(asking, "").flags)
  const below = (command: Command, path: string): Node[] =>
    visible(command).flatMap((inner) => {
      const here = path === "" ? inner.name() : `${path} ${inner.name()}`
      return [nodeOf(inner, here), ...below(inner, here)]
    })
  return [root, ...below(program, "")]
}

function nodeOf(command: Command, path: string): Node {
  return {
    path,
    words: visible(command).map((inner) => ({ name: inner.name(), about: inner.summary() || inner.description() })),
    flags: command.options
      .filter((option) => !option.hidden)
      .map((option) => ({
        names: [option.short, option.long].filter((name) => name != null),
        about: option.description,
      })),
  }
}

/** What a shell may see of our own sentences. */
function plain(text: string): string {
  return text.replace(/['"\\`$[\]:]/g, "")
}

const wordsOf = (node: Node) =>
  [...node.words.map((word) => word.name), ...node.flags.flatMap((flag) => flag.names)].join(" ")

function bash(nodes: readonly Node[]): string {
  const cases = nodes.map((node) => `    "${node.path}") words="${wordsOf(node)}" ;;`).join("\n")
  const paths = nodes
    .map((node) => `"${node.path}"`)
    .filter((path) => path !== '""')
    .join("|")
  return `# pincer completion for bash: eval "$(pincer completion bash)"
_pincer() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" words="" i word
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "\${path:+$path }$word" in
      ${paths}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _pincer pincer
`
}

function zsh(nodes: readonly Node[]): string {
  const described = (node: Node) =>
    [
      ...node.words.map((word) => `'${word.name}:${plain(word.about)}'`),
      ...node.flags.flatMap((flag) => flag.names.map((name) => `'${name}:${plain(flag.about)}'`)),
    ].join(" ")
  const cases = nodes.map((node) => `    "${node.path}") options=(${described(node)}) ;;`).join("\n")
  const paths = nodes
    .map((node) => `"${node.path}"`)
    .filter((path) => path !== '""')
    .join("|")
  return `#compdef pincer
# pincer completion for zsh: eval "$(pincer completion zsh)"
_pincer() {
  local path_so_far="" word
  local -a options
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "\${path_so_far:+$path_so_far }$word" in
      ${paths}) path_so_far="\${path_so_far:+$path_so_far }$word" ;;
    esac
  done
  case "$path_so_far" in
${cases}
  esac
  _describe 'pincer' options || _files
}
compdef _pincer pincer
`
}

function fish(nodes: readonly Node[]): string {
  const lines = nodes.flatMap((node) => {
    const names = node.words.map((word) => word.name).join(" ")
    const below = names === "" ? "" : `; and not __fish_seen_subcommand_from ${names}`
    const parts = node.path.split(" ").filter((part) => part !== "")
    const seen = parts.map((part) => `__fish_seen_subcommand_from ${part}`).join("; and ")
    const when = seen === "" ? `not __fish_seen_subcommand_from ${names}` : `${seen}${below}`
    return [
      ...node.words.map((word) => `complete -c pincer -f -n '${when}' -a ${word.name} -d '${plain(word.about)}'`),
      ...node.flags.map((flag) => {
        const spelled = flag.names.map((name) =>
          name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
        )
        return `complete -c pincer -n '${when}' ${spelled.join(" ")} -d '${plain(flag.about)}'`
      }),
    ]
  })
  return `# pincer completion for fish: pincer completion fish | source\n${lines.join("\n")}\n`
}
