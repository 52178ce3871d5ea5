// The format of workflow files as a JSON Schema, for editors: they complete and mark while one types. What a file means is said by workflow/file/read.ts
// and workflow/check/check.ts; a test holds this and the reader to the same keys. `x-` keys are anybody's own.

type Schema = Record<string, unknown>

const text = (description: string): Schema => ({ type: "string", description })
const flag = (description: string): Schema => ({ type: "boolean", description })
const count = (description: string, minimum: number, maximum?: number): Schema => ({
  type: "integer",
  minimum,
  ...(maximum === undefined ? {} : { maximum }),
  description,
})
const one = (description: string, of: readonly string[]): Schema => ({ enum: of, description })
const any = (description: string): Schema => ({ description })
const map = (description: string): Schema => ({ type: "object", description })
const names = (description: string): Schema => ({
  type: "object",
  additionalProperties: { type: ["string", "number", "boolean", "null"] },
  description,
})
const steps = (description: string, minItems = 0): Schema => ({
  type: "array",
  items: { $ref: "#/$defs/step" },
  ...(minItems === 0 ? {} : { minItems }),
  description,
})

function closed(properties: Record<string, Schema>, more: Schema = {}): Schema {
  return { type: "object", properties, patternProperties: { "^x-": {} }, additionalProperties: false, ...more }
}

const argument = closed({
  default: any("Its value when the caller gives none"),
  description: text("For people"),
  type: one("Short for a schema of this type", ["string", "number", "integer", "boolean", "object", "array", "null"]),
  enum: { type: "array", description: "The values that are allowed" },
  schema: map("JSON Schema that the value must fit"),
  required: flag("The run does not begin without it"),
})

const approval: Schema = {
  description: "Waits for a yes after the step's own work: true, a prompt, or its details",
  anyOf: [
    { type: ["boolean", "string"] },
    closed({
      prompt: text("What is asked"),
      items: { type: "array", description: "What is shown; default: the step's output" },
      preview: text("A short text to look at"),
      initiated_by: text("Who asks"),
      initiatedBy: text("The same as initiated_by"),
      required_approver: text("Only this person may approve"),
      requiredApprover: text("The same as required_approver"),
      require_different_approver: flag("Not the one who asks"),
      requireDifferentApprover: flag("The same as require_different_approver"),
    }),
  ],
}

const input = closed(
  {
    prompt: text("What is asked"),
    responseSchema: map("JSON Schema that the answer must fit"),
    response_schema: map("The same as responseSchema"),
    defaults: any("What a form begins with"),
  },
  {
    description: "Waits for an answer: later steps find it as $id.response",
    required: ["prompt"],
    anyOf: [{ required: ["responseSchema"] }, { required: ["response_schema"] }],
  },
)

const retry = closed(
  {
    max: count("Attempts in total", 1, 1_000),
    backoff: one("How pauses grow", ["fixed", "exponential"]),
    delay_ms: count("The first pause", 0),
    max_delay_ms: count("The longest pause", 0),
    jitter: flag("Pauses differ by up to a tenth"),
  },
  { description: "Does the step again when it fails" },
)

const agent: Schema = {
  description: "One turn of an agent",
  anyOf: [
    { type: "string" },
    closed(
      {
        message: text("What it is asked; the step's stdin stands below"),
        prompt: text("The same as message"),
        agent: text("Which agent; default: the one the run belongs to"),
        session: text("Key of its session"),
        model: text("Which model"),
        thinking: text("How much it thinks"),
        schema: map("JSON Schema that the answer must fit"),
        max_retries: count("Further tries when the answer does not fit", 0, 10),
      },
      { anyOf: [{ required: ["message"] }, { required: ["prompt"] }] },
    ),
  ],
}

const http: Schema = {
  description: "A request: a url, or its details",
  anyOf: [
    { type: "string" },
    closed(
      {
        url: text("Where to"),
        method: text("Default: GET, or POST with a body"),
        headers: names("Headers of the request"),
        body: any("Text, or data that is sent as JSON"),
      },
      { required: ["url"] },
    ),
  ],
}

