// A gateway as far as its external agents are concerned, to be killed: node acp-agent-gateway.ts <leftovers file> <mark> [agent's flags].
// It starts an agent, has it work, and says "ready".
import { existsSync, readFileSync } from "node:fs"
import { rename, writeFile } from "node:fs/promises"
import { hostRoom } from "./acp-agent-room.ts"

const [file = "", mark = "", ...flags] = process.argv.slice(2)
const room = hostRoom({
  leftovers: {
    read: async () => (existsSync(file) ? readFileSync(file, "utf8") : undefined),
    write: async (text) => {
      await writeFile(`${file}.new`, text)
      await rename(`${file}.new`, file)
    },
  },
})
const heard = room.start("say here;hang", { flags, agent: { env: () => ({ ORPHAN_MARK: mark }) } })
await heard.until((event) => event.type === "text")
process.stdout.write("ready\n")
setInterval(() => undefined, 60_000)
