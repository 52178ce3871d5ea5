// The first set-up: where the agent works, which model service answers, with which key. The service is asked for real before anything is
// written; the key goes into a file of its own that only its owner may read, never into the configuration.
import { mkdir, open, rename } from "node:fs/promises"
import { homedir } from "node:os"
import { isAbsolute, join } from "node:path"
import { uuid } from "../../base/id.ts"
import { configSchema } from "../../config/schema.ts"
import type { ModelRef } from "../../providers/catalogue.ts"
import { discover } from "../../providers/discovery.ts"
import { OpenCatalogue } from "../../providers/open-catalogue.ts"
import { type ServiceRow, serviceOf, services } from "../../providers/services.ts"
import { writeConfigFor } from "../config/config-calls.ts"
import type { Parts } from "../parts.ts"
import type { Prompter } from "./dialogue.ts"

const PROBE_MS = 30_000
const LIST_MS = 10_000
const MAX_MODELS = 50
const KEEP = "keep"
const OTHER = "other"

/** Which service is to answer, as far as it is known by now. */
interface Choice {
  id: string
  entry: { service?: string; wire?: "openai-chat"; baseUrl?: string }
  /** Undefined: it needs none, or one that is there already. */
  key: string | undefined
}

/** Throws what the writing of the configuration refuses. */
export async function setup(ask: Prompter, parts: Parts, who: string, given: { workspace?: string }): Promise<void> {
  await ask.note(
    "welcome",
    "Set up Pincer",
    `A few questions: where the agent works, and which model answers. Nothing is written before the end.`,
  )
  const workspace = await askWorkspace(ask, parts, given.workspace)
  const model = await askModel(ask, parts)
  const lines = [`The agent works in ${workspace}.`, model ? `${model.ref} answers.` : "The model stays as it is."]
  const save = await ask.confirm({
    id: "save",
    title: "Save?",
    message: lines.join("\n"),
    initialValue: true,
  })
  if (!save) return
  const key = model?.choice.key
  const keyFile = key === undefined || !model ? undefined : await writeKey(parts.home, model.choice.id, key)
  const patch = {
    agents: { defaults: { workspace, ...(model ? { model: model.ref } : {}) } },
    ...(model
      ? {
          providers: {
            [model.choice.id]: {
              ...model.choice.entry,
              ...(keyFile === undefined ? {} : { apiKey: { file: keyFile } }),
            },
          },
        }
      : {}),
  }
  await writeConfigFor(parts, { edit: { type: "patch", patch }, needsHash: false, note: "set up" }, who)
  await ask.note("finished", "Done", `Saved in ${parts.configPath}. Say something: pincer ask "hello"`)
}

async function askWorkspace(ask: Prompter, parts: Parts, given: string | undefined): Promise<string> {
  const now = parts.agents.get(parts.config.agents.default)?.workspace ?? join(parts.home, "workspace")
  const wanted = await ask.text(
    {
      id: "workspace",
      title: "Where does the agent work?",
      message: "A folder; it is made when it is not there. Files outside of it are asked about.",
      initialValue: given ?? now,
      placeholder: now,
    },
    (value) => (isAbsolute(expanded(value)) ? undefined : `"${value}" is no absolute path: give one, such as ${now}`),
  )
  return expanded(wanted)
}

function expanded(path: string): string {
  return path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : path
}

/** Undefined when the model is to stay as it is. */
async function askModel(ask: Prompter, parts: Parts): Promise<{ choice: Choice; ref: string } | undefined> {
  for (;;) {
    const choice = await askService(ask, parts)
    if (!choice) return undefined
    const catalogue = trialCatalogue(choice, parts)
    const ref = await askWhich(ask, choice, catalogue)
    const result = await catalogue.probe(ref, PROBE_MS)
    ask.signal.throwIfAborted()
    const chosen = { choice, ref: `${ref.provider}/${ref.model}` }
    if (result.status === "ok") return chosen
    const next = await ask.select({
      id: "trouble",
      title: "It did not answer",
      message: `${chosen.ref}: ${parts.redactor.text(result.error ?? result.status)}`,
      options: [
        { value: "again", label: "Choose again" },
        { value: "anyway", label: "Use it all the same" },
        { value: KEEP, label: "Leave the model as it is" },
      ],
      initialValue: "again",
    })
    if (next === "anyway") return chosen
    if (next === KEEP) return undefined
  }
}

