// What Lobster and Pincer are compared by: pipelines, workflow files, gates and their answers, errors, modes, exit codes, drawings. Written for this
// comparison; the answers are those of the published program (test/long/lobster-conformance.long.ts).
import type { LobsterCase } from "./lobster-case.ts"

const PEOPLE = JSON.stringify([
  { id: 1, name: "ann", age: 30, team: "a", active: true },
  { id: 2, name: "bob", age: 9, team: "b", active: false },
  { id: 3, name: "cy", age: 41, team: "a", active: true },
])
const TOOL = ["run", "--mode", "tool"] as const

/** A pipeline over the three people, in tool mode; no program feeds it. */
function over(name: string, pipeline: string, more: Partial<LobsterCase> = {}): LobsterCase {
  const text = JSON.stringify({ steps: [{ id: "p", pipeline, stdin: JSON.parse(PEOPLE) }] })
  return { name, files: { "p.json": text }, calls: [[...TOOL, "p.json"]], quick: true, ...more }
}

function flow(name: string, yaml: string, ...answers: string[][]): LobsterCase {
  return { name, files: { "w.lobster": yaml }, calls: [[...TOOL, "w.lobster"], ...answers] }
}

function line(name: string, pipeline: string, more: Partial<LobsterCase> = {}): LobsterCase {
  return { name, calls: [[...TOOL, pipeline]], ...more }
}

function differing(one: LobsterCase, differs: string): LobsterCase {
  return { ...one, differs }
}

const MAILS = [
  { id: "m1", threadId: "t1", from: "Ann <ann@example.com>", subject: "A question", labels: ["INBOX", "unread"] },
  { messageId: 2, sender: "NoReply@shop.example", subject: "Your receipt", labels: ["UNREAD"], internalDate: 170 },
  { id: "m3", from: "bob@example.com", subject: "URGENT: 合同", snippet: " please sign ", labels: [] },
  { id: "m4", thread_id: "t4", from: "cy@example.com", subject: "Action Required now", bodyPreview: "b" },
  { id: "m5", from: "do-not-reply@example.com", subject: "Re: again", timestamp: "t", labels: ["Unread", 5] },
  { subject: null },
  7,
]

function mails(name: string, pipeline: string, more: Partial<LobsterCase> = {}): LobsterCase {
  const text = JSON.stringify({ steps: [{ id: "p", pipeline, stdin: MAILS }] })
  return { name, files: { "p.json": text }, calls: [[...TOOL, "p.json"]], quick: true, ...more }
}

