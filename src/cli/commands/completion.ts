// pincer completion: a script for the shell, made from the command tree.
import type { CommandGroup } from "./group.ts"

export const completion: CommandGroup = (program, cli) => {
  program
    .command("completion")
    .argument("<shell>", "bash, zsh or fish")
    .summary("a script that completes commands in the shell")
    .description("Prints a script that completes commands and flags in the shell.")
    .addHelpText("after", '\nExample:\n  eval "$(pincer completion bash)"')
    .action(async (shell: string) => {
      const { completionScript } = await import("../shell-completion.ts")
      cli().out.write(completionScript(program, shell))
    })
}
