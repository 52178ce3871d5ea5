// What stands between a client and this gateway. A request with any trace of a proxy is never somebody on this machine; whom a proxy
// names counts only when it comes from an address that the configuration trusts.
import type { IncomingHttpHeaders, IncomingMessage } from "node:http"
import { BlockList, isIP } from "node:net"

/** Headers that proxies, tunnels and networks of delivery add. Names of one family begin alike. */
const TRACES =
  /^(forwarded|via|x-forwarded(-.+)?|x-real-ip|x-client-ip|x-cluster-client-ip|x-original-(for|host|forwarded-for|uri|url)|x-envoy-.+|x-azure-.+|x-appengine-.+|x-arr-.+|x-amzn-trace-id|x-request-start|true-client-ip|fastly-.+|fly-.+|cf-.+|cdn-loop|tailscale-.+|ngrok-.+|proxy-connection|remote-user|x-remote-user|x-auth-request-.+|x-authentik-.+|remote-(name|email|groups))$/

/** Whether the request shows any trace of a proxy. `also`: a further header that only a proxy sets. */
export function isForwarded(headers: IncomingHttpHeaders, also?: string): boolean {
  for (const name of Object.keys(headers)) if (name === also || TRACES.test(name)) return true
  return false
}

function plain(address: string): string {
  return address.trim().replace(/^::ffff:(?=\d+\.)/i, "")
}

/** The addresses whose word about a client's address, and in trusted-proxy mode about a user, is taken. */
export class Proxies {
  readonly #list = new BlockList()

  constructor(trusted: readonly string[]) {
    for (const entry of trusted) {
      const [address = "", bits] = entry.split("/")
      const family = isIP(address) === 6 ? "ipv6" : "ipv4"
      if (bits === undefined) this.#list.addAddress(address, family)
      else this.#list.addSubnet(address, Number(bits), family)
    }
  }

  trusts(address: string | undefined): boolean {
    if (address === undefined) return false
    const bare = plain(address)
    const family = isIP(bare)
    return family !== 0 && this.#list.check(bare, family === 6 ? "ipv6" : "ipv4")
  }

  /**
   * The client's address: the peer's, unless that is a trusted proxy; then the last one in X-Forwarded-For that is none. What stands
   * before it is the client's own word.
   */
  client(request: Pick<IncomingMessage, "headers" | "socket">): string {
    const peer = request.socket.remoteAddress ?? ""
    if (!this.trusts(peer)) return peer
    const said = request.headers["x-forwarded-for"]
    const hops = (Array.isArray(said) ? said.join(",") : (said ?? "")).split(",").map(plain)
    for (const hop of hops.reverse()) {
      if (isIP(hop) === 0) return peer
      if (!this.trusts(hop)) return hop
    }
    return peer
  }
}
