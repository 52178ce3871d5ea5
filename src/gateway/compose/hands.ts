// What agents may do and who is asked first: approvals, elevation, the sandbox, rights, and where tools come from.
import { realpathSync } from "node:fs"
import { Desk } from "../../agent/approvals.ts"
import { Elevations } from "../../agent/elevation.ts"
import { openSandbox, type Sandbox } from "../../sandbox/index.ts"
import type { ToolSettings } from "../../tools/tool.ts"
import { openAgentHost } from "../agents/agent-host.ts"
import { namedProfiles, sandboxSettings, toolSettings } from "../config/live-settings.ts"
import { Lendings } from "../lending/lending.ts"
import { serverOpener } from "../lending/lent-servers.ts"
import { ConfiguredServers } from "../mcp/mcp-servers.ts"
import { openRights } from "../policy/rights.ts"
import { ownVersion } from "../version.ts"
import type { Ground } from "./ground.ts"
import type { Minds } from "./minds.ts"

export interface Hands {
  desk: Desk
  elevations: Elevations
  sandbox: Sandbox
  /** Folders that no sandbox shows. */
  hidden: string[]
  agentHost: ReturnType<typeof openAgentHost>
  settings: ToolSettings
  lendings: Lendings
  rights: ReturnType<typeof openRights>
  servers: ConfiguredServers
}

export function openHands(ground: Ground, minds: Minds): Hands {
  const desk = openDesk(ground)
  const elevations = openElevations(ground, desk)
  const { clock, env, home, live, store, undo } = ground
  const hidden = [realpathSync(home)]
  const sandbox = openSandbox(sandboxSettings(live), { path: env["PATH"] ?? "", hidden })
  undo.add(() => sandbox.close())
  for (const name of namedProfiles(live.current())) if (name !== undefined) sandbox.profile(name)
  const agentHost = hostAgents(ground, minds, sandbox)
  const settings = toolSettings(live, env, home)
  const lendings = openLendings(ground, settings)
  const rights = openRights({ books: store, clock, live, elevations, sandbox })
  const servers = openServers(ground, minds, { sandbox, settings, rights })
  return { desk, elevations, sandbox, hidden, agentHost, settings, lendings, rights, servers }
}

function openDesk({ clock, hub, log, store, undo }: Ground): Desk {
  const desk = new Desk(store.approvals, clock, log)
  desk.publish = (envelope) => hub.publish(envelope)
  undo.add(() => desk.close())
  undo.add(hub.onAll((envelope) => desk.observe(envelope)))
  desk.audit = store.audit
  return desk
}

function openElevations({ clock, live, log, store, undo }: Ground, desk: Desk): Elevations {
  const elevations = new Elevations({
    ...{ table: store.elevations, desk, clock, log, audit: store.audit },
    get settings() {
      return live.current()
    },
    get approvalTimeoutMs() {
      return live.current().turns.approvalTimeoutMs
    },
  })
  undo.add(() => elevations.close())
  return elevations
}

function hostAgents(ground: Ground, { finder }: Minds, sandbox: Sandbox): Hands["agentHost"] {
  const { clock, env, home, hub, live, log, redactor, store, undo } = ground
  const agentHost = openAgentHost({
    ...{ clock, log, redactor, env, home, sandbox, books: store, finder },
    get config() {
      return live.current()
    },
    version: ownVersion(),
    publish: (envelope) => hub.publish(envelope),
  })
  undo.add(() => agentHost.close())
  return agentHost
}

function openLendings({ clock, log, redactor, undo }: Ground, settings: ToolSettings): Lendings {
  const openServers = serverOpener({
    ...{ clock, log, redactor, version: ownVersion() },
    get env() {
      return settings.exec.env
    },
  })
  const lendings = new Lendings({ clock, log, openServers })
  undo.add(() => lendings.close())
  return lendings
}

function openServers(
  { clock, env, home, live, log, redactor, undo }: Ground,
  { agents, models }: Minds,
  { sandbox, settings, rights }: Pick<Hands, "sandbox" | "settings" | "rights">,
): ConfiguredServers {
  const { HOME, LANG, PATH } = settings.exec.env
  const servers = new ConfiguredServers({
    ...{ live, env, clock, log, redactor, sandbox, agents, rights, catalogue: models.catalogue },
    home: realpathSync(home),
    programEnv: { HOME: HOME!, LANG: LANG!, PATH: PATH! },
    version: ownVersion(),
  })
  undo.add(() => servers.close())
  return servers
}
