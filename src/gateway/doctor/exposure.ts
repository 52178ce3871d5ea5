// Checks of what strangers could reach and what agents may do: the whole of it follows from the configuration, so it can be told before
// a gateway starts.
import { isObject } from "../../base/json.ts"
import { isLoopback } from "../../config/load.ts"
import type { Config } from "../../config/schema.ts"
import {
  type Check,
  type CheckFinding,
  type DoctorRoom,
  EDIT_CONFIG,
  NO_CONFIG,
  ok,
  problem,
  skipped,
  warning,
} from "./check.ts"

const WHOLE_WORLD = /^(?:0\.0\.0\.0|::)\/0$/
/** Answers with the keys of the machine to whoever asks from inside. */
const METADATA = /^(?:169\.254\.169\.254|fd00:ec2::254|metadata\.google\.internal)/i
const FORWARDED_BY_SSH =
  "pincer config set gateway.host 127.0.0.1, and reach it through ssh -N -L 18789:127.0.0.1:18789"

function from(judge: (config: Config, room: DoctorRoom) => CheckFinding): (room: DoctorRoom) => CheckFinding {
  return (room) => ("refused" in room.config ? skipped(NO_CONFIG) : judge(room.config.loaded.config, room))
}

function openAddresses({ gateway }: Config): string[] {
  return [gateway.host, ...gateway.listeners.map(({ host }) => host)].filter((host) => !isLoopback(host))
}

function bind(config: Config): CheckFinding {
  const open = openAddresses(config)
  if (open.length === 0) return ok("Only programs on this machine reach the gateway")
  if (config.gateway.auth.mode === "none")
    return problem(
      `Anybody who reaches ${open.join(", ")} runs this gateway: there is no authentication`,
      "pincer config unset gateway.auth.mode",
    )
  return warning(
    `Other machines reach the gateway at ${open.join(", ")}, without encryption of its own`,
    FORWARDED_BY_SSH,
  )
}

function authentication({ gateway }: Config): CheckFinding {
  const { mode, allowInsecure } = gateway.auth
  if (mode === "none")
    return warning(
      "Every program and user of this machine may use the gateway",
      "pincer config unset gateway.auth.mode",
    )
  if (allowInsecure)
    return warning("gateway.auth.allowInsecure is set and not needed", "pincer config unset gateway.auth.allowInsecure")
  return ok(`Callers show a ${mode === "trusted-proxy" ? "proxy's word" : mode}`)
}

function origins({ gateway }: Config): CheckFinding {
  const wide = gateway.allowedOrigins.filter((origin) => origin.includes("*"))
  if (wide.length > 0)
    return problem(`Pages of any site may connect: gateway.allowedOrigins has ${wide.join(", ")}`, EDIT_CONFIG)
  const plain = gateway.allowedOrigins.filter((origin) => origin.startsWith("http://") && !isLoopback(hostOf(origin)))
  if (plain.length > 0) return warning(`Pages without encryption may connect: ${plain.join(", ")}`, EDIT_CONFIG)
  return ok(
    gateway.allowedOrigins.length === 0
      ? "No foreign page may connect"
      : `Pages of ${gateway.allowedOrigins.join(", ")} may connect`,
  )
}

function hostOf(origin: string): string {
  return URL.canParse(origin) ? new URL(origin).hostname : origin
}

function hosts({ gateway }: Config): CheckFinding {
  const wide = gateway.allowedHosts.filter((host) => host.includes("*"))
  return wide.length === 0
    ? ok("Requests must name this gateway")
    : problem(`Any name leads to this gateway: gateway.allowedHosts has ${wide.join(", ")}`, EDIT_CONFIG)
}

function proxies({ gateway }: Config): CheckFinding {
  const { trustedProxies, auth } = gateway
  if (trustedProxies.some((one) => WHOLE_WORLD.test(one)))
    return problem("Everybody counts as a trusted proxy: any client can name its address and user", EDIT_CONFIG)
  if (auth.mode === "trusted-proxy" && auth.trustedProxy?.allowLoopback)
    return warning(
      "Every program on this machine can name the user that it is",
      "pincer config unset gateway.auth.trustedProxy.allowLoopback",
    )
  if (auth.mode === "trusted-proxy" && auth.trustedProxy?.allowUsers.length === 0)
    return warning("Every user whom the proxy lets through may administer", EDIT_CONFIG)
  return ok(trustedProxies.length === 0 ? "No proxy is trusted" : `Trusted: ${trustedProxies.join(", ")}`)
}

function guessing({ gateway }: Config): CheckFinding {
  const { maxAttempts, windowMs, lockoutMs } = gateway.auth.rateLimit
  const perHour = maxAttempts * (3_600_000 / Math.max(1_000, Math.max(windowMs, lockoutMs)))
  if (lockoutMs > 0 && perHour <= 10_000)
    return ok(`${maxAttempts} wrong tokens lock an address out for ${Math.round(lockoutMs / 1000)} s`)
  return warning(
    "Tokens can be guessed quickly: gateway.auth.rateLimit is wide open",
    "pincer config unset gateway.auth.rateLimit",
  )
}

function announced(config: Config): CheckFinding {
  if (!config.discovery.mdns.enabled) return ok("The gateway does not announce itself")
  if (openAddresses(config).length === 0) return ok("The gateway is announced, and only this machine reaches it")
  return warning(
    "Everybody on the local network is told of this gateway",
    "pincer config set discovery.mdns.enabled false",
  )
}

