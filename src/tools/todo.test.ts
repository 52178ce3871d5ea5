import assert from "node:assert/strict"
import { test } from "node:test"
import { textIn, toolRoom } from "../../test/fakes/tool-room.ts"
import { todoWrite } from "./todo.ts"

test("TodoWrite keeps the whole list with the session and shows it", async (t) => {
  const { call, context } = await toolRoom(t)
  const todos = [
    { text: "读代码", status: "completed" },
    { text: "write", status: "in_progress" },
    { text: "test", status: "pending" },
  ]
  assert.equal(textIn(await call(todoWrite, { todos })), "[x] 读代码\n[~] write\n[ ] test")
  assert.deepEqual(context.notes.get("todos"), todos)
  assert.equal(textIn(await call(todoWrite, { todos: [] })), "The list is empty.")
  assert.deepEqual(context.notes.get("todos"), [])
  await assert.rejects(call(todoWrite, { todos: [{ text: "x", status: "maybe" }] }), { code: "INVALID_PARAMS" })
})
