// What the offline model says, in the language it was asked in. It is plain about what it is: a set of rules, no language model.
import { cut, excerpt } from "../../base/text.ts"
import { type ToolResultPart, textOf } from "../../protocol/message.ts"
import type { Topic } from "./intents.ts"

export type Language = "en" | "zh"

/** Characters of one tool result that an answer shows; the rest is in the result itself. */
const MAX_SHOWN = 6_000

const HOW_TO_ADD: Readonly<Record<Language, string>> = {
  en: "To add a language model: set a key (ANTHROPIC_API_KEY, OPENAI_API_KEY, GEMINI_API_KEY, OPENROUTER_API_KEY, DEEPSEEK_API_KEY, …) and restart, or run Ollama or another local model server, or add a provider to pincer.json. `pincer doctor` says what was found.",
  zh: "添加语言模型的方法：设置密钥（ANTHROPIC_API_KEY、OPENAI_API_KEY、GEMINI_API_KEY、OPENROUTER_API_KEY、DEEPSEEK_API_KEY 等）后重启；或运行 Ollama 等本地模型服务；或在 pincer.json 里添加 provider。`pincer doctor` 会说明找到了什么。",
}

const ABILITIES: Readonly<Record<Language, string>> = {
  en: [
    "What I can do, with the same tools and approvals a model would use:",
    "",
    "- list files: `list the files in src`",
    "- read a file: `read package.json`",
    "- find files: `find files matching *.ts`",
    "- search in files: `search for TODO in src`",
    '- write and edit: `write "hello" to a.txt`, `replace "foo" with "bar" in a.txt`',
    "- run a command in backticks: run `git status`",
    "- fetch a page, search the web: `fetch https://example.com`, `search the web for …`",
    "- call any tool: `call TodoWrite with {…}`",
    "",
    "Several steps may follow one another: `list the files here and then read package.json`.",
  ].join("\n"),
  zh: [
    "我能做的事（使用与模型相同的工具和审批）：",
    "",
    "- 列出文件：`列出 src 里的文件`",
    "- 读取文件：`读取 package.json`",
    "- 查找文件：`查找所有 *.ts 文件`",
    "- 搜索内容：`在 src 里搜索 TODO`",
    "- 写入和修改：`把「你好」写入 a.txt`，`把 a.txt 里的「foo」替换成「bar」`",
    "- 运行反引号里的命令：运行 `git status`",
    "- 抓取网页、联网搜索：`抓取 https://example.com`，`上网搜索 …`",
    "- 调用任意工具：`调用 TodoWrite {…}`",
    "",
    "可以连续几步：`列出文件，然后读取 package.json`。",
  ].join("\n"),
}

const NO_MODEL: Readonly<Record<Language, string>> = {
  en: "No language model is configured: I am Pincer's built-in rules and follow plain requests only.",
  zh: "还没有配置语言模型：我是 Pincer 内置的规则程序，只能按简单明确的要求办事。",
}

/** One line below the first answer of a conversation. */
export function footer(language: Language): string {
  return language === "zh"
    ? "（没有配置语言模型，以上由 Pincer 内置规则完成。输入 `帮助` 查看能做什么、怎样添加模型。）"
    : "(No language model is configured; Pincer's built-in rules did this. Say `help` for what they can do and how to add a model.)"
}

/** To a text that is not understood, or not in full. `withheld`: understood steps that were therefore not taken. */
export function notUnderstood(language: Language, unclear: readonly string[], withheld: number): string {
  const quote = unclear.map((clause) => `“${excerpt(clause, 120)}”`).join(", ")
  const caution: Readonly<Record<Language, string>> = {
    en: `I understood only part of that, not ${quote}, so I did nothing. Say the steps you want one by one.\n\n`,
    zh: `我只听懂了一部分，没有听懂${quote}，所以什么都没有做。请把要做的事一步一步说。\n\n`,
  }
  const start = withheld > 0 ? caution[language] : ""
  return `${start}${NO_MODEL[language]}\n\n${ABILITIES[language]}\n\n${HOW_TO_ADD[language]}`
}

/** Below the results of what was understood. */
export function leftOver(language: Language, unclear: readonly string[]): string {
  const quote = unclear.map((clause) => `“${excerpt(clause, 120)}”`).join(", ")
  return language === "zh" ? `其余部分我没有听懂：${quote}。` : `I did not understand the rest: ${quote}.`
}

export function noWords(language: Language): string {
  return `${language === "zh" ? "我只能读文字，看不了图片和附件。" : "I can only read text, not images or attachments."} ${NO_MODEL[language]}`
}