/** Agents by name with the settings that count for them. */
function agentsOf({ agents }: Config): [string, Config["agents"]["defaults"] | Config["agents"]["entries"][string]][] {
  return [
    ["agents.defaults", agents.defaults],
    ...Object.entries(agents.entries).map(([id, entry]) => [`agents.entries.${id}`, entry] as [string, typeof entry]),
  ]
}

function modes(config: Config): CheckFinding {
  const open = agentsOf(config)
    .filter(([, { permissions }]) => permissions?.mode === "approve-all")
    .map(([name]) => name)
  if (open.length === 0) return ok("Agents ask before they change what is not theirs")
  const text = `${open.join(", ")}: everything that a tool may do happens without a question`
  return openAddresses(config).length > 0
    ? problem(`${text}, and other machines reach this gateway`, EDIT_CONFIG)
    : warning(text, `pincer config unset ${open[0]}.permissions.mode`)
}

function profiles({ sandbox }: Config, { paths }: DoctorRoom): CheckFinding {
  const wide: string[] = []
  for (const [name, profile] of Object.entries(sandbox.profiles)) {
    if (profile.network?.includes("*") && (profile.read?.length ?? 0) > 0)
      wide.push(`"${name}" reads more than its workspace and reaches every host`)
    for (const path of profile.write ?? [])
      if (["/", "/etc", "/usr", "/home", "/root", paths.home].includes(path)) wide.push(`"${name}" may write ${path}`)
    if (profile.read?.includes("/")) wide.push(`"${name}" may read everything`)
  }
  return wide.length === 0
    ? ok("No sandbox profile opens more than it should")
    : warning(`Sandbox profiles: ${wide.join("; ")}`, EDIT_CONFIG)
}

function elevated({ tools }: Config): CheckFinding {
  const { enabled, full, allowFrom, maxMs } = tools.elevated
  if (!enabled) return ok("No session can leave the sandbox")
  const everybody = Object.entries(allowFrom)
    .filter(([, senders]) => senders.includes("*"))
    .map(([channel]) => channel)
  if (everybody.length > 0)
    return warning(
      `Everybody on ${everybody.join(", ")} may ask to leave the sandbox`,
      "pincer config unset tools.elevated.allowFrom",
    )
  if (full && maxMs > 86_400_000)
    return warning(
      "A session may work outside the sandbox unasked for more than a day",
      "pincer config unset tools.elevated.maxMs",
    )
  return ok(`A session can leave the sandbox for at most ${Math.round(maxMs / 60_000)} min`)
}

function fetched({ tools, jobs }: Config): CheckFinding {
  const allowed = [...tools.fetch.allowHosts, ...jobs.callback.allowHosts]
  const keys = allowed.filter((host) => METADATA.test(host))
  if (keys.length > 0) return problem(`Agents may ask ${keys.join(", ")} for the keys of this machine`, EDIT_CONFIG)
  const wide = allowed.filter((host) => host.includes("*"))
  return wide.length === 0
    ? ok("Private addresses are closed to agents, but for those that are named")
    : warning(`Private addresses are open to agents: ${wide.join(", ")}`, EDIT_CONFIG)
}

function plainServices(config: Config): CheckFinding {
  const urls = [
    ...Object.entries(config.providers).map(([id, { baseUrl }]) => [`providers.${id}`, baseUrl] as const),
    ...Object.entries(config.tools.mcpServers).map(
      ([id, server]) => [`tools.mcpServers.${id}`, isObject(server) ? server.url : undefined] as const,
    ),
  ]
  const plain = urls.filter(([, url]) => url?.startsWith("http://") && !isLoopback(hostOf(url))).map(([name]) => name)
  return plain.length === 0
    ? ok("Keys and words go out encrypted")
    : warning(`Spoken to without encryption: ${plain.join(", ")}`, EDIT_CONFIG)
}

export const exposureChecks: readonly Check[] = [
  {
    id: "exposure.bind",
    category: "exposure",
    about: "which machines reach the gateway",
    security: true,
    run: from(bind),
  },
  {
    id: "exposure.auth",
    category: "exposure",
    about: "callers show who they are",
    security: true,
    run: from(authentication),
  },
  {
    id: "exposure.origins",
    category: "exposure",
    about: "which pages of other sites may connect",
    security: true,
    run: from(origins),
  },
  {
    id: "exposure.hosts",
    category: "exposure",
    about: "under which names the gateway answers",
    security: true,
    run: from(hosts),
  },
  {
    id: "exposure.proxies",
    category: "exposure",
    about: "whose word about a client's address counts",
    security: true,
    run: from(proxies),
  },
  {
    id: "exposure.guessing",
    category: "exposure",
    about: "how often a token can be guessed",
    security: true,
    run: from(guessing),
  },
  {
    id: "exposure.announced",
    category: "exposure",
    about: "whether the local network is told of the gateway",
    security: true,
    run: from(announced),
  },
  {
    id: "exposure.services",
    category: "exposure",
    about: "services that are spoken to without encryption",
    security: true,
    run: from(plainServices),
  },
  { id: "policy.modes", category: "exposure", about: "agents that never ask", security: true, run: from(modes) },
  {
    id: "policy.elevated",
    category: "exposure",
    about: "who may leave the sandbox, and for how long",
    security: true,
    run: from(elevated),
  },
  {
    id: "policy.fetch",
    category: "exposure",
    about: "private addresses that agents reach",
    security: true,
    run: from(fetched),
  },
  {
    id: "sandbox.profiles",
    category: "exposure",
    about: "sandbox profiles that open too much",
    security: true,
    run: from(profiles),
  },
]