const parallel = closed(
  {
    branches: steps("Steps that run at once; later steps name them by their ids", 1),
    wait: one("all: every branch must succeed; any: the first success is enough", ["all", "any"]),
    timeout_ms: count("Time for all of them", 1),
    concurrency: count("How many at once", 1, 256),
  },
  { required: ["branches"], description: "Steps that run at once" },
)

const output: Schema = {
  description: "How the output is read: text, json, or with a schema",
  anyOf: [
    one("", ["text", "json"]),
    closed({
      mode: one("text: as it is; json: it must be JSON", ["text", "json"]),
      schema: map("JSON Schema that the output must fit"),
    }),
  ],
}

const BODIES: Record<string, Schema> = {
  run: text("A line for the shell"),
  command: text("The same as run"),
  argv: {
    type: "array",
    items: { type: ["string", "number", "boolean"] },
    minItems: 1,
    description: "A program and its arguments, without a shell",
  },
  pipeline: text("Commands joined by |"),
  workflow: text("Path of another workflow file"),
  parallel,
  for_each: text("The list that its steps are done for: a reference, an argument, or JSON"),
  tool: text("A tool of Pincer by its name"),
  agent,
  http,
}

const step = closed(
  {
    id: { type: "string", pattern: "^[A-Za-z0-9_-]+$", description: "Later steps name it: $id.json, $id.stdout" },
    ...BODIES,
    name: text("For people"),
    description: text("For people"),
    approval,
    input,
    gate_timeout_ms: count("How long its gate waits; default: 30 days", 1),
    quote: flag("Whatever is put into the line becomes one word of the shell"),
    workflow_args: map("Arguments of the other workflow"),
    steps: steps("What for_each does for every item", 1),
    item_var: text("Name of the item in these steps; default: item"),
    index_var: text("Name of its number; default: index"),
    batch_size: count("Items between two pauses", 1),
    pause_ms: count("Pause after each batch", 0),
    concurrency: count("Items at once", 1, 256),
    tool_args: map("Arguments of the tool"),
    stdin: any("Its input: a reference, a text or data"),
    env: names("Variables of its environment"),
    cwd: text("Where it works"),
    when: { type: ["boolean", "string"], description: "It is skipped unless this holds" },
    condition: { type: ["boolean", "string"], description: "The same as when" },
    needs: {
      anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }],
      description: "Steps that must have ended before; default: the one before it",
    },
    timeout_ms: count("Time for one attempt", 1),
    retry,
    on_error: one("What a failure means for the run", ["stop", "continue", "skip_rest"]),
    effect: one("read: it may be done twice; write: it is never done twice unasked", ["read", "write"]),
    idempotency_key: text("Two runs with the same key act once"),
    output,
    max_output: count("Bytes of output that are kept; the rest goes to a file", 1),
  },
  {
    required: ["id"],
    anyOf: [...Object.keys(BODIES), "approval", "input"].map((key) => ({ required: [key] })),
  },
)

export const WORKFLOW_SCHEMA: Schema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "Pincer workflow",
  description: "Steps that are checked before they act, journalled while they run, and resumable after any stop",
  ...closed(
    {
      $schema: text("Where this schema lies"),
      version: any("Of the file; Pincer does not look at it"),
      name: text("What runs are called"),
      description: text("For people"),
      args: { type: "object", additionalProperties: argument, description: "What a caller may give" },
      env: names("Variables of every step's environment"),
      cwd: text("Where steps work"),
      timeout_ms: count("Time for the whole run", 1),
      cost_limit: closed(
        {
          max_usd: { type: "number", minimum: 0, description: "US dollars" },
          action: one("What happens beyond it", ["warn", "stop"]),
        },
        { required: ["max_usd"], description: "What models may cost in one run" },
      ),
      strict: flag("Unknown keys are errors, and so are undeclared arguments"),
      steps: steps("What is done, in this order", 1),
      finally: steps("Done at the end, whatever came of the others; of a file within a file, at its own end"),
      on_failure: steps("Done after a failure, before finally"),
    },
    { required: ["steps"] },
  ),
  $defs: { step },
}

/** As it is printed and as it lies in the docs. */
export function workflowSchemaText(): string {
  return `${JSON.stringify(WORKFLOW_SCHEMA, null, 2)}\n`
}
