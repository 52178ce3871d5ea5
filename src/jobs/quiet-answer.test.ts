import assert from "node:assert/strict"
import { test } from "node:test"
import { newsOf } from "./quiet-answer.ts"

test("an answer that says that nothing needs attention is no news", () => {
  for (const [answer, news] of [
    ["HEARTBEAT_OK", "ok-token"],
    ["**HEARTBEAT_OK**\n", "ok-token"],
    ["HEARTBEAT_OK.", "ok-token"],
    ["All quiet. HEARTBEAT_OK", "ok-token"],
    ["no_reply", "ok-token"],
    [" \n", "ok-empty"],
    ["The build is red", "sent"],
    ["HEARTBEAT_OK is what I would say, but the build has been red for three hours and nobody has looked", "sent"],
    [
      "HEARTBEAT_OK 服务器的磁盘快满了，请马上处理，不然今晚的备份会失败，而且昨天的日志也没有写完，数据库同样需要检查，别忘了通知值班的同事，还有证书后天到期",
      "sent",
    ],
    ["Say NO_REPLY", "sent"],
  ] as const)
    assert.equal(newsOf(answer, 64), news, answer)
  assert.equal(newsOf("HEARTBEAT_OK fine"), "sent", "without room for more, nothing may stand besides")
})
