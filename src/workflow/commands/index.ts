// Every pipeline command there is. Nothing registers itself.
import type { Command } from "../command.ts"
import { approve } from "./approve.ts"
import { ask } from "./ask.ts"
import { commandsList } from "./commands-list.ts"
import { dedupe } from "./dedupe.ts"
import { exec } from "./exec.ts"
import { groupBy } from "./group-by.ts"
import { head } from "./head.ts"
import { json } from "./json.ts"
import { map } from "./map.ts"
import { pick } from "./pick.ts"
import { sort } from "./sort.ts"
import { diffLast, stateGet, stateSet } from "./state.ts"
import { table } from "./table.ts"
import { template } from "./template.ts"
import { where } from "./where.ts"

export const commands: readonly Command[] = [
  approve,
  ask,
  commandsList,
  dedupe,
  diffLast,
  exec,
  groupBy,
  head,
  json,
  map,
  pick,
  sort,
  stateGet,
  stateSet,
  table,
  template,
  where,
]
