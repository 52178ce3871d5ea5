// Which addresses the web is not: everything private, local, reserved or special (IANA special-purpose registries, and the addresses
// at which clouds serve their secrets). Judged on the parsed address, so that no spelling (decimal, octal, mapped) gets around it.
import { BlockList, isIP, type LookupFunction } from "node:net"

const special = new BlockList()
for (const [net, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  // Carrier networks; Alibaba's metadata service is 100.100.100.200.
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  // Azure's wire server, an address of the public range.
  ["168.63.129.16", 32],
  // Link-local, and the metadata service of most clouds.
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  // Benchmarks; proxies that fake addresses use it.
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const)
  special.addSubnet(net, bits, "ipv4")
for (const [net, bits] of [
  // Protocol assignments (Teredo among them), documentation, 6to4, documentation.
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
] as const)
  special.addSubnet(net, bits, "ipv6")

const globalUnicast = new BlockList()
globalUnicast.addSubnet("2000::", 3, "ipv6")
const mapped = new BlockList()
mapped.addSubnet("0.0.0.0", 0, "ipv4")

/** True when the literal IP address (brackets and zone allowed) is not one of the public internet, or is none at all. */
export function isSpecialAddress(address: string): boolean {
  const plain = address.replace(/^\[|\]$/g, "").replace(/%.*$/, "")
  switch (isIP(plain)) {
    case 4:
      return special.check(plain, "ipv4")
    case 6:
      // An IPv4 address inside IPv6 ("::ffff:1.2.3.4", in any spelling) is judged as that IPv4 address: BlockList does so.
      if (mapped.check(plain, "ipv6")) return special.check(plain, "ipv6")
      return !globalUnicast.check(plain, "ipv6") || special.check(plain, "ipv6")
    default:
      return true
  }
}

/** A look-up for a connection that goes to addresses that were judged before, whatever the name means by now. */
export function pinnedLookup(addresses: readonly string[]): LookupFunction {
  const judged = addresses.map((address) => ({ address, family: isIP(address) }))
  return (_host, { all }, callback) => {
    if (all) callback(null, judged)
    else callback(null, judged[0]!.address, judged[0]!.family)
  }
}
