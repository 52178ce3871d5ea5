// The gateway of this home as this machine shows it, without connecting: does it run, does a service keep it, and if it does not run, why not
// and what to type next.
import { statSync } from "node:fs"
import { join } from "node:path"
import { asPincerError } from "../base/errors.ts"
import { type GatewayInfo, readGatewayInfo, runningGateway } from "../config/gateway-file.ts"
import { resolvePaths } from "../config/paths.ts"
import type { Cli } from "./cli.ts"
import { lastLines } from "./last-lines.ts"
import type { ServiceView } from "./service/view.ts"

export interface OwnProblem {
  text: string
  /** The command that fixes it. */
  fix: string
}

export interface OwnView {
  home: string
  running?: GatewayInfo
  service?: ServiceView
  problems: OwnProblem[]
}

export async function viewOwn(cli: Cli): Promise<OwnView> {
  const { home } = resolvePaths(cli.env, cli.flags)
  const running = runningGateway(home)
  const { viewService } = await import("./service/view.ts")
  const service = await viewService(cli)
  const problems = service ? serviceProblems(service, running) : []
  if (!running) problems.unshift(...(await whyNot(cli, home, service)))
  return { home, ...(running ? { running } : {}), ...(service ? { service } : {}), problems }
}

function serviceProblems(service: ServiceView, running: GatewayInfo | undefined): OwnProblem[] {
  const problems: OwnProblem[] = []
  if (service.drift !== undefined)
    problems.push({
      text: `The service ${service.name} is not up to date. ${service.drift}`,
      fix: "pincer gateway install",
    })
  else if (!service.enabled && service.words !== "" && (service.running || running))
    problems.push({ text: `The service ${service.name} does not start by itself.`, fix: "pincer gateway install" })
  if (running && service.pid !== undefined && service.pid !== running.pid)
    problems.push({
      text: `The gateway (pid ${running.pid}) is not the one of ${service.name} (pid ${service.pid}).`,
      fix: "pincer gateway stop && pincer gateway start",
    })
  else if (running && !service.running)
    problems.push({
      text: `The gateway runs beside its service ${service.name}, which is ${service.words}.`,
      fix: "pincer gateway stop && pincer gateway start",
    })
  return problems
}

/** Why no gateway runs, the likeliest cause first. */
async function whyNot(cli: Cli, home: string, service: ServiceView | undefined): Promise<OwnProblem[]> {
  const said = lastFailure(home)
  if (service?.failed)
    return [
      {
        text: `The service ${service.name} has failed: ${service.words}.${said === "" ? "" : ` ${said}`}`,
        fix: `${service.manager === "systemd" ? journal(service) : `tail ${join(home, "logs", "service.log")}`}; pincer gateway start`,
      },
    ]
  const held = await heldPort(cli)
  if (held) return [held]
  const left = readGatewayInfo(home)
  const died = left ? ` The last one (pid ${left.pid}) ended without a word.` : ""
  return [
    {
      text: `No gateway runs on ${home}.${died}${said === "" ? "" : ` The last start failed: ${said}`}`,
      fix: left ? "pincer gateway start; pincer logs" : "pincer gateway start",
    },
  ]
}

function journal({ scope, name }: ServiceView): string {
  return `journalctl ${scope === "user" ? "--user " : ""}-u ${name} -n 20`
}

/** What the last start in the background said when it failed. */
function lastFailure(home: string): string {
  return /^pincer: (.*)$/m.exec(lastLines(join(home, "logs", "start.log")))?.[1] ?? ""
}

async function heldPort(cli: Cli): Promise<OwnProblem | undefined> {
  const { loadConfig } = await import("../config/load.ts")
  try {
    const { config } = loadConfig({ env: cli.env, flags: cli.flags })
    const { host, port } = config.gateway
    const { holderName, portHolder } = await import("./port-holder.ts")
    const holder = await portHolder(host, port)
    if (!holder) return undefined
    return {
      text: `No gateway of this home runs, and port ${port} on ${host} is held by ${holderName(holder)}.`,
      fix: `pincer config set gateway.port ${port + 1} && pincer gateway start`,
    }
  } catch (error) {
    // The configuration itself keeps it from starting.
    const path = resolvePaths(cli.env, cli.flags).config
    if (!statSync(path, { throwIfNoEntry: false })) throw error
    return { text: asPincerError(error).message, fix: "pincer config check" }
  }
}
