// `pincer config import`: settings of another gateway, shown before they are written. Only paths are shown, never values.
import { PincerError } from "../base/errors.ts"
import { FOREIGN, type Foreign, type ImportPlan, planImport } from "../config/foreign/import-config.ts"
import { readConfigFile } from "../config/load.ts"
import { resolvePaths } from "../config/paths.ts"
import type { Cli } from "./cli.ts"
import { type JsonFlag, tell, withDoor } from "./configuration.ts"
import { inertLine } from "./inert.ts"

export interface ImportFlags extends JsonFlag {
  from: string
  dryRun?: boolean
  overrule?: boolean
}

export async function importConfig(cli: Cli, path: string | undefined, flags: ImportFlags): Promise<void> {
  const from = FOREIGN.find((name) => name === flags.from)
  if (!from) throw new PincerError("INVALID_PARAMS", `--from: "${flags.from}" is not one of ${FOREIGN.join(", ")}`)
  const current = readConfigFile(resolvePaths(cli.env, cli.flags).config)?.text
  const plan = await planImport({ from, path, env: cli.env, cwd: cli.cwd, current, overrule: flags.overrule === true })
  if (!flags.json) show(cli, plan)
  const { kept, left, mapped } = plan
  const said = { from: from satisfies Foreign, source: plan.path, mapped, left, kept }
  if (flags.dryRun || mapped.length === 0) {
    if (flags.json) cli.out.json({ ...said, dryRun: flags.dryRun === true, written: false })
    else cli.out.line(mapped.length === 0 ? "Nothing is to be taken over." : "Nothing was written (--dry-run).")
    return
  }
  await withDoor(cli, async (door) => {
    const outcome = await door.change({ type: "patch", patch: plan.patch })
    tell(cli, outcome, { ...said, written: true }, `Took ${mapped.length} settings over into ${outcome.path}.`, flags)
  })
}

function show(cli: Cli, { kept, left, mapped, path }: ImportPlan): void {
  cli.out.line(cli.out.paint(path, "dim"))
  for (const { from, note, to } of mapped)
    cli.out.line(`✓ ${inertLine(from)} → ${inertLine(to)}${note === undefined ? "" : ` (${note})`}`)
  for (const { path: at, why } of left) cli.out.line(cli.out.paint(`– ${inertLine(at)}: ${inertLine(why)}`, "dim"))
  if (kept.length > 0) cli.out.line("To take over what your file says already: --overrule")
}
