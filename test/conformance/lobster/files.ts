// Workflow files: every field, references, conditions, loops, branches, sub-workflows, retries, errors.
import { type Case, flow, human, tool } from "./case.ts"

const steps: Case[] = [
  flow("one shell step", `steps:\n  - id: a\n    run: echo hi\n`),
  flow("command is run", `steps:\n  - id: a\n    command: echo hi\n`),
  flow("text that is JSON", `steps:\n  - id: a\n    run: echo '{"n":1}'\n`),
  flow("a list is spread", `steps:\n  - id: a\n    run: echo '[1,2]'\n`),
  flow("no output", `steps:\n  - id: a\n    run: "true"\n`),
  flow("the last step counts", `steps:\n  - id: a\n    run: echo 1\n  - id: b\n    run: echo 2\n`),
  flow("a step that fails", `steps:\n  - id: a\n    run: echo bad >&2; exit 3\n  - id: b\n    run: echo 2\n`),
  flow("a pipeline step", `steps:\n  - id: a\n    pipeline: "exec printf '1\\\\n2\\\\n' | head --n 1"\n`),
  flow(
    "a pipeline step with items",
    `steps:\n  - id: a\n    run: echo '[{"n":1},{"n":2}]'\n  - id: b\n    stdin: $a.json\n    pipeline: where n>1\n`,
  ),
  flow(
    "a rendered pipeline step",
    `steps:\n  - id: a\n    run: echo '[{"n":1}]'\n  - id: b\n    stdin: $a.json\n    pipeline: json\n`,
  ),
  flow("a multi-line shell step", `steps:\n  - id: a\n    run: |\n      x=1\n      echo "x is $x"\n`),
  flow("JSON text of a scalar", `steps:\n  - id: a\n    run: echo 5\n`),
  {
    name: "a JSON file",
    files: { "w.json": `{"steps":[{"id":"a","run":"echo hi"}]}` },
    calls: [tool("w.json")],
  },
  { name: "a yml file", files: { "w.yml": "steps:\n  - id: a\n    run: echo hi\n" }, calls: [tool("w.yml")] },
  {
    name: "a named file",
    files: { "w.yaml": "steps:\n  - id: a\n    run: echo hi\n" },
    calls: [tool("--file", "w.yaml")],
  },
  {
    name: "a named file for people",
    files: { "w.yaml": "steps:\n  - id: a\n    run: echo hi\n" },
    calls: [human("--file=w.yaml")],
  },
  {
    name: "a file for people without output",
    files: { "w.lobster": `steps:\n  - id: a\n    run: "true"\n` },
    calls: [human("w.lobster")],
  },
  { name: "a file that is not there", calls: [tool("--file", "none.lobster")] },
  { name: "a file with a wrong ending", files: { "w.txt": "x" }, calls: [tool("--file", "w.txt")] },
  { name: "a path that is not there is a pipeline", calls: [tool("none.lobster")] },
  {
    name: "a file that fails for people",
    files: { "w.lobster": "steps:\n  - id: a\n    run: exit 2\n" },
    calls: [human("w.lobster")],
  },
]

