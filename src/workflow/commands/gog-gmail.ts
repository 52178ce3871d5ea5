// gog.gmail.search and gog.gmail.send: mail through the gog program.
import { PincerError } from "../../base/errors.ts"
import type { Command, CommandContext } from "../command.ts"
import { collected, drained, isRecord, isSet, spread, textArg } from "./items.ts"
import { numberArg } from "./json-args.ts"

const MAX_BYTES = 64 * 1024 * 1024

export const gogGmailSearch: Command = {
  name: "gog.gmail.search",
  description: "Mail that fits a query, through the gog program",
  args: {
    query: { type: "string", description: "What is looked for", default: "newer_than:1d" },
    max: { type: "number", description: "At most so many", default: 20 },
    limit: { type: "number", description: "The same" },
  },
  examples: [{ text: "gog.gmail.search --query 'is:unread' --max 5", description: "Five unread threads" }],
  sideEffects: ["reads_email"],
  effect: "read",
  async run({ args, items }, context) {
    await drained(items)
    const max = numberArg(args, "max", "gog.gmail.search") ?? numberArg(args, "limit", "gog.gmail.search") ?? 20
    const query = textArg(args, "query") ?? "newer_than:1d"
    const found = await gog(["search", query, "--json", "--max", String(max)], "gog.gmail.search", context)
    return { items: spread(isRecord(found) && Array.isArray(found["threads"]) ? found["threads"] : found) }
  },
}

export const gogGmailSend: Command = {
  name: "gog.gmail.send",
  description: "Sends each item as a mail, through the gog program",
  args: { "dry-run": { type: "boolean", description: "Shows what would be sent" } },
  examples: [{ text: "… | approve --prompt 'Send?' | gog.gmail.send", description: "Only with leave" }],
  sideEffects: ["sends_email"],
  effect: "once",
  async run({ args, items }, context) {
    // Every mail is looked at before the first one goes out.
    const mails = (await collected(items)).map(mailOf)
    if (isSet(args, "dry-run")) return { items: mails.map((mail) => ({ ok: true, dryRun: true, ...mail })) }
    const sent: unknown[] = []
    for (const { body, subject, to } of mails) {
      context.signal.throwIfAborted()
      const words = [
        ["--to", to],
        ["--subject", subject],
        ["--body", body],
      ].flatMap(([name, text]) => (text ? [name!, text] : []))
      sent.push(await gog(["send", ...words, "--json"], "gog.gmail.send", context))
    }
    return { items: sent }
  },
}

function mailOf(item: unknown): { to: string; subject: string; body: string } {
  const text = (name: string) => {
    const value = isRecord(item) ? item[name] : undefined
    return value === undefined || value === null ? "" : String(value)
  }
  const mail = { to: text("to"), subject: text("subject"), body: text("body") }
  if (mail.to !== "") return mail
  throw new PincerError("INVALID_PARAMS", 'gog.gmail.send: a mail has no "to", so none was sent')
}

async function gog(words: string[], command: string, context: CommandContext): Promise<unknown> {
  const { cwd, env } = context
  const argv = [env["GOG_BIN"] || "gog", "gmail", ...words]
  const ran = await context.run({ line: { argv }, cwd, env, maxBytes: MAX_BYTES })
  if (ran.exitCode !== 0)
    throw new Error(
      `${command} failed (${ran.killedBy ?? ran.exitCode}): ${(ran.stderr.trim() || ran.stdout.trim()).slice(0, 4_000)}`,
    )
  if (ran.spilled) throw new PincerError("TOO_LARGE", `${command}: the answer is in ${ran.spilled.file}`)
  if (ran.stdout.trim() === "") return []
  try {
    return JSON.parse(ran.stdout)
  } catch (error) {
    throw new Error(`${command}: gog gave no JSON`, { cause: error })
  }
}
