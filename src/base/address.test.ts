import assert from "node:assert/strict"
import { test } from "node:test"
import { isSpecialAddress } from "./address.ts"

test("isSpecialAddress() refuses everything that is not the public internet", () => {
  for (const address of [
    ...["0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "168.63.129.16"],
    ...[
      "169.254.169.254",
      "172.16.0.1",
      "172.31.255.255",
      "192.0.0.192",
      "192.168.1.1",
      "198.18.0.1",
      "198.19.255.255",
    ],
    ...["203.0.113.5", "224.0.0.1", "240.0.0.1", "255.255.255.255"],
    ...["::", "::1", "[::1]", "0:0:0:0:0:0:0:1", "::127.0.0.1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0"],
    ...[
      "fec0::1",
      "ff02::1",
      "64:ff9b::7f00:1",
      "64:ff9b::169.254.169.254",
      "2002:7f00:1::",
      "2001:0:1::",
      "2001:db8::1",
    ],
    ...["::ffff:127.0.0.1", "::FFFF:7f00:1", "0:0:0:0:0:ffff:a9fe:a9fe", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1"],
    ...["", "localhost", "1.2.3", "0177.0.0.1"],
  ])
    assert.equal(isSpecialAddress(address), true, address)
})

test("isSpecialAddress() lets public addresses through", () => {
  for (const address of [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "172.32.0.1",
    "198.17.0.1",
    "198.20.0.1",
    "223.255.255.255",
  ])
    assert.equal(isSpecialAddress(address), false, address)
  for (const address of ["2606:4700:4700::1111", "2a00:1450::1", "[2400:3200::1]", "::ffff:8.8.8.8"])
    assert.equal(isSpecialAddress(address), false, address)
})
