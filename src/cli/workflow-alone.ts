// Workflows in this process, where no gateway runs on this home.
import { createInterface } from "node:readline/promises"
import type { Cli } from "./cli.ts"
import { inert } from "./inert.ts"
import type { Pauses } from "./workflow.ts"

type Alone = InstanceType<typeof import("../gateway/workflows/alone-client.ts").AloneClient>

export async function aloneClient(cli: Cli, unsandboxed: boolean): Promise<Alone & { pauses: Pauses }> {
  const { AloneClient } = await import("../gateway/workflows/alone-client.ts")
  const { cwd, env, flags, interactive } = cli
  const pauses: Pauses = { pause: () => () => undefined }
  const confirm = async (question: string) => {
    const goOn = pauses.pause()
    try {
      return await asked(question)
    } finally {
      goOn()
    }
  }
  const client = new AloneClient({ env, flags, cwd, unsandboxed, ...(interactive ? { confirm } : {}) })
  return Object.assign(client, { pauses })
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
