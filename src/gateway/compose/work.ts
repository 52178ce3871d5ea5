// Where work is done and waits: turns in their lanes, runs of workflows, jobs, schedules; and what is counted and logged of it.
import { realpathSync } from "node:fs"
import { TurnLanes } from "../../agent/lanes.ts"
import type { Ports } from "../../agent/ports.ts"
import { isSpecialAddress } from "../../base/address.ts"
import { JobDesk } from "../../jobs/desk.ts"
import { isInside } from "../../policy/places.ts"
import { tools } from "../../tools/index.ts"
import { turnLog } from "../log/turn-log.ts"
import { remindTool } from "../schedules/remind-tool.ts"
import { Schedules } from "../schedules/schedules.ts"
import { Tally } from "../status/tally.ts"
import { UpdateDesk } from "../update/desk.ts"
import { ownVersion } from "../version.ts"
import { workflowTool } from "../workflows/tool.ts"
import { Workflows } from "../workflows/workflows.ts"
import type { Ground } from "./ground.ts"
import type { Hands } from "./hands.ts"
import type { Minds } from "./minds.ts"

export interface Work {
  tools: Ports["tools"]
  lanes: TurnLanes
  workflows: Workflows
  jobs: JobDesk
  schedules: Schedules
  tally: Tally
  updates: UpdateDesk
}

export function openWork(ground: Ground, minds: Minds, hands: Hands): Work {
  const { hub, live, log, undo } = ground
  // Two tools start work themselves: they are handed it when it is there.
  const own = [workflowTool(() => workflows), remindTool(() => ({ schedules, config: () => live.current() }))]
  const ports = turnPorts(ground, minds, hands, [...tools, ...own])
  const lanes = new TurnLanes(ports)
  const { desk } = hands
  const workflows: Workflows = new Workflows({
    ...{ ports, desk, lanes: () => lanes },
    checkpoint: ground.options.workflowCheckpoint,
  })
  undo.add(() => workflows.close())
  desk.onResolved = (approval) => lanes.settle(approval)
  const { jobs, schedules } = openDurableWork(ground, minds, { lanes, workflows })
  const tally = new Tally()
  undo.add(hub.onAll((envelope) => tally.hear(envelope)))
  undo.add(hub.onAll(turnLog(log)))
  return { tools: ports.tools, lanes, workflows, jobs, schedules, tally, updates: openUpdates(ground) }
}

/** What turns have in their hands. */
function turnPorts(ground: Ground, minds: Minds, hands: Hands, tools: Ports["tools"]): Ports {
  const { clock, hub, live, log, options, redactor, store } = ground
  const { agentHost, desk, lendings, rights, sandbox, servers, settings } = hands
  const home = realpathSync(ground.home)
  return {
    ...{ books: store, catalogue: minds.models.catalogue, tools, toolSettings: settings, home, clock, log, redactor },
    ...{ rights, servers, lent: lendings.lent, harness: agentHost },
    get agents() {
      return minds.agents()
    },
    get settings() {
      return live.current().turns
    },
    // Folders that the owner named stay as they are; Pincer's own are given to whom commands run as.
    workspaceMade: (folder) => {
      if (isInside(folder, home)) sandbox.handOver(folder)
    },
    publish: (envelope) => hub.publish(envelope),
    canAsk: (sessionKey) => desk.canAsk(sessionKey),
    asked: (approval) => desk.watch(approval),
    checkpoint: options.checkpoint ?? (() => undefined),
  }
}

/** Work that nobody waits for. */
function openDurableWork(
  { boot, clock, hub, live, log, options, redactor, store, undo }: Ground,
  { agents, models }: Minds,
  { lanes, workflows }: Pick<Work, "lanes" | "workflows">,
): Pick<Work, "jobs" | "schedules"> {
  const callbackRules = {
    isSpecial: isSpecialAddress,
    get allowHosts() {
      return live.current().jobs.callback.allowHosts
    },
  }
  const jobPorts = {
    ...{ books: store, lanes, clock, log, redactor },
    get settings() {
      return live.current().jobs
    },
  }
  const jobs = new JobDesk(jobPorts, callbackRules)
  undo.add(() => jobs.close())
  const schedules = new Schedules({
    ...{ books: store, lanes, jobs, workflows, agents, live, clock, log, redactor },
    rules: callbackRules,
    isSafe: boot.mode === "safe",
    hasModel: () => models.catalogue.chosen().provider !== "offline",
    publish: (envelope) => hub.publish(envelope),
    ...(options.scheduleCheckpoint ? { checkpoint: options.scheduleCheckpoint } : {}),
  })
  undo.add(hub.onAll((envelope) => jobs.observe(envelope)))
  return { jobs, schedules }
}

function openUpdates({ clock, env, home, live, log, options, undo }: Ground): UpdateDesk {
  const { program, restart } = options
  const updates = new UpdateDesk({
    ...{ home, version: ownVersion(), env, node: process.execPath, clock, log },
    settings: () => live.current().update,
    ...(program === undefined ? {} : { program }),
    ...(restart ? { restart } : {}),
  })
  undo.add(() => updates.close())
  return updates
}