const references: Case[] = [
  flow("an argument's default", `args:\n  who: {default: ann}\nsteps:\n  - id: a\n    run: echo \${who}\n`),
  flow(
    "an argument that is given",
    `args:\n  who: {default: ann}\nsteps:\n  - id: a\n    run: echo \${who}\n`,
    "--args-json",
    `{"who":"bob"}`,
  ),
  flow("an argument without a default", `args:\n  who: {}\nsteps:\n  - id: a\n    run: echo "[\${who}]"\n`),
  flow(
    "an argument that is not declared",
    `steps:\n  - id: a\n    run: echo \${who}\n`,
    "--args-json",
    `{"who":"bob"}`,
  ),
  flow("a number as argument", `args:\n  n: {default: 3}\nsteps:\n  - id: a\n    run: echo \${n}\n`),
  flow(
    "arguments in the environment",
    `args:\n  my-name: {default: ann}\nsteps:\n  - id: a\n    run: echo "$LOBSTER_ARG_MY_NAME $LOBSTER_ARGS_JSON"\n`,
  ),
  flow("arguments that are no JSON", `steps:\n  - id: a\n    run: echo a\n`, "--args-json", "{no"),
  flow("a step's text", `steps:\n  - id: a\n    run: printf one\n  - id: b\n    run: echo "got $a.stdout"\n`),
  flow(
    "a step's field",
    `steps:\n  - id: a\n    run: echo '{"x":{"y":[7]}}'\n  - id: b\n    run: echo $a.json.x.y.0\n`,
  ),
  flow("an object as text", `steps:\n  - id: a\n    run: echo '{"x":1}'\n  - id: b\n    run: echo '$a.json'\n`),
  flow(
    "a field that is missing",
    `steps:\n  - id: a\n    run: echo '{"x":1}'\n  - id: b\n    run: echo "[$a.json.z]"\n`,
  ),
  flow("dollars of the shell", `steps:\n  - id: a\n    run: x=5; echo "$x costs \\$1.50"\n`),
  flow("an unknown step stays as text", `steps:\n  - id: a\n    run: echo '$zz.json.q'\n`),
  flow("text into a step", `steps:\n  - id: a\n    run: printf abc\n  - id: b\n    stdin: $a.stdout\n    run: cat\n`),
  flow("JSON into a step", `steps:\n  - id: a\n    run: echo '{"x":1}'\n  - id: b\n    stdin: $a.json\n    run: cat\n`),
  flow(
    "a template into a step",
    `steps:\n  - id: a\n    run: printf abc\n  - id: b\n    stdin: "<$a.stdout>"\n    run: cat\n`,
  ),
  flow("a literal into a step", `steps:\n  - id: b\n    stdin: {x: [1, 2]}\n    run: cat\n`),
  flow("an unknown step into a step", `steps:\n  - id: b\n    stdin: $none.json\n    run: cat\n`),
  flow("variables of the file", `env:\n  A: one\nsteps:\n  - id: a\n    run: echo $A\n`),
  flow(
    "variables of a step over those of the file",
    `env: {A: one, B: x}\nsteps:\n  - id: a\n    env: {A: two}\n    run: echo $A $B\n`,
  ),
  flow(
    "a variable from a step",
    `steps:\n  - id: a\n    run: printf v\n  - id: b\n    env: {V: "$a.stdout"}\n    run: echo $V\n`,
  ),
  flow(
    "a variable from an argument",
    `args: {p: {default: q}}\nenv: {V: "\${p}-x"}\nsteps:\n  - id: b\n    run: echo $V\n`,
  ),
  {
    name: "the folder of a step",
    files: { "w.lobster": "steps:\n  - id: a\n    cwd: sub\n    run: cat f\n", "sub/f": "inside" },
    calls: [tool("w.lobster")],
  },
  {
    name: "the folder of the file",
    files: {
      "w.lobster": "args: {d: {default: sub}}\ncwd: ${d}\nsteps:\n  - id: a\n    run: cat f\n",
      "sub/f": "inside",
    },
    calls: [tool("w.lobster")],
  },
]

function when(name: string, condition: string): Case {
  return flow(
    `condition: ${name}`,
    `steps:\n  - id: a\n    run: echo '{"n":5,"s":"x","t":true,"z":null,"o":{"k":1},"l":[1,2]}'\n  - id: b\n    when: ${JSON.stringify(condition)}\n    run: echo yes\n`,
  )
}

const conditions: Case[] = [
  when("true", "true"),
  when("false", "false"),
  when("equal number", "$a.json.n == 5"),
  when("equal text of a number", '$a.json.n == "5"'),
  when("not equal", "$a.json.n != 4"),
  when("greater", "$a.json.n > 4"),
  when("less or equal", "$a.json.n <= 4"),
  when("text against a bare word", "$a.json.s == x"),
  when("text against a quoted word", "$a.json.s == 'x'"),
  when("and", "$a.json.t && $a.json.n > 4"),
  when("or", "$a.json.z || $a.json.t"),
  when("not", "!$a.json.z"),
  when("parentheses", "!($a.json.n > 4) || $a.json.s == x"),
  when("null", "$a.json.z == null"),
  when("what is missing is null", "$a.json.nothing == null"),
  when("objects", "$a.json.o == $a.json.o"),
  when("numeric text", '"10" > 9'),
  when("text is not greater", '"abc" > 1'),
  when("an unknown step", "$none.json.x == 1"),
  when("nonsense", "1 +"),
  flow(
    "condition: the word condition",
    `steps:\n  - id: a\n    run: echo 1\n  - id: b\n    condition: false\n    run: echo 2\n`,
  ),
  flow(
    "a skipped step is told",
    `steps:\n  - id: a\n    when: false\n    run: echo 1\n  - id: b\n    when: $a.skipped\n    run: echo skipped\n`,
  ),
  flow("everything is skipped", `steps:\n  - id: a\n    when: false\n    run: echo 1\n`),
]

