// Workflows in this process, where no gateway runs on this home.
import { createInterface } from "node:readline/promises"
import type { Cli } from "./cli.ts"
import { inert } from "./inert.ts"

type Alone = InstanceType<typeof import("../gateway/workflows/alone-client.ts").AloneClient>

export async function aloneClient(cli: Cli, unsandboxed: boolean): Promise<Alone> {
  const { AloneClient } = await import("../gateway/workflows/alone-client.ts")
  const { cwd, env, flags, interactive } = cli
  const confirm = interactive ? { confirm: (question: string) => asked(question) } : {}
  return new AloneClient({ env, flags, cwd, unsandboxed, ...confirm })
}

/** What trying a workflow takes. */
export async function testRoom() {
  const [cases, read, check, pipeline, list] = await Promise.all([
    import("../workflow/cases.ts"),
    import("../workflow/file/read.ts"),
    import("../workflow/check/check.ts"),
    import("../workflow/engine/pipeline.ts"),
    import("../workflow/commands/index.ts"),
  ])
  return { ...cases, ...read, ...check, ...pipeline, ...list }
}

async function asked(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^\s*y(?:es)?\s*$/i.test(await lines.question(`${inert(question)} [y/N] `))
  } finally {
    lines.close()
  }
}
