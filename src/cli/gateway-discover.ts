// `pincer gateway discover`: the gateway of this home, and those that announce themselves on the local network.
import { runningGateway } from "../config/gateway-file.ts"
import { resolvePaths } from "../config/paths.ts"
import { type Beacon, listenForBeacons } from "./beacons.ts"
import type { Cli } from "./cli.ts"
import { millisecondsOf } from "./gateway-target.ts"

const DEFAULT_TIMEOUT = "2000"

export async function discoverGateways(cli: Cli, flags: { timeout?: string; json?: boolean }): Promise<void> {
  const timeoutMs = millisecondsOf(flags.timeout ?? DEFAULT_TIMEOUT)
  const beacons = [...ownBeacon(cli), ...(await listenForBeacons(timeoutMs))]
  if (flags.json) {
    cli.out.json({ beacons })
    return
  }
  if (beacons.length === 0) {
    cli.out.line(`No gateway was heard within ${timeoutMs / 1000} s.`)
    cli.err.line(
      cli.err.paint(
        "Gateways are silent unless discovery.mdns.enabled is true and they listen beyond loopback.",
        "dim",
      ),
    )
    return
  }
  const rows = beacons.map((one) => [one.name, one.wsUrl, one.method, certificateHint(one)])
  cli.out.table(["NAME", "ADDRESS", "FOUND BY", "ITS OWN WORDS"], rows)
  if (beacons.some((one) => one.method === "mdns"))
    cli.err.line(
      cli.err.paint(
        "Anybody on the network can claim to be a gateway: compare the certificate before you show a token.",
        "dim",
      ),
    )
}

function certificateHint({ claims }: Beacon): string {
  if (claims?.sha256 !== undefined) return `TLS, certificate ${claims.sha256.slice(0, 16)}…`
  return claims?.tls === true ? "TLS" : ""
}

function ownBeacon(cli: Cli): Beacon[] {
  const { home } = resolvePaths(cli.env, cli.flags)
  const own = runningGateway(home)
  if (!own) return []
  const { hostname } = new URL(own.url)
  return [{ name: home, host: hostname, port: own.port, method: "home", wsUrl: own.url, addresses: [hostname] }]
}