const many: Case[] = [
  flow(
    "for each",
    `steps:\n  - id: a\n    run: echo '[1,2,3]'\n  - id: b\n    for_each: $a.json\n    steps:\n      - id: c\n        run: echo "n$item.json at $index.json"\n`,
  ),
  flow(
    "for each with names",
    `steps:\n  - id: a\n    run: echo '[{"k":"x"}]'\n  - id: b\n    for_each: $a.json\n    item_var: it\n    index_var: i\n    steps:\n      - id: c\n        run: echo "$it.json.k $i.json"\n`,
  ),
  flow(
    "for each of nothing",
    `steps:\n  - id: a\n    run: echo '[]'\n  - id: b\n    for_each: $a.json\n    steps:\n      - id: c\n        run: echo 1\n`,
  ),
  flow(
    "for each of no list",
    `steps:\n  - id: a\n    run: echo '{}'\n  - id: b\n    for_each: $a.json\n    steps:\n      - id: c\n        run: echo 1\n`,
  ),
  flow(
    "for each with a condition",
    `steps:\n  - id: a\n    run: echo '[1,2]'\n  - id: b\n    for_each: $a.json\n    steps:\n      - id: c\n        when: $item.json > 1\n        run: echo big\n`,
  ),
  flow(
    "for each with a pipeline",
    `steps:\n  - id: a\n    run: echo '[[1,2],[3]]'\n  - id: b\n    for_each: $a.json\n    steps:\n      - id: c\n        stdin: $item.json\n        pipeline: head --n 1\n`,
  ),
  flow(
    "for each, steps that see each other",
    `steps:\n  - id: a\n    run: echo '[1,2]'\n  - id: b\n    for_each: $a.json\n    steps:\n      - id: c\n        run: echo $item.json\n      - id: d\n        run: echo "c$c.json"\n`,
  ),
  flow(
    "for each, one that fails",
    `steps:\n  - id: a\n    run: echo '[1,2]'\n  - id: b\n    for_each: $a.json\n    steps:\n      - id: c\n        run: test $item.json = 1\n`,
  ),
  flow(
    "for each with a batch",
    `steps:\n  - id: a\n    run: echo '[1,2,3]'\n  - id: b\n    for_each: $a.json\n    batch_size: 2\n    pause_ms: 5\n    steps:\n      - id: c\n        run: echo $item.json\n`,
  ),
  flow(
    "parallel",
    `steps:\n  - id: p\n    parallel:\n      branches:\n        - id: x\n          run: echo '{"a":1}'\n        - id: y\n          run: echo '[2]'\n`,
  ),
  flow(
    "branches are seen later",
    `steps:\n  - id: p\n    parallel:\n      branches:\n        - id: x\n          run: echo 1\n        - id: y\n          run: echo 2\n  - id: z\n    run: echo $x.json $y.json\n`,
  ),
  flow(
    "parallel with a pipeline",
    `steps:\n  - id: p\n    parallel:\n      wait: all\n      branches:\n        - id: x\n          pipeline: exec --json --shell 'echo [1,2]'\n`,
  ),
  flow(
    "parallel, one that fails",
    `steps:\n  - id: p\n    parallel:\n      branches:\n        - id: x\n          run: exit 3\n        - id: y\n          run: echo 2\n`,
  ),
  flow(
    "parallel, the first of two",
    `steps:\n  - id: p\n    parallel:\n      wait: any\n      branches:\n        - id: x\n          run: echo '{"f":1}'\n        - id: y\n          run: sleep 5; echo 2\n`,
  ),
  {
    ...flow(
      "parallel, the first fails",
      `steps:\n  - id: p\n    parallel:\n      wait: any\n      branches:\n        - id: x\n          run: exit 1\n        - id: y\n          run: sleep 0.5; echo '{"y":2}'\n`,
    ),
    differs: "any-success",
  },
  {
    ...flow(
      "parallel with text",
      `steps:\n  - id: p\n    parallel:\n      branches:\n        - id: x\n          run: echo word\n        - id: y\n          run: echo 2\n`,
    ),
    differs: "branch-text",
  },
  flow(
    "parallel in time",
    `steps:\n  - id: p\n    parallel:\n      timeout_ms: 200\n      branches:\n        - id: x\n          run: sleep 5\n`,
  ),
  {
    name: "a workflow in a workflow",
    files: {
      "w.lobster": `steps:\n  - id: a\n    workflow: sub/s.lobster\n    workflow_args: {who: ann}\n  - id: b\n    run: echo "$a.json"\n`,
      "sub/s.lobster": "args: {who: {default: nobody}}\nsteps:\n  - id: c\n    run: echo '\"hi ${who}\"'\n",
    },
    calls: [tool("w.lobster")],
  },
  {
    name: "a workflow that gives a list",
    files: {
      "w.lobster": `steps:\n  - id: a\n    workflow: s.lobster\n`,
      "s.lobster": "steps:\n  - id: c\n    run: echo '[1,2]'\n",
    },
    calls: [tool("w.lobster")],
  },
  {
    name: "a workflow that holds itself",
    files: { "w.lobster": `steps:\n  - id: a\n    workflow: w.lobster\n` },
    calls: [tool("w.lobster")],
  },
  flow("a workflow that is not there", `steps:\n  - id: a\n    workflow: none.lobster\n`),
]

