// Announces this gateway on the local network (mDNS), when discovery.mdns.enabled says so: its name, its port, and a hint at the
// certificate of a TLS proxy in front. Whoever finds it still needs a token or a pairing. What nobody else can reach is not announced.
import { createHash } from "node:crypto"
import { hostname } from "node:os"
import type { Logger } from "../base/log.ts"
import { isLoopback } from "../config/load.ts"
import type { Config } from "../config/schema.ts"
import type { LiveConfig } from "./config/live-config.ts"

/** What is needed of bonjour-service; tests hand in another. */
export interface Announcer {
  publish(announcement: Announcement): void
  /** Says goodbye, and frees the port. */
  close(): Promise<void>
}

export interface Announcement {
  /** "_pincer._tcp" */
  type: "pincer"
  name: string
  port: number
  txt: Readonly<Record<string, string>>
}

export type OpenAnnouncer = (log: Logger) => Promise<Announcer>

export interface AnnounceOptions {
  live: LiveConfig
  log: Logger
  /** Port in use, which the configuration may have left to the system. */
  port: number
  home: string
  open?: OpenAnnouncer
}

/** The announcement, or why there is none. */
export function announcementOf(
  config: Config,
  { port, home }: Pick<AnnounceOptions, "port" | "home">,
): Announcement | string | undefined {
  const { enabled, name, tls } = config.discovery.mdns
  if (!enabled) return undefined
  const hosts = [config.gateway.host, ...config.gateway.listeners.map((one) => one.host)]
  if (!tls && hosts.every(isLoopback))
    return "The gateway is not announced: it listens on loopback only. Set gateway.host, or discovery.mdns.tls for a proxy in front"
  // Two gateways on a network may have one name: the id tells them apart. It says nothing of the home.
  const id = createHash("sha256").update(`${hostname()}\0${home}`).digest("hex").slice(0, 8)
  const shown = name ?? hostname().replace(/\..*$/, "")
  return {
    type: "pincer",
    // A label holds 63 bytes.
    name: `${cutBytes(shown, 52)} ${id}`,
    port: tls?.port ?? port,
    txt: {
      v: "1",
      name: shown,
      id,
      ...(tls ? { tls: "1" } : {}),
      ...(tls?.sha256 === undefined ? {} : { sha256: tls.sha256.replaceAll(":", "").toLowerCase() }),
    },
  }
}

function cutBytes(text: string, max: number): string {
  let cut = text
  while (Buffer.byteLength(cut) > max) cut = [...cut].slice(0, -1).join("")
  return cut
}

/** Announces now and whenever the configuration says something else; the returned function ends it. */
export function announce(options: AnnounceOptions): () => Promise<void> {
  const { live, log, open = openBonjour } = options
  let current: Announcer | undefined
  let said: string | undefined
  let work = Promise.resolve()
  const renew = (config: Config) => {
    work = work
      .then(() => become(announcementOf(config, options)))
      .catch((error: unknown) => {
        log.warn({ err: error }, "The gateway could not be announced on the local network")
      })
    return work
  }
  const become = async (wanted: Announcement | string | undefined) => {
    const text = JSON.stringify(wanted)
    if (text === said) return
    said = text
    await current?.close()
    current = undefined
    if (typeof wanted === "string") log.warn({}, wanted)
    if (typeof wanted !== "object") return
    current = await open(log)
    current.publish(wanted)
    log.info({ name: wanted.name, port: wanted.port }, "The gateway is announced on the local network")
  }
  const stop = live.take({ prefixes: ["discovery"], apply: (next) => renew(next) })
  if (live.current().discovery.mdns.enabled) renew(live.current())
  return async () => {
    stop()
    await work
    await current?.close()
    current = undefined
  }
}

const GOODBYE_MS = 500

const openBonjour: OpenAnnouncer = async (log) => {
  const { Bonjour } = await import("bonjour-service")
  const bonjour = new Bonjour({}, (error: unknown) => log.warn({ err: error }, "Announcing had a fault"))
  return {
    // It would print about a name that is taken; ours never is.
    publish: (announcement) => void bonjour.publish({ ...announcement, probe: false }),
    close: () =>
      new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer)
          bonjour.destroy()
          resolve()
        }
        // The network may have gone.
        const timer = setTimeout(done, GOODBYE_MS)
        bonjour.unpublishAll(done)
      }),
  }
}
