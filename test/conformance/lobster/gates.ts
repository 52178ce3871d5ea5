// Gates: what waits, who may answer, how often; and the rest of the command line.
import { approve, type Case, cancel, human, reject, respond, tool } from "./case.ts"

const SEND = `steps:\n  - id: a\n    run: echo '[{"to":"ann"}]'\n  - id: ok\n    stdin: $a.json\n    approval: Send it?\n  - id: b\n    when: $ok.approved\n    run: echo sent\n`
const ASK = `steps:\n  - id: q\n    input:\n      prompt: Which?\n      responseSchema: {type: object, properties: {n: {type: number}}, required: [n]}\n  - id: b\n    run: echo $q.response.n\n`

function gate(name: string, yaml: string, ...calls: Case["calls"]): Case {
  return { name, files: { "w.lobster": yaml }, calls: [tool("w.lobster"), ...calls] }
}

const files: Case[] = [
  gate("a gate waits", SEND),
  gate("a gate is passed", SEND, approve),
  gate("a gate says no", SEND, reject),
  gate("a gate is dropped", SEND, cancel),
  gate("a gate is passed once", SEND, approve, approve),
  gate("a gate is answered by its number", SEND, { argv: ["resume", "--id", "{id}", "--approve", "yes"] }),
  gate("the other word for approve", SEND, { argv: ["resume", "--token", "{token}", "--decision", "y"] }),
  gate("an answer in capitals", SEND, { argv: ["resume", "--token", "{token}", "--approve", "YES"] }),
  gate("an answer that is none", SEND, { argv: ["resume", "--token", "{token}", "--approve", "maybe"] }, approve),
  gate("no answer", SEND, { argv: ["resume", "--token", "{token}"] }, approve),
  gate("a response to an approval", SEND, respond({ n: 1 }), approve),
  gate(
    "a gate with work of its own",
    `steps:\n  - id: a\n    run: echo '{"x":1}'\n    approval: true\n  - id: b\n    run: echo $a.approved\n`,
    approve,
  ),
  gate("a gate that only says required", `steps:\n  - id: a\n    approval: required\n`, approve),
  gate(
    "a gate with items",
    `steps:\n  - id: a\n    approval: {prompt: "Go?", items: [1, {k: 2}], preview: see}\n`,
    approve,
  ),
  gate("a gate that is none", `steps:\n  - id: a\n    run: echo 1\n    approval: false\n`),
  gate(
    "two gates",
    `steps:\n  - id: a\n    approval: One?\n  - id: b\n    approval: Two?\n  - id: c\n    run: echo done\n`,
    approve,
    approve,
  ),
  gate(
    "a gate that its step steers",
    `steps:\n  - id: a\n    run: echo '{"requiresApproval":{"prompt":"Really?","items":[1],"preview":"p"}}'\n    approval: true\n`,
    approve,
  ),
  gate("a failure behind a gate", `steps:\n  - id: a\n    approval: Go?\n  - id: b\n    run: exit 3\n`, approve),
  gate(
    "a skipped gate",
    `steps:\n  - id: a\n    when: false\n    approval: Go?\n  - id: b\n    run: echo $a.approved\n`,
  ),
  gate(
    "what only one may approve",
    `steps:\n  - id: a\n    approval: {prompt: "Go?", required_approver: ann}\n  - id: b\n    run: echo $a.approvedBy\n`,
    approve,
    { ...approve, env: { LOBSTER_APPROVAL_APPROVED_BY: "bob" } },
    { ...approve, env: { LOBSTER_APPROVAL_APPROVED_BY: "ann" } },
  ),
  gate(
    "what another must approve",
    `steps:\n  - id: a\n    approval: {prompt: "Go?", initiated_by: ann, require_different_approver: true}\n  - id: b\n    run: echo $a.approvedBy\n`,
    { ...approve, env: { LOBSTER_APPROVAL_APPROVED_BY: "ann" } },
    { ...approve, env: { LOBSTER_APPROVAL_APPROVED_BY: "bob" } },
  ),
  gate("an input waits", ASK),
  gate("an input is answered", ASK, respond({ n: 4 })),
  gate("an input is answered wrongly", ASK, respond({ n: "four" }), respond({ n: 4 })),
  gate("an input is approved", ASK, approve, respond({ n: 4 })),
  gate("an input is dropped", ASK, cancel),
  gate(
    "an input with a subject",
    `steps:\n  - id: a\n    run: echo '{"d":1}'\n  - id: q\n    stdin: $a.json\n    input: {prompt: "Well?", responseSchema: {type: string}, defaults: x}\n`,
    respond("fine"),
  ),
  gate(
    "an input whose schema is none",
    `steps:\n  - id: q\n    input: {prompt: "Well?", responseSchema: {type: nonsense}}\n`,
  ),
  gate(
    "ask in a step",
    `steps:\n  - id: a\n    pipeline: "exec echo draft | ask --prompt Fine?"\n  - id: b\n    run: echo $a.json.decision\n`,
    respond({ decision: "approve" }),
  ),
  {
    name: "a file with a gate for people",
    files: { "w.lobster": `steps:\n  - id: a\n    run: "true"\n` },
    calls: [human("w.lobster")],
  },
  gate("a changed file behind a gate", SEND, approve),
]