const failures: Case[] = [
  flow(
    "on_error continue",
    `steps:\n  - id: a\n    run: exit 1\n    on_error: continue\n  - id: b\n    when: $a.error\n    run: echo caught\n`,
  ),
  flow(
    "on_error skip_rest",
    `steps:\n  - id: x\n    run: echo 0\n  - id: a\n    run: exit 1\n    on_error: skip_rest\n  - id: b\n    run: echo 2\n`,
  ),
  flow("on_error stop", `steps:\n  - id: a\n    run: exit 1\n    on_error: stop\n  - id: b\n    run: echo 2\n`),
  flow("a time limit", `steps:\n  - id: a\n    run: sleep 5\n    timeout_ms: 150\n`),
  flow(
    "a time limit that is caught",
    `steps:\n  - id: a\n    run: sleep 5\n    timeout_ms: 150\n    on_error: continue\n  - id: b\n    run: echo on\n`,
  ),
  flow(
    "a retry that helps",
    `steps:\n  - id: a\n    run: 'test -f f && echo ok || { touch f; exit 1; }'\n    retry: {max: 2, delay_ms: 1}\n`,
  ),
  flow(
    "a retry that does not help",
    `steps:\n  - id: a\n    run: 'echo x >> n; exit 1'\n    retry: {max: 3, delay_ms: 1, backoff: exponential}\n    on_error: continue\n  - id: b\n    run: wc -l < n\n`,
  ),
  flow("no steps", `name: x\n`),
  flow("an empty list of steps", `steps: []\n`),
  flow("a root that is a list", `- id: a\n`),
  flow("YAML that is none", `steps: [\n`),
  flow("a step without an id", `steps:\n  - run: echo a\n`),
  flow("a step without work", `steps:\n  - id: a\n`),
  flow("two steps of one name", `steps:\n  - id: a\n    run: echo 1\n  - id: a\n    run: echo 2\n`),
  flow("two kinds of work", `steps:\n  - id: a\n    run: echo 1\n    pipeline: head\n`),
  flow("a time limit that is none", `steps:\n  - id: a\n    run: echo 1\n    timeout_ms: soon\n`),
  flow("an on_error that is none", `steps:\n  - id: a\n    run: echo 1\n    on_error: ignore\n`),
  flow("a retry that is none", `steps:\n  - id: a\n    run: echo 1\n    retry: {max: 0}\n`),
  flow("a loop without steps", `steps:\n  - id: a\n    for_each: $x.json\n`),
  flow("parallel without branches", `steps:\n  - id: a\n    parallel: {branches: []}\n`),
  flow("an unknown key", `steps:\n  - id: a\n    run: echo 1\n    colour: blue\n`),
  flow("an unknown command in a step", `steps:\n  - id: a\n    run: echo 1\n  - id: b\n    pipeline: nosuchthing\n`),
  flow("a pipeline step that cannot be read", `steps:\n  - id: a\n    pipeline: "exec 'a"\n`),
  flow("a cost limit that is none", `cost_limit: {max_usd: -1}\nsteps:\n  - id: a\n    run: echo 1\n`),
  flow(
    "a cost limit that stops",
    `cost_limit: {max_usd: 0.000001, action: stop}\nsteps:\n  - id: a\n    run: 'echo ''{"model":"gpt-4o","usage":{"inputTokens":100000,"outputTokens":100000}}'''\n  - id: b\n    run: echo 2\n`,
  ),
  flow(
    "a cost limit that warns",
    `cost_limit: {max_usd: 0.000001}\nsteps:\n  - id: a\n    run: 'echo ''{"model":"gpt-4o","usage":{"inputTokens":100000,"outputTokens":100000}}'''\n  - id: b\n    run: echo 2\n`,
  ),
]

export const files: readonly Case[] = [...steps, ...references, ...conditions, ...many, ...failures]
