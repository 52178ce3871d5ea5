import assert from "node:assert/strict"
import { test } from "node:test"
import { makePlan } from "./plan.ts"

/** The actions in one line: `LS{"path":"src"} say:help`. */
function planOf(text: string): string {
  const shown = makePlan(text).actions.map((action) => {
    if (action.type === "call") return `${action.tool}${JSON.stringify(action.args)}`
    return action.type === "say" ? `say:${action.topic}` : `echo:${action.text}`
  })
  return shown.join(" ")
}

const LS = "LS{}"
const LS_SRC = 'LS{"path":"src"}'
const README = 'Read{"path":"README.md"}'
const TODO = 'Grep{"pattern":"TODO"}'
const TODO_SRC = 'Grep{"pattern":"TODO","path":"src"}'
const NPM_TEST = 'Bash{"command":"npm test"}'
const TS = 'Glob{"pattern":"**/*.ts"}'
const PAGE = 'WebFetch{"url":"https://example.com/a?b=1"}'
const HELLO = 'Write{"path":"a.txt","content":"hello there"}'
const FOO = 'Edit{"path":"a.txt","oldText":"foo","newText":"bar"}'
const ALL_FOO = 'Edit{"path":"a.txt","oldText":"foo","newText":"bar","replaceAll":true}'

const UNDERSTOOD: Readonly<Record<string, readonly string[]>> = {
  [LS]: [
    "list the files here",
    "List files.",
    "ls",
    "what files are there?",
    "show me the files in this folder, please",
    "Hello! List the files here.",
    "list files in .",
    "列出文件",
    "当前目录有什么文件？",
    "看看当前目录下有哪些文件",
  ],
  [LS_SRC]: [
    "list the files in src",
    "Can you list all files in the src directory?",
    "what files are in src?",
    "ls src",
    "列出 src 里的文件",
    "列出src目录下的所有文件",
    "src 里有什么文件？",
    "请列出「src」里的文件。",
  ],
  [README]: [
    "read README.md",
    "Please show me the contents of README.md.",
    "open README.md",
    "what does README.md say?",
    "cat `README.md`",
    "读取 README.md",
    "读取README.md",
    "请帮我读一下 README.md，谢谢",
    "显示 README.md 的内容",
    "打开“README.md”",
  ],
  'Read{"path":"a.txt"} Read{"path":"b.txt"}': [
    "read a.txt and b.txt",
    "read a.txt, then read b.txt",
    "Read a.txt. Read b.txt.",
    "读取 a.txt 和 b.txt",
    "read the files a.txt, b.txt",
  ],
  'Read{"path":"my own notes"}': ['read "my own notes"', "读取「my own notes」"],
  'Read{"path":"a.txt","offset":5,"limit":3}': [
    "read lines 5-7 of a.txt",
    "show me lines 5 to 7 of a.txt",
    "读取 a.txt 的第 5 到 7 行",
  ],
  'Read{"path":"a.txt","offset":1,"limit":20}': ["show the first 20 lines of a.txt", "查看 a.txt 的前 20 行"],
  [TODO]: [
    "search for TODO",
    "grep TODO",
    'search "TODO"',
    "search the code for TODO",
    "搜索 TODO",
    "搜索TODO",
    "查找「TODO」",
  ],
  [TODO_SRC]: [
    "search for TODO in src",
    "find TODO in src",
    "grep TODO src",
    "search src for TODO",
    "look for TODO in the src folder",
    "在 src 里搜索 TODO",
    "在src目录下查找「TODO」",
    "搜索 src 里的 TODO",
  ],
  'Grep{"pattern":"a\\\\.b\\\\(\\\\)"}': ['search for "a.b()"', "搜索「a.b()」"],
  [TS]: [
    "find files matching *.ts",
    "find all .ts files",
    "find *.ts",
    "which files match *.ts?",
    "查找所有 *.ts 文件",
    "找出所有 .ts 文件",
  ],
  'Glob{"pattern":"**/*.md","path":"docs"}': [
    "find *.md in docs",
    "list all .md files in docs",
    "在 docs 里查找所有 .md 文件",
  ],
  [NPM_TEST]: [
    "run `npm test`",
    "please run the command `npm test`",
    "execute npm test",
    "`npm test`",
    "$ npm test",
    "运行 `npm test`",
    "执行「npm test」",
    "帮我跑一下 `npm test`",
  ],
  'Bash{"command":"echo \\"hi\\""}': ['$ echo "hi"', '`echo "hi"`', '运行 `echo "hi"`'],
  [`${LS_SRC} ${NPM_TEST} ${README}`]: [
    "list the files in src, run `npm test` and then read README.md",
    "列出 src 里的文件，然后运行 `npm test`，再读取 README.md",
  ],
  [PAGE]: [
    "fetch https://example.com/a?b=1",
    "open https://example.com/a?b=1.",
    "抓取 https://example.com/a?b=1",
    "打开https://example.com/a?b=1。",
  ],
  'WebSearch{"query":"crab facts"}': [
    "search the web for crab facts",
    "google crab facts",
    "look up crab facts online",
    "上网搜索 crab facts",
    "在网上搜索「crab facts」",
  ],
  [HELLO]: [
    'write "hello there" to a.txt',
    "create a file a.txt with content hello there",
    'create a.txt with the content "hello there"',
    "create a.txt containing: hello there",
    "把「hello there」写入 a.txt",
    "创建文件 a.txt，内容为“hello there”",
  ],
  'Write{"path":"a.txt","content":"x\\n  y\\n"}': ["create a.txt with:\n```\nx\n  y\n```"],
  'Write{"path":"a.txt","content":""}': ["create an empty file a.txt", "新建一个空文件 a.txt"],
  'Write{"path":"a.txt","content":"hi"} Bash{"command":"cat a.txt"}': [
    'create a.txt with the content "hi" and then run `cat a.txt`',
  ],
  [FOO]: [
    'replace "foo" with "bar" in a.txt',
    "in a.txt, change foo to bar",
    "把 a.txt 里的「foo」替换成「bar」",
    "将 a.txt 中的foo改成bar",
  ],
  [ALL_FOO]: ["replace all foo with bar in a.txt", "把 a.txt 里的所有「foo」改为「bar」"],
  'TodoWrite{"todos":[]}': ['call TodoWrite with {"todos":[]}', '调用 TodoWrite {"todos":[]}'],
  "say:help": ["help", "What can you do?", "帮助", "你能做什么？"],
  "say:hello": ["hello", "Hi there!", "你好", "您好！"],
  "say:thanks": ["thanks", "Thank you very much!", "谢谢"],
  "say:time": ["what time is it?", "现在几点了？"],
  "say:date": ["what's the date today?", "今天星期几？"],
  "say:who": ["who are you?", "which model are you?", "你是谁？"],
  "say:where": ["where am I?", "当前目录是什么？"],
  "echo:pong": ['say "pong"', "reply with exactly: pong", "回复「pong」"],
}