const pipelines: LobsterCase[] = [
  mails("mails are sorted by rules", "email.triage"),
  mails("some of the mails are sorted", "email.triage --limit 3 --emit report"),
  mails("rules draft nothing", "email.triage --emit drafts"),
  mails("without a model the rules sort, though one is wanted", "email.triage --llm --model m"),
  mails("nobody is sent what was not drafted", "email.triage --llm --emit drafts | gog.gmail.send --dry-run"),
  differing(mails("no mail is asked for", "email.triage --limit 0"), "triage-arguments"),
  over("where keeps equal numbers", "where id=2"),
  over("where keeps equal words", "where name==ann"),
  over("where with not equal", "where name!=ann"),
  over("where with greater", "where age>9"),
  over("where with at least", "where age>=30"),
  over("where with less", "where age<30"),
  over("where with a boolean", "where active=true"),
  over("where finds nothing", "where id=9"),
  over("pick in the order of the list", "pick name,id"),
  over("pick of a name that is not there", "pick id,nothing"),
  over("head takes n", "head --n 2"),
  over("head with an equals sign", "head --n=1"),
  over("sort by numbers", "sort --key age"),
  over("sort by words, falling", "sort --key name --desc"),
  over("dedupe by a key", "dedupe --key team"),
  over("groupBy in the order seen", "groupBy --key team"),
  over("map wraps", "map --wrap person | head --n 1"),
  over("map unwraps", "map --unwrap name"),
  over("map assigns templates", "map label={{name}}-{{id}} | pick label"),
  over("template renders each", "template --text 'Hi {{name}} of {{team}}'"),
  over("template filters", "template --text '{{name | upper}} {{age | round 1}} {{nothing | default none}}'"),
  over("template with a positional text", "template {{name}}"),
  over("template of the whole item", "pick id | template --text '{{.}}'"),
  over("template with an unknown filter", "template --text '{{name | nonsense}}'"),
  over("quotes are put together", `template --text "a"'b'" {{id}}"`),
  over("several stages", "where active=true | sort --key age --desc | pick name | head --n 1"),
  line("an empty stage", "head | | json"),
  line("an unclosed quote", "template --text 'x"),
  line("nothing at all", ""),
  line("exec with words", "exec echo hello"),
  line("exec of several lines", "exec --shell 'printf \"a\\nb\\n\\nc\\n\"'"),
  line("exec gives JSON", "exec --json --shell 'echo [1,2,3]'"),
  line("exec gives one object", `exec --json --shell 'echo "{\\"a\\":1}"'`),
  line("exec gives what is no JSON", "exec --json --shell 'echo nope'"),
  line("exec fails", "exec --shell 'echo bad >&2; exit 3'"),
  line("exec of a program that is not there", "exec no-such-program-anywhere"),
  line("exec reads items as JSON", "exec --json --shell 'echo [1,2]' | exec --stdin json cat"),
  line("exec reads items as lines of JSON", "exec --json --shell 'echo [1,2]' | exec --stdin jsonl cat"),
  line("exec reads items raw", "exec --json --shell 'echo [1,2]' | exec --stdin raw cat"),
  line("exec does not read items unasked", "exec --json --shell 'echo [1,2]' | exec cat"),
  line("commands.list by name", "commands.list | where name=head | pick name", { quick: true }),
  line("state that was never set", "state.get nothing", { quick: true }),
  {
    name: "state is kept from one run to the next",
    calls: [
      [...TOOL, "exec --json --shell 'echo [1,2]' | state.set numbers"],
      [...TOOL, "state.get numbers"],
    ],
  },
  {
    name: "diff.last tells of a change once",
    calls: [
      [...TOOL, "exec --json --shell 'echo [1]' | diff.last --key d"],
      [...TOOL, "exec --json --shell 'echo [1]' | diff.last --key d"],
      [...TOOL, "exec --json --shell 'echo [2]' | diff.last --key d"],
    ],
  },
  line("groupBy without a key", "groupBy"),
  line("where without an expression", "where"),
  line("pick without names", "pick"),
]