/** Answers that need no tool. `at`: when the question came, ms since 1970. */
export function answerTopic(topic: Topic, language: Language, facts: { at: number; cwd: string | undefined }): string {
  const zh = language === "zh"
  switch (topic) {
    case "hello":
      return `${zh ? "你好！" : "Hello!"} ${NO_MODEL[language]} ${zh ? "输入 `帮助` 查看我能做什么。" : "Say `help` for what I can do."}`
    case "thanks":
      return zh ? "不客气。" : "You are welcome."
    case "bye":
      return zh ? "再见。" : "Goodbye."
    case "help":
    case "who":
      return `${NO_MODEL[language]}\n\n${ABILITIES[language]}\n\n${HOW_TO_ADD[language]}`
    case "time":
    case "date":
      return when(facts.at, language)
    case "where":
      if (facts.cwd === undefined) return zh ? "这次对话没有工作目录。" : "This conversation has no working directory."
      return zh ? `当前目录是 \`${facts.cwd}\`。` : `The working directory is \`${facts.cwd}\`.`
  }
}

function when(at: number, language: Language): string {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions()
  const text = new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", {
    dateStyle: "full",
    timeStyle: "short",
  }).format(at)
  return language === "zh" ? `现在是 ${text}（${timeZone}）。` : `It is ${text} (${timeZone}).`
}

/** Words before a result, per tool; `it` is what the call was about. */
const HEADINGS: Readonly<Record<string, Record<Language, (it: string) => string>>> = {
  LS: { en: (it) => `Files ${it ? `in ${it}` : "here"}:`, zh: (it) => `${it || "这里"}的文件：` },
  Read: { en: (it) => `${it}:`, zh: (it) => `${it}：` },
  Glob: { en: (it) => `Files that match ${it}:`, zh: (it) => `符合 ${it} 的文件：` },
  Grep: { en: (it) => `Lines that match ${it}:`, zh: (it) => `包含 ${it} 的行：` },
  Bash: { en: (it) => `${it} printed:`, zh: (it) => `${it} 的输出：` },
  WebFetch: { en: (it) => `${it} says:`, zh: (it) => `${it} 的内容：` },
  WebSearch: { en: (it) => `Found on the web for ${it}:`, zh: (it) => `网上关于 ${it} 的结果：` },
  Write: { en: (it) => `Wrote ${it}:`, zh: (it) => `已写入 ${it}：` },
  Edit: { en: (it) => `Changed ${it}:`, zh: (it) => `已修改 ${it}：` },
}

/** What a call was about, in backticks: its command, URL, pattern, query or path. */
function subject(args: Record<string, unknown>): string {
  const it = args.command ?? args.url ?? args.query ?? args.pattern ?? args.path
  return typeof it === "string" ? `\`${excerpt(it, 200)}\`` : ""
}

/** A tool result as a section of an answer; failures are named as such. */
export function showResult(
  tool: string,
  args: Record<string, unknown>,
  result: ToolResultPart,
  language: Language,
): string {
  const text = resultText(result)
  const it = subject(args)
  if (result.isError) {
    const failed =
      language === "zh" ? `${tool} ${it} 没有成功：` : `${tool}${it === "" ? "" : ` ${it}`} did not succeed:`
    return text.includes("\n")
      ? `${failed}\n\n${fenced(text, language)}`
      : `${failed}${language === "zh" ? "" : " "}${text}`
  }
  const heading = HEADINGS[tool]?.[language](it) ?? (language === "zh" ? `${tool} 的结果：` : `${tool} answered:`)
  if (text.trim() === "") return `${heading} ${language === "zh" ? "（没有内容）" : "(nothing)"}`
  if (tool === "Write" && !text.includes("\n")) return `${heading} ${text}`
  return `${heading}\n\n${fenced(text, language)}`
}

export function noTool(tool: string, language: Language): string {
  return language === "zh"
    ? `这需要工具 ${tool}，但这里没有提供。`
    : `That needs the tool ${tool}, which is not available here.`
}

export function skipped(count: number, language: Language): string {
  return language === "zh"
    ? `因为上一步没有成功，后面的 ${count} 步没有执行。`
    : `${count === 1 ? "The step" : `The ${count} steps`} after that ${count === 1 ? "was" : "were"} not taken.`
}

function resultText(result: ToolResultPart): string {
  const images = result.content.filter((part) => part.type === "image").length
  return `${textOf(result.content)}${images > 0 ? `\n[${images} image${images === 1 ? "" : "s"}]` : ""}`.trim()
}

/** A code block whose fence is longer than any inside. */
function fenced(text: string, language: Language): string {
  const shown = cut(text, MAX_SHOWN)
  const longest = Math.max(2, ...[...shown.matchAll(/`{3,}/g)].map((run) => run[0].length))
  const fence = "`".repeat(longest + 1)
  const left = text.length - shown.length
  const more = language === "zh" ? `\n\n（还有 ${left} 个字符）` : `\n\n(${left} more characters)`
  return `${fence}\n${shown.trimEnd()}\n${fence}${left > 0 ? more : ""}`
}