for (const [plan, texts] of Object.entries(UNDERSTOOD))
  test(`makePlan() turns ${texts.length} wordings into ${plan}`, () => {
    for (const text of texts) assert.equal(planOf(text), plan, text)
  })

test("makePlan() never takes prose for a request", () => {
  const prose = [
    "I like to run in the morning",
    "run in the morning",
    "can you run a marathon?",
    "run",
    "go",
    "read more books",
    "read it",
    "open the door",
    "list the reasons in order",
    "find me a job",
    "look for trouble",
    "what is love",
    "write a poem about `ls`",
    "change my mind in time",
    'Write a function that returns "hello" to the caller',
    "I was told: read README.md",
    "tell me about the ls command",
    "make me a sandwich",
    "Why does `npm test` fail?",
    "create a beautiful story with content that sings",
    "I will fetch https://example.com tomorrow",
    "我喜欢在早上跑步",
    "跑步",
    "打开心扉",
    "看看书",
    "读书",
    "写一首诗",
    "搜索引擎是什么",
    "`ls` 是什么意思？",
    "",
  ]
  for (const text of prose) assert.equal(planOf(text), "", text)
})

test("makePlan() does not do what it is told not to do, or only under a condition", () => {
  for (const text of [
    "don't run `rm -rf /`",
    "do not read a.txt and run `ls`",
    "never run `ls`",
    "run `rm x` only if the tests pass",
    "unless it is there, run `ls`",
    "不要运行 `rm -rf /`",
    "别读取 a.txt",
    "如果有文件，运行 `ls`",
    "千万别运行 `ls`",
  ])
    assert.equal(planOf(text), "", text)
})

test("makePlan() withholds every effect when part of the request is not understood, and still reads", () => {
  const risky = makePlan("Run `rm x`. But wait until noon.")
  assert.deepEqual([risky.actions, risky.withheld.length, risky.unclear], [[], 1, ["But wait until noon"]])
  const safe = makePlan("Read README.md. Tell me what you think.")
  assert.deepEqual([safe.actions.length, safe.withheld.length, safe.unclear], [1, 0, ["Tell me what you think"]])
  assert.equal(planOf("create a.txt with content salt and then run the world"), "")
})

test("makePlan() takes quoted words to the letter", () => {
  assert.equal(
    planOf('write "run `ls` and read b.txt" to a.txt'),
    'Write{"path":"a.txt","content":"run `ls` and read b.txt"}',
  )
  assert.equal(planOf("把「读取 b.txt，然后运行」写入 a.txt"), 'Write{"path":"a.txt","content":"读取 b.txt，然后运行"}')
  assert.equal(planOf('\ue0000\ue003, read "rm x"'), "", "placeholders cannot be forged")
})

test("makePlan() answers in the language of the request, quoted words aside", () => {
  assert.equal(makePlan("read 「笔记.md」").language, "en")
  assert.equal(makePlan("读取 README.md").language, "zh")
})

test("makePlan() is quick about texts made to be slow", () => {
  const texts = [
    `列出${" ".repeat(900)}x y`,
    `list${" ".repeat(990)}x`,
    "「".repeat(100_000),
    "`".repeat(100_000),
    "'".repeat(100_000),
    "```\n".repeat(20_000),
    `${"ls and ".repeat(12)}x`,
    "read a.txt and ".repeat(60),
    `search for ${"a in ".repeat(180)}`,
    `replace ${"a with ".repeat(120)}in in`,
    "把".repeat(300) + "里".repeat(300),
    `${"run `a` and ".repeat(80)}`,
    "a ".repeat(500),
    "\ue000".repeat(50_000),
  ]
  const start = performance.now()
  for (const text of texts) makePlan(text)
  assert.ok(performance.now() - start < 5_000, "some text took seconds")
})