const files: LobsterCase[] = [
  flow("a step's text", "steps:\n  - { id: a, run: echo hello }\n"),
  flow("a step's JSON", `steps:\n  - { id: a, run: 'echo "{\\"x\\":1}"' }\n`),
  flow("a step's JSON list is spread", "steps:\n  - { id: a, run: 'echo [1,2]' }\n"),
  flow("only the last step is the output", "steps:\n  - { id: a, run: echo one }\n  - { id: b, run: echo two }\n"),
  flow(
    "a path into an earlier step",
    `steps:\n  - { id: a, run: 'echo "{\\"x\\":{\\"y\\":7}}"' }\n  - { id: b, run: 'echo $a.json.x.y' }\n`,
  ),
  flow(
    "a step's text as input",
    "steps:\n  - { id: a, run: echo hello }\n  - { id: b, run: tr a-z A-Z, stdin: $a.stdout }\n",
  ),
  flow(
    "a step's JSON into a pipeline",
    "steps:\n  - { id: a, run: 'echo [3,1,2]' }\n  - { id: b, pipeline: sort, stdin: $a.json }\n",
  ),
  flow("defaults of arguments", "args: { who: { default: you } }\nsteps:\n  - { id: a, run: 'echo ${who}' }\n"),
  {
    ...flow(
      "arguments from the caller",
      "args: { who: { default: you } }\nsteps:\n  - { id: a, run: 'echo ${who}' }\n",
    ),
    calls: [[...TOOL, "w.lobster", "--args-json", '{"who":"ann"}']],
  },
  flow(
    "arguments in the environment",
    "args: { a-b: { default: 5 } }\nsteps:\n  - { id: a, run: 'echo $LOBSTER_ARG_A_B $LOBSTER_ARGS_JSON' }\n",
  ),
  flow(
    "variables of the file and the step",
    "env: { X: file, Y: file }\nsteps:\n  - { id: a, run: 'echo $X $Y', env: { Y: step } }\n",
  ),
  flow(
    "a condition that holds",
    "steps:\n  - { id: a, run: 'echo [1]' }\n  - { id: b, run: echo yes, when: $a.json.0 == 1 }\n",
  ),
  flow(
    "a condition that does not",
    "steps:\n  - { id: a, run: echo first }\n  - { id: b, run: echo no, when: false }\n",
  ),
  flow(
    "a skipped step can be asked about",
    "steps:\n  - { id: a, run: echo x, when: false }\n  - { id: b, run: echo skipped, when: $a.skipped }\n",
  ),
  flow(
    "and, or, not",
    "steps:\n  - { id: a, run: 'echo [5]' }\n  - { id: b, run: echo yes, when: '!($a.json.0 < 3) && ($a.json.0 == 5 || false)' }\n",
  ),
  flow("a failing step ends it", "steps:\n  - { id: a, run: 'exit 4' }\n  - { id: b, run: echo never }\n"),
  flow(
    "a failure that is passed over",
    "steps:\n  - { id: a, run: 'exit 4', on_error: continue }\n  - { id: b, run: 'echo $a.error' }\n",
  ),
  flow(
    "a failure that skips the rest",
    "steps:\n  - { id: z, run: echo z }\n  - { id: a, run: 'exit 4', on_error: skip_rest }\n  - { id: b, run: echo never }\n",
  ),
  flow("a step out of time", "steps:\n  - { id: a, run: sleep 20, timeout_ms: 300 }\n"),
  flow(
    "a loop",
    "steps:\n  - { id: l, run: 'echo [1,2]' }\n  - id: each\n    for_each: $l.json\n    steps:\n      - { id: s, run: 'echo $item.json-$index.json' }\n",
  ),
  flow(
    "a loop with names of its own",
    "steps:\n  - { id: l, run: 'echo [\"x\"]' }\n  - id: each\n    for_each: $l.json\n    item_var: word\n    index_var: n\n    steps:\n      - { id: s, run: 'echo $word.json $n.json' }\n",
  ),
  flow(
    "a loop over what is no list",
    "steps:\n  - { id: l, run: echo word }\n  - id: each\n    for_each: $l.stdout\n    steps:\n      - { id: s, run: echo x }\n",
  ),
  flow(
    "branches with JSON",
    "steps:\n  - id: both\n    parallel:\n      branches:\n        - { id: x, run: 'echo [1]' }\n        - { id: y, run: 'echo [2]' }\n",
  ),
  flow(
    "a branch that fails",
    "steps:\n  - id: both\n    parallel:\n      branches:\n        - { id: x, run: 'exit 2' }\n        - { id: y, run: echo y }\n",
  ),
  {
    name: "a workflow in a workflow",
    files: {
      "w.lobster":
        "steps:\n  - { id: c, workflow: child.lobster, workflow_args: { n: 4 } }\n  - { id: d, run: 'echo got $c.json' }\n",
      "child.lobster": "args: { n: { default: 1 } }\nsteps:\n  - { id: a, run: 'echo ${n}' }\n",
    },
    calls: [[...TOOL, "w.lobster"]],
  },
  flow("a step with no id", "steps:\n  - { run: echo x }\n"),
  flow("two steps of one name", "steps:\n  - { id: a, run: echo x }\n  - { id: a, run: echo y }\n"),
  flow("no steps", "name: empty\nsteps: []\n"),
  flow("YAML that cannot be read", "steps: [\n"),
  flow(
    "a condition that cannot be read",
    "steps:\n  - { id: a, run: echo x }\n  - { id: b, run: echo y, when: '$a.json ==' }\n",
  ),
  { name: "a file that is not there", calls: [[...TOOL, "--file", "none.lobster"]], quick: true },
  {
    name: "a file of another kind",
    files: { "w.txt": "steps: []" },
    calls: [[...TOOL, "--file", "w.txt"]],
    quick: true,
  },
  {
    name: "arguments that are no JSON",
    files: { "w.lobster": "steps:\n  - { id: a, run: echo x }\n" },
    calls: [[...TOOL, "w.lobster", "--args-json", "{"]],
    quick: true,
  },
]

