// `pincer workflow test`: a workflow with what its steps would have said. Nothing acts. Exit code 1 when a case does not hold.
import { resolve } from "node:path"
import { systemClock } from "../base/clock.ts"
import { PincerError } from "../base/errors.ts"
import type { Cli } from "./cli.ts"
import { inertLine } from "./inert.ts"
import { Exit } from "./report.ts"
import { testRoom } from "./workflow-alone.ts"
import { problemLine } from "./workflow-look.ts"

export async function testWorkflow(
  cli: Cli,
  given: string,
  flags: { cases?: string; only?: string; json?: boolean },
): Promise<void> {
  const room = await testRoom()
  const file = resolve(cli.cwd, given)
  const cases = flags.cases === undefined ? room.casesFile(file) : resolve(cli.cwd, flags.cases)
  if (cases === undefined)
    throw new PincerError(
      "NOT_FOUND",
      `There are no cases beside ${file}: write ${file}.test.yaml, or name them with --cases`,
    )
  const read = room.readCases(room.casesText(cases), cases)
  const source = room.readWorkflow(room.casesText(file), file)
  const problems = room.checkWorkflow(source, { commands: room.commandTable(room.commands), cwd: cli.cwd })
  const errors = problems.filter(({ level }) => level === "error")
  if (errors.length > 0 || !source.definition) {
    for (const problem of errors) cli.err.line(problemLine(problem))
    throw new Exit(2)
  }
  const place = { definition: source.definition, commands: room.commands, clock: systemClock }
  const results = []
  for (const one of read.cases.filter(({ name }) => name.includes(flags.only ?? "")))
    results.push(await room.runCase(one, place))
  const failed = results.filter((result) => result.problems.length > 0)
  if (flags.json) cli.out.json({ file, cases: results, failed: failed.length })
  else {
    for (const { name, problems: wrong } of results) {
      cli.out.line(`${wrong.length === 0 ? cli.out.paint("✓", "green") : cli.out.paint("✗", "red")} ${inertLine(name)}`)
      for (const line of wrong) cli.out.line(`    ${inertLine(line)}`)
    }
    cli.err.line(`${results.length - failed.length} of ${results.length} hold.`)
  }
  if (failed.length > 0) throw new Exit(1)
}
