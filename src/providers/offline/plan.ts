// From what the user wrote to what is to be done, in order. Deterministic. A text is followed when every clause of it is understood;
// when only its beginning is, what merely reads is still done and the rest is named, but nothing that has an effect.
import { type Action, INTENTS } from "./intents.ts"
import { giveBack, type Quoted, takeQuotes } from "./quote.ts"

export interface ReplyPlan {
  actions: Action[]
  /** Clauses that were not understood, in the user's words. */
  unclear: string[]
  /** Steps that were understood but are withheld because of what was not. */
  withheld: Action[]
  language: "en" | "zh"
}

/** Longer texts (quoted pieces aside) are letters, not requests. */
const MAX_LENGTH = 1_000
/** Quoted pieces included. */
const MAX_INPUT = 200_000
const MAX_ACTIONS = 20
/** Tools that change nothing and stay on this machine. */
const HARMLESS = new Set(["LS", "Read", "Glob", "Grep"])

const OPENERS =
  /^(?:hey|hi|hello|ok|okay|please|pls|pincer|now|also|then|next|first|finally|and|can you|could you|would you|will you|i want you to|i(?:'d|’d| would) like you to|i need you to|go ahead and|just|kindly|let(?:'s|’s| us)|try to|请|麻烦|帮我|帮忙|给我|你?能不能|你?能否|你?可不可以|你?可以|你?能|我想让你|我要你|先|再|然后|接着|最后|现在|首先|顺便|并且|并|好的)(?:[\s,，:：]+|(?<=\p{Script=Han}))/iu
const CLOSERS =
  /(?:[\s,，]+(?:please|pls|for me|now|thanks|thank you|again|too)|[,，\s]*(?:好吗|可以吗|行吗|吗|吧|呢|谢谢|给我看看|给我看|给我))$/iu
/** Ends a sentence for certain, and between clauses perhaps. */
const SENTENCE = /[ \t]*\n+[ \t]*|[;；。！!？?]+\s*|(?<=[^\s.])\.(?=\s)\s*/u
const MAYBE = /,\s*(?:and\s+)?(?:then\s+)?|，\s*|、|\s+and\s+then\s+|\s+and\s+|\s+then\s+|然后|接着|并且|并|再|和/gu

export function makePlan(input: string): ReplyPlan {
  if (input.length > MAX_INPUT) return { actions: [], unclear: [input], withheld: [], language: "en" }
  const quoted = takeQuotes(input.trim())
  const language = /\p{Script=Han}/u.test(quoted.text) ? "zh" : "en"
  const nothing: ReplyPlan = { actions: [], unclear: [giveBack(quoted.text, quoted)], withheld: [], language }
  if (quoted.text.length > MAX_LENGTH) return nothing
  // "Create a.txt with this text: …" may hold more than words, so the whole is tried before it is taken apart.
  const whole = clause(quoted.text, quoted)
  if (whole) return { ...nothing, actions: whole, unclear: [] }
  const actions: Action[] = []
  const unclear: string[] = []
  for (const sentence of quoted.text.split(SENTENCE)) {
    if (sentence.trim() === "") continue
    const understood = clauses(sentence, quoted)
    if (understood) actions.push(...understood)
    else unclear.push(giveBack(sentence.trim().replace(/\.$/, ""), quoted))
    if (actions.length === 0 && unclear.length > 0) return nothing
  }
  if (actions.length > MAX_ACTIONS) return nothing
  return settle({ actions, unclear, withheld: [], language })
}

/** Greetings give way to work, and half-understood work to caution. */
function settle(plan: ReplyPlan): ReplyPlan {
  const calls = plan.actions.filter((action) => action.type === "call")
  const actions = calls.length > 0 ? plan.actions.filter((action) => !isCourtesy(action)) : plan.actions
  if (plan.unclear.length === 0) return { ...plan, actions }
  const harmless = calls.length > 0 && calls.every((action) => HARMLESS.has(action.tool))
  return harmless ? { ...plan, actions } : { ...plan, actions: [], withheld: calls }
}

function isCourtesy(action: Action): boolean {
  return action.type === "say" && ["hello", "thanks", "bye"].includes(action.topic)
}

/** One sentence as one clause or as several, the longest first. `tried` keeps "ls and ls and …" from being tried in every way. */
function clauses(text: string, quoted: Quoted, tried = new Map<string, Action[] | undefined>()): Action[] | undefined {
  if (!tried.has(text)) tried.set(text, clause(text, quoted) ?? severalClauses(text, quoted, tried))
  return tried.get(text)
}

function severalClauses(text: string, quoted: Quoted, tried: Map<string, Action[] | undefined>): Action[] | undefined {
  const cuts = [...text.matchAll(MAYBE)]
  if (cuts.length > 12) return undefined
  for (const cut of cuts.reverse()) {
    const right = text.slice(cut.index + cut[0].length)
    if (right.trim() === "") continue
    const left = clause(text.slice(0, cut.index), quoted)
    const rest = left && clauses(right, quoted, tried)
    if (left && rest) return [...left, ...rest]
  }
  return undefined
}

/** A clause as it stands, then without its polite opening, then without its polite end too. */
function clause(text: string, quoted: Quoted): Action[] | undefined {
  let rest = text
    .trim()
    .replace(/(?<=[^\s.])[.。!！?？…~]+$/u, "")
    .trim()
  for (let stripped = 0; stripped < 6 && rest !== ""; stripped++) {
    const found = match(rest, quoted) ?? match(rest.replace(CLOSERS, "").trim(), quoted)
    if (found) return found
    const shorter = rest.replace(OPENERS, "").trim()
    if (shorter === rest) return undefined
    rest = shorter
  }
  return undefined
}

function match(text: string, quoted: Quoted): Action[] | undefined {
  for (const intent of INTENTS) {
    for (const wording of intent.wordings) {
      const caught = wording.exec(text)
      const actions = caught && intent.build(caught.groups ?? {}, quoted)
      if (actions) return actions
    }
  }
  return undefined
}