const GATE =
  "steps:\n  - { id: ok, approval: 'Send it?' }\n  - { id: b, pipeline: \"template --text sent\", stdin: [1] }\n"
const INPUT = `steps:
  - id: q
    input: { prompt: How many?, responseSchema: { type: object, properties: { n: { type: number } }, required: [n] } }
  - { id: b, pipeline: "pick n", stdin: $q.response }
`

const gates: LobsterCase[] = [
  { ...flow("a gate waits", GATE), quick: true },
  { ...flow("yes goes on", GATE, ["resume", "--token", "{token}", "--approve", "yes"]), quick: true },
  { ...flow("yes by the short id", GATE, ["resume", "--id", "{id}", "--approve", "y"]), quick: true },
  { ...flow("no ends it", GATE, ["resume", "--token", "{token}", "--approve", "no"]), quick: true },
  { ...flow("withdrawn", GATE, ["resume", "--token", "{token}", "--cancel"]), quick: true },
  flow("decision is another word for approve", GATE, ["resume", "--token", "{token}", "--decision", "yes"]),
  flow(
    "a token works once",
    GATE,
    ["resume", "--token", "{token}", "--approve", "yes"],
    ["resume", "--token", "{token}", "--approve", "yes"],
  ),
  flow(
    "an answer of the wrong kind leaves the gate",
    GATE,
    ["resume", "--token", "{token}", "--response-json", "{}"],
    ["resume", "--token", "{token}", "--approve", "yes"],
  ),
  { ...flow("an input waits", INPUT), quick: true },
  {
    ...flow("an input is answered", INPUT, ["resume", "--token", "{token}", "--response-json", '{"n":3}']),
    quick: true,
  },
  flow(
    "an answer that does not fit leaves the gate",
    INPUT,
    ["resume", "--token", "{token}", "--response-json", '{"n":"x"}'],
    ["resume", "--token", "{token}", "--response-json", '{"n":4}'],
  ),
  flow(
    "two gates",
    "steps:\n  - { id: a, approval: One? }\n  - { id: b, approval: Two? }\n",
    ["resume", "--token", "{token}", "--approve", "yes"],
    ["resume", "--token", "{token}", "--approve", "yes"],
  ),
  flow("a gate shows what it got", "steps:\n  - { id: a, approval: Go?, stdin: [{ x: 1 }] }\n"),
  flow(
    "a program's gate",
    "steps:\n  - { id: a, run: 'echo [1]', approval: Go? }\n  - { id: b, run: 'echo $a.approved' }\n",
    ["resume", "--token", "{token}", "--approve", "yes"],
  ),
  flow("nobody but", "steps:\n  - { id: a, approval: { prompt: Go?, required_approver: ann } }\n", [
    "resume",
    "--token",
    "{token}",
    "--approve",
    "yes",
  ]),
  {
    ...flow("ann herself", "steps:\n  - { id: a, approval: { prompt: Go?, required_approver: ann } }\n", [
      "resume",
      "--token",
      "{token}",
      "--approve",
      "yes",
    ]),
    env: { LOBSTER_APPROVAL_APPROVED_BY: "ann" },
  },
  line("a pipeline waits for a yes", "exec --json --shell 'echo [1]' | approve --prompt Go?"),
  {
    name: "a pipeline goes on",
    calls: [
      [...TOOL, "exec --json --shell 'echo [1,2]' | approve --prompt Go? | head --n 1"],
      ["resume", "--token", "{token}", "--approve", "yes"],
    ],
  },
  { name: "resume without a gate", calls: [["resume", "--approve", "yes"]], quick: true },
  { name: "resume with nonsense", calls: [["resume", "--token", "nonsense", "--approve", "yes"]], quick: true },
  { name: "resume without an answer", calls: [["resume", "--id", "00000000"]], quick: true },
]

const DRAWN = `steps:
  - { id: a, run: 'echo \${n}' }
  - { id: b, pipeline: head, stdin: $a.json, when: $a.json == 1 }
  - { id: c, approval: Go? }
`

function drawn(name: string, ...words: string[]): LobsterCase {
  return { name, files: { "w.lobster": DRAWN }, calls: [["graph", ...words]], quick: true }
}