async function askService(ask: Prompter, parts: Parts): Promise<Choice | undefined> {
  const { catalogue } = parts
  const chosen = catalogue.chosen()
  const usable = new Set(catalogue.providers().map(({ id }) => id))
  const id = await ask.select({
    id: "service",
    title: "Which model service?",
    message: `Now: ${chosen.why}`,
    options: [
      { value: KEEP, label: "As it is now", hint: `${chosen.provider}/${chosen.model}` },
      ...services.map((row) => ({ value: row.id, label: row.name, hint: hintOf(row, usable) })),
      { value: OTHER, label: "Another one", hint: "by its address; it speaks OpenAI's chat API" },
    ],
    initialValue: chosen.provider === "offline" ? "anthropic" : KEEP,
  })
  if (id === KEEP) return undefined
  const row = serviceOf(id)
  const entry = row ? { service: row.id } : { wire: "openai-chat" as const, baseUrl: await askAddress(ask) }
  const name = row?.id ?? OTHER
  const hasKey = usable.has(name)
  const needsKey = row ? row.keyEnv.length > 0 : false
  if (row?.local) return { id: name, entry, key: undefined }
  const key = await ask.text(
    {
      id: "key",
      title: `The key of ${row?.name ?? "this service"}`,
      message: hasKey ? "Leave it empty to go on with the one that is there." : keyWords(needsKey),
      initialValue: "",
      sensitive: true,
    },
    (value) => {
      if (value === "" && needsKey && !hasKey) return "It needs a key: paste it here"
      return /[\u0000-\u001f\u007f\s]/.test(value) ? "A key is one word without blanks" : undefined
    },
  )
  if (key !== "") parts.redactor.add(key)
  return { id: name, entry, key: key === "" ? undefined : key }
}

function hintOf({ id, keyEnv, local }: ServiceRow, usable: ReadonlySet<string>): string {
  if (usable.has(id)) return "can be asked now"
  return local ? "on this machine" : `needs a key${keyEnv[0] === undefined ? "" : ` (${keyEnv[0]})`}`
}

function keyWords(needed: boolean): string {
  return needed ? "It is kept in a file that only you may read." : "Leave it empty when it needs none."
}

function askAddress(ask: Prompter): Promise<string> {
  return ask.text({ id: "address", title: "Its address", placeholder: "https://example.org/v1" }, (value) =>
    /^https?:\/\/\S+$/.test(value) && URL.canParse(value) ? undefined : `"${value}" is no http address`,
  )
}

/** A catalogue of this one service, so that it can be tried before anything is written; of those there are, with a key that is there. */
function trialCatalogue({ entry, id, key }: Choice, parts: Parts) {
  if (key === undefined && parts.catalogue.provider(id)) return parts.catalogue
  const { providers } = configSchema.parse({ providers: { [id]: { ...entry, ...(key ? { apiKey: key } : {}) } } })
  const discovered = discover({ configured: providers, env: {}, discover: false, keyOf: () => key })
  const { clock, log } = parts
  return new OpenCatalogue({ discovered, chosenModel: undefined, fallbackProviders: [], prices: {}, clock, log })
}

async function askWhich(ask: Prompter, { entry, id }: Choice, catalogue: Parts["catalogue"]): Promise<ModelRef> {
  const limit = AbortSignal.any([ask.signal, AbortSignal.timeout(LIST_MS)])
  const listed = await catalogue.models(limit).catch(() => [])
  ask.signal.throwIfAborted()
  const own = listed.filter((info) => info.provider === id).slice(0, MAX_MODELS)
  const usual = serviceOf(entry.service ?? "")?.defaultModel
  if (own.length === 0) {
    const model = await ask.text(
      { id: "model", title: "Which model?", ...(usual === undefined ? {} : { initialValue: usual }) },
      (value) => (value === "" ? "Name a model of this service" : undefined),
    )
    return { provider: id, model }
  }
  const known = own.some((info) => info.id === usual)
  const model = await ask.select({
    id: "model",
    title: "Which model?",
    options: own.map((info) => ({ value: info.id, label: info.name })),
    initialValue: known && usual !== undefined ? usual : own[0]!.id,
  })
  return { provider: id, model }
}

/** Its path within the home, as the configuration refers to it. */
async function writeKey(home: string, id: string, key: string): Promise<string> {
  const folder = join(home, "secrets")
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const place = join(folder, `${id}.key`)
  const fresh = `${place}.${uuid()}`
  const file = await open(fresh, "wx", 0o600)
  try {
    await file.writeFile(`${key}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(fresh, place)
  return `secrets/${id}.key`
}
