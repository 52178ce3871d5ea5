// Which addresses the web is not: everything private, local, reserved or special (IANA special-purpose registries). Judged on the
// parsed address, so that no spelling (decimal, octal, mapped) gets around it.
import { BlockList, isIP, isIPv4 } from "node:net"

const special = new BlockList()
for (const [net, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const)
  special.addSubnet(net, bits, "ipv4")
for (const [net, bits] of [
  ["::", 96],
  ["64:ff9b::", 96],
  ["64:ff9b:1::", 48],
  ["100::", 64],
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
] as const)
  special.addSubnet(net, bits, "ipv6")

/** True when the literal IP address is not one of the public internet. */
export function isSpecialAddress(address: string): boolean {
  const plain = address.replace(/^\[|\]$/g, "").replace(/%.*$/, "")
  if (isIP(plain) === 0) return true
  if (isIPv4(plain)) return special.check(plain, "ipv4")
  const mapped = /^::ffff:(.+)$/i.exec(plain)?.[1]
  if (mapped !== undefined) {
    if (isIPv4(mapped)) return special.check(mapped, "ipv4")
    const [high, low] = mapped.split(":").map((part) => Number.parseInt(part, 16))
    if (high === undefined || low === undefined || Number.isNaN(high + low)) return true
    return special.check(`${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`, "ipv4")
  }
  return special.check(plain, "ipv6")
}