const modes: LobsterCase[] = [
  { name: "people see the items", calls: [["exec --json --shell 'echo [1,2]'"]] },
  { name: "people see what json prints", calls: [["exec --json --shell 'echo [1,2]' | json"]] },
  { name: "people see a table", calls: [[`exec --json --shell 'echo "[{\\"a\\":1,\\"b\\":\\"x\\"}]"' | table`]] },
  { name: "an empty table", calls: [["exec --json --shell 'echo []' | table"]] },
  { name: "people see a failing pipeline", calls: [["exec --shell 'exit 3'"]] },
  {
    name: "people see a workflow",
    files: { "w.lobster": "steps:\n  - { id: a, run: echo hi }\n" },
    calls: [["run", "w.lobster"]],
  },
  { name: "people see a workflow's gate", files: { "w.lobster": GATE }, calls: [["run", "w.lobster"]], quick: true },
  { name: "words are joined", calls: [["commands.list", "|", "where", "name=head", "|", "pick", "name"]], quick: true },
  { name: "a plan of a pipeline", calls: [["run", "--dry-run", "--mode", "tool", "head | json"]], quick: true },
  {
    name: "a plan of a workflow",
    files: { "w.lobster": GATE },
    calls: [[...TOOL, "--dry-run", "w.lobster"]],
    quick: true,
  },
  { name: "help", calls: [["help", "no-such-topic"]], quick: true },
  drawn("drawn as mermaid", "w.lobster"),
  drawn("drawn as text", "w.lobster", "--format", "ascii"),
  drawn("drawn with arguments", "w.lobster", "--args-json", '{"n":5}'),
  drawn("drawn in no way", "w.lobster", "--format", "png"),
  drawn("drawn from nothing"),
]

const RANKED = '[{"id":1,"rank":null},{"id":2,"rank":5},{"id":3,"rank":9}]'

function ranked(name: string, pipeline: string, differs: string): LobsterCase {
  return differing(flow(name, `steps:\n  - { id: p, stdin: ${RANKED}, pipeline: "${pipeline}" }\n`), differs)
}

const differences: LobsterCase[] = [
  ranked("falling order keeps null last", "sort --key rank --desc", "sort-null-last"),
  ranked("where leaves null out", "where rank<30", "where-null"),
  differing(
    {
      name: "an unknown command is refused before anything acts",
      calls: [
        [...TOOL, "exec --json --shell 'echo [7]' | state.set k | nope"],
        [...TOOL, "state.get k"],
      ],
    },
    "check-first",
  ),
  differing(
    flow(
      "a reference to no step is found first",
      "steps:\n  - { id: a, pipeline: state.set k, stdin: [7] }\n  - { id: b, run: cat, stdin: $nope.json }\n",
      [...TOOL, "state.get k"],
    ),
    "check-first",
  ),
  differing(
    flow(
      "the first success of several",
      "steps:\n  - id: any\n    parallel:\n      wait: any\n      branches:\n        - { id: x, run: 'exit 2' }\n        - { id: y, run: 'sleep 1; echo [2]' }\n",
    ),
    "any-success",
  ),
  differing(
    flow(
      "text of branches",
      "steps:\n  - id: both\n    parallel:\n      branches:\n        - { id: x, run: echo word }\n        - { id: y, run: 'echo [2]' }\n",
    ),
    "branch-text",
  ),
  differing(line("long options reach the program", "exec printf --json-like"), "exec-options"),
  differing(
    flow(
      "arguments are pasted once",
      "args: { t: { default: $a.stdout } }\nsteps:\n  - { id: a, run: echo x }\n  - { id: b, pipeline: \"template --text '${t}'\", stdin: [1] }\n",
    ),
    "single-pass",
  ),
  differing({ ...drawn("drawn as dot", "--file", "w.lobster", "--format", "dot") }, "dot-lines"),
  differing({ name: "version", calls: [["version"]], quick: true }, "version"),
]

const shown: LobsterCase[] = [{ name: "a pipeline's gate for people", calls: [["exec echo a | approve --prompt hi"]] }]

export const lobsterCases: readonly LobsterCase[] = [
  ...pipelines,
  ...files,
  ...gates,
  ...modes,
  ...shown,
  ...differences,
]
