import assert from "node:assert/strict"
import { test } from "node:test"
import { seccompFilter } from "./seccomp.ts"

interface Call {
  nr: number
  args?: number[]
  arch?: number
}

const [ALLOW, EPERM, ENOSYS, EAFNOSUPPORT, KILL] = [0x7fff_0000, 0x0005_0001, 0x0005_0026, 0x0005_0061, 0x8000_0000]
const ARCH: Readonly<Record<string, number>> = { x64: 0xc000_003e, arm64: 0xc000_00b7 }

/** Runs the program as the kernel does: loads, jumps and an answer are all it has. */
function answer(processor: string, { args = [], arch = ARCH[processor]!, nr }: Call): number {
  const program = seccompFilter(processor)!
  const data = new Map<number, number>([
    [0, nr],
    [4, arch],
    ...args.map((value, i): [number, number] => [16 + i * 8, value >>> 0]),
  ])
  let loaded = 0
  for (let at = 0; at < program.length; at += 8) {
    const code = program.readUInt16LE(at)
    const value = program.readUInt32LE(at + 4)
    if (code === 0x06) return value
    if (code === 0x20) loaded = data.get(value) ?? 0
    const holds = code === 0x15 ? loaded === value : (loaded & value) !== 0
    if (code === 0x15 || code === 0x45) at += 8 * program.readUInt8(at + (holds ? 2 : 3))
  }
  throw new Error("the program ran off its end")
}

test("name spaces, mounts, tracing, keys and modules are refused; everyday calls pass", () => {
  for (const nr of [101, 155, 161, 165, 166, 175, 250, 272, 298, 304, 308, 310, 311, 313, 321, 323, 425, 428, 430])
    assert.equal(answer("x64", { nr }), EPERM, String(nr))
  for (const nr of [117, 40, 41, 97, 268, 265, 270, 280, 219, 425])
    assert.equal(answer("arm64", { nr }), EPERM, String(nr))
  for (const nr of [0, 1, 2, 9, 42, 59, 257]) assert.equal(answer("x64", { nr }), ALLOW, String(nr))
})

test("a process is made without new name spaces only, and not by the call that hides them", () => {
  assert.equal(answer("x64", { nr: 56, args: [17] }), ALLOW)
  for (const flag of [0x1000_0000, 0x0002_0000, 0x2000_0000, 0x4000_0000, 0x80]) {
    assert.equal(answer("x64", { nr: 56, args: [flag | 17] }), EPERM)
    assert.equal(answer("arm64", { nr: 220, args: [flag | 17] }), EPERM)
  }
  assert.equal(answer("x64", { nr: 435 }), ENOSYS)
})

test("nothing is typed into a terminal", () => {
  for (const request of [0x5412, 0x541c]) {
    assert.equal(answer("x64", { nr: 16, args: [1, request] }), EPERM)
    assert.equal(answer("arm64", { nr: 29, args: [1, request] }), EPERM)
  }
  assert.equal(answer("x64", { nr: 16, args: [1, 0x5401] }), ALLOW)
})

test("sockets are of the families that a network name space holds", () => {
  for (const family of [1, 2, 10, 16]) assert.equal(answer("x64", { nr: 41, args: [family] }), ALLOW)
  for (const family of [17, 38, 40, 30]) assert.equal(answer("x64", { nr: 41, args: [family] }), EAFNOSUPPORT)
})

test("calls of another table end the program", () => {
  assert.equal(answer("x64", { nr: 0, arch: 0x4000_0003 }), KILL)
  assert.equal(answer("x64", { nr: 0x4000_0000 | 101 }), KILL)
  assert.equal(seccompFilter("mips"), undefined)
})
