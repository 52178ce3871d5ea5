// Who can answer here: model services, model files of this machine, external agents, and the agents that are made of them.
import { userInfo } from "node:os"
import { AgentFinder, type AgentPlaces } from "../../acp/host/find.ts"
import { knownAgents } from "../../acp/host/known-agents.ts"
import type { Hosting } from "../../agent/hosted-profile.ts"
import type { Env } from "../../config/paths.ts"
import { resolveSecret } from "../../config/secrets.ts"
import { LocalModels } from "../agents/local-models.ts"
import { openModels } from "../agents/models.ts"
import { StandIn } from "../agents/stand-in.ts"
import { liveAgents } from "../config/live-settings.ts"
import type { Ground } from "./ground.ts"

export interface Minds {
  models: ReturnType<typeof openModels>
  localModels: LocalModels
  finder: AgentFinder
  standIn: StandIn
  hosting: Hosting
  /** Whoever can be asked now. */
  agents: () => ReturnType<ReturnType<typeof liveAgents>>
}

export function openMinds({ boot, clock, env, home, live, log, undo }: Ground): Minds {
  const places = agentPlaces(env, home)
  const { userHome } = places
  const config = () => live.current()
  const localModels = new LocalModels({ config, home, userHome, env, clock, log })
  undo.add(() => localModels.close())
  const models = openModels({ config, env, base: home, clock, log, local: localModels })
  const finder = new AgentFinder(places, clock)
  const known = boot.mode === "safe" ? [] : knownAgents
  const hosting: Hosting = { known, secret: (ref, name) => resolveSecret(ref, { env, base: home, name }) }
  const ownAgents = liveAgents(live, home, hosting)
  ownAgents()
  const standIn = new StandIn({ known, finder, catalogue: models.catalogue, userHome, config })
  return { models, localModels, finder, standIn, hosting, agents: () => standIn.over(ownAgents()) }
}

function agentPlaces(env: Env, home: string): AgentPlaces {
  const userHome = env["HOME"] ?? userInfo().homedir
  return { path: env["PATH"] ?? "", home, userHome, node: process.execPath, platform: process.platform }
}