const lines: Case[] = [
  { name: "approve waits", calls: [tool("exec printf 'a\\nb\\n' | approve --prompt 'Go?'")] },
  { name: "approve is passed", calls: [tool("exec printf 'a\\nb\\n' | approve --prompt 'Go?' | head --n 1"), approve] },
  { name: "approve says no", calls: [tool("exec echo a | approve"), reject] },
  { name: "approve is dropped", calls: [tool("exec echo a | approve"), cancel] },
  { name: "approve is passed once", calls: [tool("exec echo a | approve"), approve, approve] },
  { name: "approve with a preview", calls: [tool("exec printf 'a\\nb\\n' | approve --preview-from-stdin --limit 1")] },
  {
    name: "approve twice in a line",
    calls: [tool("exec echo a | approve --prompt One | approve --prompt Two"), approve, approve],
  },
  { name: "ask waits", calls: [tool("exec echo draft | ask --prompt 'Fine?' --subject-from-stdin")] },
  {
    name: "ask is answered",
    calls: [tool("exec echo draft | ask --prompt 'Fine?'"), respond({ decision: "approve" })],
  },
  {
    name: "ask is answered wrongly",
    calls: [
      tool("exec echo draft | ask"),
      respond({ decision: "perhaps" }),
      respond({ decision: "reject", feedback: "no" }),
    ],
  },
  { name: "ask with a schema", calls: [tool(`exec echo x | ask --schema '{"type":"number"}'`), respond(5)] },
  { name: "a token that is none", calls: [{ argv: ["resume", "--token", "nonsense", "--approve", "yes"] }] },
  { name: "an id that is unknown", calls: [{ argv: ["resume", "--id", "00000000", "--approve", "yes"] }] },
  { name: "an id that is none", calls: [{ argv: ["resume", "--id", "xyz", "--approve", "yes"] }] },
  { name: "resume without a token", calls: [{ argv: ["resume", "--approve", "yes"] }] },
  {
    name: "resume with two answers",
    calls: [tool("exec echo a | approve"), { argv: ["resume", "--token", "{token}", "--approve", "yes", "--cancel"] }],
  },
]

const G = `name: g\nsteps:\n  - id: a\n    run: echo '[1]'\n  - id: ok\n    approval: Go?\n  - id: b\n    stdin: $a.json\n    when: $ok.approved\n    pipeline: head\n  - id: l\n    for_each: $a.json\n    steps:\n      - id: i\n        run: echo 1\n`

const rest: Case[] = [
  { name: "a graph", files: { "g.lobster": G }, calls: [{ argv: ["graph", "g.lobster"] }] },
  {
    name: "a graph for Graphviz",
    files: { "g.lobster": G },
    calls: [{ argv: ["graph", "--file", "g.lobster", "--format", "dot"] }],
    differs: "dot-lines",
  },
  {
    name: "a graph in letters",
    files: { "g.lobster": G },
    calls: [{ argv: ["graph", "g.lobster", "--format=ascii"] }],
    differs: "ascii-inner-steps",
  },
  {
    name: "a graph of an unknown kind",
    files: { "g.lobster": G },
    calls: [{ argv: ["graph", "g.lobster", "--format", "png"] }],
  },
  { name: "a graph of nothing", calls: [{ argv: ["graph"] }] },
  { name: "a graph of a file that is not there", calls: [{ argv: ["graph", "none.lobster"] }] },
  { name: "a doctor", calls: [{ argv: ["doctor"] }] },
  { name: "help", calls: [{ argv: ["help"] }] },
  { name: "help for nothing", calls: [{ argv: [] }] },
  { name: "help about a command", calls: [{ argv: ["help", "exec"] }] },
  { name: "help about nothing known", calls: [{ argv: ["help", "nosuchthing"] }] },
  { name: "help as a flag", calls: [{ argv: ["run", "--help"] }] },
  { name: "a version", calls: [{ argv: ["version"] }] },
  { name: "a version as a flag", calls: [{ argv: ["--version"] }] },
  { name: "a dry run of a line", calls: [tool("--dry-run", "exec touch made"), tool("exec ls")] },
  {
    name: "a dry run of a file",
    files: { "w.lobster": "steps:\n  - id: a\n    run: touch made\n" },
    calls: [tool("--dry-run", "w.lobster"), tool("exec ls")],
  },
  {
    name: "a dry run behind the file",
    files: { "w.lobster": "steps:\n  - id: a\n    run: touch made\n" },
    calls: [tool("w.lobster", "--dry-run"), tool("exec ls")],
  },
  {
    name: "a dry run with a mistake",
    files: { "w.lobster": "steps:\n  - id: a\n    pipeline: nosuchthing\n" },
    calls: [tool("--dry-run", "w.lobster")],
  },
  { name: "a dry run for people", calls: [human("--dry-run", "exec touch made")] },
  { name: "a run of nothing", calls: [{ argv: ["run", "--mode", "tool"] }] },
]

export const gates: readonly Case[] = [...files, ...lines, ...rest]
