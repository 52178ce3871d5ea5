// What the published clients of the original gateway call, with their very params, and the members of the answers that were seen there:
// ours has them too, with the same types (test/corpus/golden-calls.json). A member that is null here or there is merely not known.
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { clawConnect, openRaw } from "./frames.ts"
import { startHouse } from "./house.ts"

/** "string", "number", …; a list with the type of its first item; an object by member. */
type Shape = string | [] | [Shape] | ["array"] | ["array", Shape] | { [member: string]: Shape }

interface GoldenCall {
  method: string
  params: Record<string, unknown> | null
  result: Shape
}

const golden = JSON.parse(readFileSync(new URL("./corpus/golden-calls.json", import.meta.url), "utf8")) as GoldenCall[]

const kindOf = (value: unknown) => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value)
const kindOfShape = (shape: Shape) => (Array.isArray(shape) ? "array" : typeof shape === "string" ? shape : "object")

/** Places where the answer is something else. */
function differences(shape: Shape, value: unknown, at: string): string[] {
  const [wanted, is] = [kindOfShape(shape), kindOf(value)]
  if (wanted === "null" || is === "null") return []
  if (wanted !== is) return [`${at || "the answer"} is ${is}, not ${wanted}`]
  if (Array.isArray(shape)) {
    const [, item] = shape
    const [first] = value as unknown[]
    return item === undefined || first === undefined ? [] : differences(item, first, `${at}[]`)
  }
  if (typeof shape === "string") return []
  return Object.entries(shape).flatMap(([name, inner]) => {
    const member: unknown = Reflect.get(value as object, name)
    return member === undefined ? [`${at}.${name} is missing`] : differences(inner, member, `${at}.${name}`)
  })
}

test("every call that published clients were seen to make is answered with what they saw there", async (t) => {
  const house = await startHouse()
  t.after(() => house.close())
  const wire = await openRaw(house.wsUrl)
  t.after(() => wire.socket.terminate())
  await wire.ask("connect", clawConnect(4, house.token))
  await wire.ask("chat.send", { sessionKey: "main", message: "hello", wait: true })
  for (const { method, params, result } of golden) {
    const answer = await wire.ask(method, params ?? undefined)
    assert.equal(answer.ok, true, `${method}: ${answer.error?.message}`)
    assert.deepEqual(differences(result, answer.payload, ""), [], method)
  }
})
