// What the offline model understands, as data: a table of intents, each with its English and Chinese wordings and a builder.
// A wording must match a whole clause; a builder may still say no (undefined) when the words are not what they seem. When in
// doubt the answer is no: casual prose must never become a command.
import { giveBack, pieceOf, QUOTED, type Quoted, TICKED } from "./quote.ts"
import {
  type Caught,
  contentOf,
  escapeRegex,
  globPattern,
  isFiller,
  isHere,
  isPath,
  isUrl,
  items,
  looksLikeFile,
  name,
  parseArgs,
} from "./words.ts"

export type Topic = "hello" | "thanks" | "help" | "who" | "time" | "date" | "where" | "bye"

export type Action =
  | { type: "call"; tool: string; args: Record<string, unknown> }
  | { type: "say"; topic: Topic }
  | { type: "echo"; text: string }

export interface Intent {
  name: string
  wordings: readonly RegExp[]
  build(caught: Caught, quoted: Quoted): Action[] | undefined
}

/**
 * A wording as a regular expression over a whole clause. A space stands for one white space character (runs were cut
 * to one), `~` for an optional one,
 * `{blank}` for what BLANKS says of it.
 */
function wording(pattern: string): RegExp {
  const source = pattern
    .replaceAll(" ", "\\s")
    .replaceAll("~", "\\s?")
    .replace(/\{([a-z]+)\}/g, (_, blank: string) => `(?<${blank}>${BLANKS[blank] ?? "[^]*"})`)
  return new RegExp(`^(?:${source})$`, "iu")
}

/** A bare name in Chinese text, where no space shows its end, is made of these. */
const ASCII_NAME = "[\\w./~@+*?-]+"
const BLANKS: Readonly<Record<string, string>> = {
  /** One name, quoted or without spaces. */
  dir: `${QUOTED}|[^\\s,;:!?，。；：！？、]+`,
  zdir: `${QUOTED}|${ASCII_NAME}`,
  path: `${QUOTED}|[^\\s,;:!?，。；：！？、]+`,
  zpath: `${QUOTED}|${ASCII_NAME}`,
  paths: "[^]+?",
  glob: `${QUOTED}|[^\\s,;:!，。；：！、]+`,
  zglob: `${QUOTED}|${ASCII_NAME}`,
  text: `${QUOTED}|[^]+?`,
  old: `${QUOTED}|[^\\s，。]+`,
  next: `${QUOTED}|[^\\s，。]+`,
  quoted: QUOTED,
  ticked: TICKED,
  commands: `${QUOTED}(?:\\s*(?:,|，|、|and|then|and then|和|然后|再)+\\s*${QUOTED})*`,
  url: "https?:\\/\\/[^\\s，。；！？、）】」]+",
  domain: "(?:[a-z0-9-]+\\.)+[a-z]{2,}(?:[/?#]\\S*)?",
  json: "\\{[^]*\\}",
  word: `${QUOTED}|[^\\s,;:!?]+`,
  zword: `${QUOTED}|[^\\s\\p{Script=Han}，。；：！？、]+`,
  tool: "[\\w:.-]+",
}

/** "here", in the many ways to say it. */
const HERE =
  "(?:here|there|(?:in|inside|of|from|under|at) (?:here|(?:this|the|my|the current|current|the working|my working|this working)(?: project| workspace)? (?:folder|directory|dir|workspace|project|repo|repository)))"
const ZHERE = "(?:当前|这个|本|工作)?(?:目录|文件夹|这里|工作区|项目)"
const ZIN = "(?:目录|文件夹)?~(?:里面|下面|里|中|下|内)"
const FILES =
  "(?:files?|folders?|director(?:y|ies)|contents?|everything|entries)(?: (?:and|or) (?:files|folders|directories))?"
const ZFILES = "(?:文件和文件夹|文件和目录|文件夹|文件|目录|内容|东西)(?:列表)?"
const IN = "(?:in|inside|within|under|of|from|at)"
const DIR = "(?:the |my )?(?:folder |directory )?{dir}(?: folder| directory| dir)?"

const list: Intent = {
  name: "list",
  wordings: [
    wording(
      `(?:ls|dir|list|(?:list|show|display|give me|print|see)(?: me)?(?: all)?(?: of)?(?: the| my)? ${FILES})(?: ${HERE})?`,
    ),
    wording(`(?:list|show|display|give me|print|see)(?: me)?(?: all)?(?: of)?(?: the| my)? ${FILES} ${IN} ${DIR}`),
    wording("(?:ls|dir) {dir}"),
    wording("list (?:the )?(?:folder |directory ){dir}|list (?:the )?{path}(?: folder| directory| dir)?"),
    wording(`(?:what|which)(?: ${FILES})? (?:are there|are|do (?:i|we|you) have|exist|is there)(?: ${HERE})?`),
    wording(`(?:what|which) ${FILES} (?:are|do (?:i|we|you) have|exist|are there) ${IN} ${DIR}`),
    wording(`what(?:'s|’s| is) ${IN} ${DIR}`),
    wording(`what(?:'s|’s| is) ${HERE}`),
    wording(
      `(?:列出|列一下|列举|显示|看看|看一下|查看|展示|看)~(?:一下)?~(?:${ZHERE}~)?(?:里面|里|中|下面|下)?的?~(?:所有|全部)?的?~${ZFILES}`,
    ),
    wording(
      `(?:列出|列一下|列举|显示|看看|看一下|查看|展示|看)~(?:一下)?~{zdir}~${ZIN}?~的?~(?:所有|全部)?的?~${ZFILES}`,
    ),
    wording(`(?:看看|看一下|看|查看|列出)?~${ZHERE}?~(?:里面|里|中|下面|下)?~(?:都)?有(?:什么|哪些)~(?:${ZFILES})?`),
    wording(`(?:看看|看一下|看|查看|列出)?~{zdir}~${ZIN}~(?:都)?有(?:什么|哪些)~(?:${ZFILES})?`),
    wording("(?:列出|ls)~{zdir}"),
  ],
  build: (caught, quoted) => {
    const given = caught.dir ?? caught.zdir
    if (caught.path !== undefined && !pieceOf(caught.path, quoted) && !/[/~]|^\.+$/.test(caught.path)) return undefined
    const path = name(given ?? caught.path, quoted)
    if (path === undefined || isHere(path)) return [call("LS", {})]
    if (isFiller(path)) return undefined
    if (/[*?]/.test(path)) return [call("Glob", { pattern: path })]
    return [looksLikeFile(path) ? call("Read", { path }) : call("LS", { path })]
  },
}

const read: Intent = {
  name: "read",
  wordings: [
    wording(
      "(?:read|cat|show|open|display|print|view|see|look at|let me see|give me)(?: me)?(?: the)?(?: contents? of| text of)?(?: the)?(?<named> files?)? {paths}(?: files?)?(?: out loud| aloud)?",
    ),
    wording("what(?:'s|’s| is| does)(?: in| inside| the contents? of)? {path}(?: say| contain)?"),
    wording(
      "(?:读取|读一下|读|打开|查看|显示|看看|看一下|看|展示|输出)~(?:一下)?~(?<named>文件)?~{paths}~(?:文件|这个文件)?~的?~(?:全部)?(?:内容|全文)?",
    ),
    wording("{zpath}~(?:文件)?~(?:的内容是什么|里(?:面)?(?:有|写了|是)什么|写了什么)"),
  ],
  build: (caught, quoted) => {
    const single = caught.path ?? caught.zpath
    const names = single === undefined ? items(caught.paths ?? "") : [single]
    const paths = names.map((item) =>
      isPath(item, quoted, caught.named !== undefined) ? name(item, quoted) : undefined,
    )
    if (paths.length === 0 || paths.length > 10) return undefined
    const calls = paths.map((path) => (path === undefined || isUrl(path) ? undefined : call("Read", { path })))
    return calls.every((one) => one !== undefined) ? calls : undefined
  },
}

const lines: Intent = {
  name: "lines",
  wordings: [
    wording(
      "(?:read|show|display|print|see)(?: me)?(?: the)? lines? (?<first>\\d{1,7})(?:~(?:-|–|to|through)~(?<last>\\d{1,7}))? (?:of|in|from)(?: the)?(?: file)? {path}",
    ),
    wording(
      "(?:read|show|display|print|see)(?: me)?(?: the)? first (?<limit>\\d{1,5}) lines (?:of|in|from)(?: the)?(?: file)? {path}",
    ),
    wording(
      "(?:读取|读|查看|显示|看看|看)~(?:一下)?~{zpath}~的?~第?~(?<first>\\d{1,7})~(?:行?~(?:到|至|-|–)~第?~(?<last>\\d{1,7})~)?行",
    ),
    wording("(?:读取|读|查看|显示|看看|看)~(?:一下)?~{zpath}~的?~前~(?<limit>\\d{1,5})~行"),
  ],
  build: (caught, quoted) => {
    const raw = caught.path ?? caught.zpath
    if (raw === undefined || !isPath(raw, quoted, false)) return undefined
    const first = Number(caught.first ?? 1)
    const limit = caught.limit === undefined ? Number(caught.last ?? first) - first + 1 : Number(caught.limit)
    if (first < 1 || limit < 1 || limit > 20_000) return undefined
    return [call("Read", { path: name(raw, quoted), offset: first, limit })]
  },
}

const webSearch: Intent = {
  name: "webSearch",
  wordings: [
    wording("(?:search|look up|look|browse)(?: on| in)?(?: the)? (?:web|internet|net|online)(?: for| about)? {text}"),
    wording("(?:web search|websearch|google|duckduckgo|bing)(?: for)?:? {text}"),
    wording("(?:search|look up|look|find)(?: for)? {text} (?:on|in) (?:the )?(?:web|internet|net|google)"),
    wording("(?:search|look up|look|find)(?: for)? {text} online"),
    wording("(?:在~)?(?:网上|网络上?|互联网上?|上网|联网|全网)~(?:搜索|查找|搜|查|找)(?:一下)?[:：]?~{text}"),
  ],
  build: (caught, quoted) => {
    const query = name(caught.text, quoted)
    return query === undefined || isFiller(query) || query.length > 300 ? undefined : [call("WebSearch", { query })]
  },
}

const glob: Intent = {
  name: "glob",
  wordings: [
    wording(
      `(?:find|list|show|locate|glob|search for|look for|get|give me)(?: me)?(?: all)?(?: of)?(?: the)?(?<files> files?)?(?<named> (?:that match|matching|named|called|like|with (?:the )?(?:name|extension|pattern)))? {glob}(?<suffix> files?)?(?: ${HERE}| ${IN} ${DIR})?`,
    ),
    wording(
      `(?:what|which)(?<files> files) (?:match|are (?:named|called)|have the extension) {glob}(?: ${HERE}| ${IN} ${DIR})?`,
    ),
    wording(
      `(?:在~{zdir}~${ZIN}~)?(?:查找|找出|找到|找|列出|搜索)~(?:所有|全部)?的?~(?<named>名为|叫做?|匹配|符合)?~{zglob}~的?~(?<suffix>文件)?`,
    ),
    wording(`(?:查找|找出|找到|找|列出|搜索)~{zdir}~${ZIN}~的?~(?:所有|全部)?的?~{zglob}~的?~(?<suffix>文件)`),
  ],
  build: (caught, quoted) => {
    const raw = caught.glob ?? caught.zglob
    const given = name(raw, quoted)
    if (given === undefined || isUrl(given)) return undefined
    const pattern = globPattern(
      given,
      caught.named !== undefined,
      (caught.files ?? caught.suffix ?? caught.named) !== undefined,
    )
    if (pattern === undefined) return undefined
    const dir = name(caught.dir ?? caught.zdir, quoted)
    if (dir !== undefined && isFiller(dir)) return undefined
    return [call("Glob", { pattern, ...(dir === undefined || isHere(dir) ? {} : { path: dir }) })]
  },
}

const WHERE_ALL =
  "(?:in |across |through )?(?:all|any|the|every|my|this)(?: of)?(?: the| my)? (?:files?|code|project|repo|repository|codebase|workspace)"
const grep: Intent = {
  name: "grep",
  wordings: [
    wording(
      `(?:search|grep|scan|look)(?: the)?(?: files| code| project| codebase| repo| repository| workspace)?(?: for)?(?: all)?(?: occurrences of| lines with| the (?:word|text|string|phrase))? {text} (?:${HERE}|${WHERE_ALL}|${IN} ${DIR})`,
    ),
    wording(
      `(?:find|locate)(?: all)?(?: the)?(?: occurrences of| lines (?:with|containing)| the (?:word|text|string|phrase))? {text} (?:${HERE}|${WHERE_ALL}|${IN} ${DIR})`,
    ),
    wording("grep {word} {path}"),
    wording("search {word}"),
    wording(`search (?:in |inside )?(?:the )?{path}(?: folder| directory| dir)? for {text}`),
    wording(
      `(?:grep|search(?: the)?(?: files| code| project| codebase| repo| repository| workspace)? for|search(?=\\s+${QUOTED}))(?: occurrences of| the (?:word|text|string|phrase))? {text}`,
    ),
    wording("(?:find|look for|locate)(?: all)?(?: occurrences of)? {quoted}"),
    wording(`(?:which|what) files (?:contain|mention|have|use)(?: the (?:word|text|string))? {text}(?: ${IN} ${DIR})?`),
    wording("where is {quoted} (?:used|defined|mentioned|called)"),
    wording(`在~{zdir}~${ZIN}?~(?:搜索|搜一下|搜|查找|查一下|找一下|寻找|找)~(?:一下)?~(?:包含)?~{text}`),
    wording(`(?:搜索|搜一下|搜|查找|寻找)~(?:一下)?~{zdir}~${ZIN}~的~{text}`),
    wording(
      `(?:在~${ZHERE}~(?:里面|里|中|下)?~|全局|在所有文件(?:里|中)~)?(?:搜索|搜一下|搜|查找|寻找)~(?:一下)?~(?:所有|全部)?(?:包含)?(?:~{zword}|[:： ]+{text})(?:~的(?:文件|地方))?`,
    ),
    wording(`哪些文件(?:里|中)?(?:包含|有|提到)了?~{text}`),
  ],
  build: (caught, quoted) => {
    const raw = caught.text ?? caught.quoted ?? caught.word ?? caught.zword
    const text = name(raw, quoted)
    if (raw === undefined || text === undefined || text === "") return undefined
    const exact = pieceOf(raw, quoted) !== undefined
    if (!exact && (isFiller(text) || text.length > 80 || text.split(/\s+/).length > 4 || raw.includes("\ue003")))
      return undefined
    const path = name(caught.dir ?? caught.zdir ?? caught.path, quoted)
    if (path !== undefined && isFiller(path)) return undefined
    return [call("Grep", { pattern: escapeRegex(text), ...(path === undefined || isHere(path) ? {} : { path }) })]
  },
}

/** Programs that may be named after "run" without quotes: none of them is an English word. */
const PROGRAMS =
  "(?:npm|npx|pnpm|yarn|node|deno|bun|git|python3?|pip3?|cargo|rustc|docker|kubectl|ls|pwd|whoami|uname|df|du|tsc|pytest|gcc|javac?|mvn|gradle|ruby|php|uv|jq)"
const run: Intent = {
  name: "run",
  wordings: [
    wording(
      "(?:run|execute|exec|launch|invoke)(?: the| this)?(?: shell)?(?: command| program| script)?:? {commands}(?: (?:in (?:a|the) (?:shell|terminal)|here))?",
    ),
    wording(`(?:run|execute)(?: the)?(?: command)?:? (?<bare>${PROGRAMS}(?: [\\w./:=@+-]+){0,8})`),
    wording("{ticked}"),
    wording("\\$ (?<bare>[^\\n]+)"),
    wording("(?:运行|执行|跑一下|跑|启动)~(?:一下)?~(?:这个|以下)?~(?:命令|指令|脚本)?[:：]?~{commands}"),
    wording(`(?:运行|执行|跑一下|跑)~(?:一下)?~(?:命令|指令)?[:：]?~(?<bare>${PROGRAMS}(?: [\\w./:=@+-]+){0,8})`),
  ],
  build: (caught, quoted) => {
    if (caught.bare !== undefined) return [call("Bash", { command: giveBack(caught.bare, quoted) })]
    const commands = items(caught.commands ?? caught.ticked ?? "").map((item) => pieceOf(item, quoted)?.text.trim())
    if (commands.length === 0 || !commands.every((command) => command)) return undefined
    return commands.map((command) => call("Bash", { command }))
  },
}

const fetch: Intent = {
  name: "fetch",
  wordings: [
    wording(
      "(?:fetch|get|open|visit|read|load|download|browse(?: to)?|go to|show(?: me)?)(?: the)?(?: (?:url|page|web ?page|website|site|contents? of|page at))*:? (?:{url}|{quoted})",
    ),
    wording("(?:fetch|visit|browse(?: to)?|go to)(?: the)?(?: (?:url|page|web ?page|website|site))?:? {domain}"),
    wording(
      "(?:抓取|打开|访问|获取|读取|下载|浏览|看看|看一下)~(?:一下)?~(?:网页|网址|网站|链接|页面)?[:：]?~(?:{url}|{quoted})~(?:的)?(?:内容|网页|页面)?",
    ),
  ],
  build: (caught, quoted) => {
    const given = caught.url ?? (caught.quoted === undefined ? undefined : pieceOf(caught.quoted, quoted)?.text.trim())
    const url = (given ?? (caught.domain === undefined ? undefined : `https://${caught.domain}`))?.replace(
      /[.,;:!?)\]]+$/,
      "",
    )
    return url !== undefined && isUrl(url) && URL.canParse(url) ? [call("WebFetch", { url })] : undefined
  },
}

const write: Intent = {
  name: "write",
  wordings: [
    wording(
      "(?:write|create|make|save|add)(?: me)?(?: an?| the)?(?<named>(?: new)? file)?(?: named| called)? {path} (?:with|containing|that (?:says|contains))(?: the)?(?: contents?| text)?(?<colon>:)?~{text}",
    ),
    wording(
      "(?:write|save|put)(?: the)?(?: text| content)? {quoted} (?:to|into|in|as)(?: the| an?)?(?<named>(?: new)? file)? {path}",
    ),
    wording("(?:create|make)(?: an| the| a)? (?<empty>empty)(?<named> file)(?: named| called)? {path}"),
    wording(
      "(?:创建|新建|写|写入|生成)~(?:一个)?~(?<named>文件)?~{zpath}~[,，:：]?~(?:文件)?~(?:内容|写入|写上)(?:是|为)?(?<colon>[:：])?~{text}",
    ),
    wording("(?:写入|写到)~(?<named>文件)?~{zpath}~(?<colon>[:：])~{text}"),
    wording(
      "(?:把|将)~{quoted}~(?:这段话|这句话)?~(?:写入|写到|写进|保存到|存到|保存为)~(?<named>文件)?~{zpath}~(?:里|中|文件)?",
    ),
    wording("(?:创建|新建)~(?:一个)?~(?<empty>空)(?:的)?(?:白)?(?<named>文件)~{zpath}"),
  ],
  build: (caught, quoted) => {
    const raw = caught.path ?? caught.zpath
    if (raw === undefined || !isPath(raw, quoted, caught.named !== undefined)) return undefined
    const path = name(raw, quoted)
    if (path === undefined || isUrl(path)) return undefined
    if (caught.empty !== undefined) return [call("Write", { path, content: "" })]
    const content = contentOf(caught, quoted)
    return content === undefined ? undefined : [call("Write", { path, content })]
  },
}

const edit: Intent = {
  name: "edit",
  wordings: [
    wording(
      "(?:replace|change|substitute|swap)(?<all> all| every| each)?(?: occurrences?)?(?: of)? {old} (?:with|to|by|for|into) {next} (?:in|inside)(?: the)?(?: file)? {path}(?<everywhere> everywhere)?",
    ),
    wording(
      "in(?: the)?(?: file)? {path},? (?:replace|change|substitute|swap)(?<all> all| every| each)?(?: occurrences?)?(?: of)? {old} (?:with|to|by|for|into) {next}(?<everywhere> everywhere)?",
    ),
    wording(
      "(?:把|将)~(?:文件)?~{zpath}~(?:文件)?(?:里面|里|中)~(?:的)?~(?<all>所有|全部)?(?:的)?~{old}~(?<everywhere>都|全部)?~(?:替换成|替换为|换成|改成|改为)~{next}",
    ),
  ],
  build: (caught, quoted) => {
    const raw = caught.path ?? caught.zpath
    if (raw === undefined || !isPath(raw, quoted, false)) return undefined
    const path = name(raw, quoted)
    const oldText = name(caught.old, quoted)
    const newText = name(caught.next, quoted)
    if (path === undefined || !oldText || newText === undefined || oldText === newText) return undefined
    const every = (caught.all ?? caught.everywhere) !== undefined
    return [call("Edit", { path, oldText, newText, ...(every ? { replaceAll: true } : {}) })]
  },
}

/** Reaches any tool that is offered: "call TodoWrite with {…}". */
const tool: Intent = {
  name: "tool",
  wordings: [
    wording(
      "(?:call|use|invoke)(?: the)?(?: tool)? (?:{tool}|{quoted})(?: tool)?(?: with)?(?: the)?(?: arguments?| args| input)?:? {json}",
    ),
    wording("(?:调用|使用)~(?:工具)?~(?:{tool}|{quoted})~(?:工具)?[,，]?~(?:参数)?(?:是|为)?[:：]?~{json}"),
  ],
  build: (caught, quoted) => {
    const args = parseArgs(giveBack(caught.json ?? "", quoted))
    const named = caught.tool ?? name(caught.quoted, quoted)
    return args && named ? [call(named, args)] : undefined
  },
}

const echo: Intent = {
  name: "echo",
  wordings: [
    wording("(?:say|echo|repeat|reply with|answer with|respond with|reply)(?: exactly)?:? {quoted}"),
    wording("(?:reply|respond|answer)(?: with)? exactly:? (?<text>[\\w .-]{1,80})"),
    wording("(?:说|回复|重复|复述)~(?:一遍|一下)?[:：]?~{quoted}"),
  ],
  build: (caught, quoted) => {
    const text = caught.text ?? (caught.quoted && pieceOf(caught.quoted, quoted)?.text)
    return text ? [{ type: "echo", text }] : undefined
  },
}

function topic(topic: Topic, ...wordings: string[]): Intent {
  return { name: topic, wordings: wordings.map(wording), build: () => [{ type: "say", topic }] }
}

/** In the order in which they are tried. */
export const INTENTS: readonly Intent[] = [
  topic(
    "hello",
    "(?:hi|hello|hey|howdy|good (?:morning|afternoon|evening)|greetings)(?:[ ,]+(?:there|pincer|everyone))?",
    "(?:你好|您好|嗨|哈喽|早上好|下午好|晚上好|早)[啊呀]?",
  ),
  topic(
    "thanks",
    "(?:thanks|thank you|thx|cheers)(?: (?:a lot|so much|very much))?",
    "(?:谢谢|多谢|感谢)(?:你|您)?(?:了|啊)?",
  ),
  topic("bye", "(?:good)?bye|see you(?: later)?", "再见|拜拜"),
  topic(
    "help",
    "/?help(?: me)?|\\?|what can (?:you|i) do(?: here)?|what do you (?:do|understand)|what are you able to do|how do(?:es)? (?:i use )?(?:you|this)(?: work)?",
    "/?(?:帮助|怎么用|如何使用|使用说明)|你(?:都)?(?:能|会|可以)(?:做|干)?(?:什么|些什么|哪些事)|你有什么(?:功能|用)",
  ),
  topic(
    "who",
    "(?:who|what) are you|which (?:model|llm|ai)(?: model)? (?:are you|is this|do you use)|what model (?:are you|is this)|are you (?:an? )?(?:ai|llm|language model|real|bot)",
    "你是(?:谁|什么|什么模型|哪个模型|人工智能吗|机器人吗)|你用的是?什么模型",
  ),
  topic(
    "time",
    "(?:what(?:'s|’s| is) the (?:current )?time|what time is it)(?: now)?|time",
    "(?:现在|当前)?(?:是)?(?:几点了?|什么时间|什么时候了?|时间)(?:了)?",
  ),
  topic(
    "date",
    "what(?:'s|’s| is) (?:the date|today(?:'s|’s)? date|the date today|today)|what (?:day|date) is (?:it|today)(?: today)?|date",
    "今天(?:是)?(?:几号|几月几号|星期几|周几|什么日子|日期)|(?:现在|今天)的?日期(?:是什么|是多少)?",
  ),
  topic(
    "where",
    "where (?:am i|are we)|(?:which|what)(?:'s|’s| is)?(?: the| my)? (?:current |working |current working )?(?:directory|folder)(?: am i in| are we in| is this)?|pwd",
    "(?:我|我们)?(?:现在)?(?:在)?(?:哪个|什么)(?:目录|文件夹)|当前(?:工作)?目录(?:是什么|是哪里|在哪)",
  ),
  echo,
  tool,
  fetch,
  run,
  edit,
  write,
  webSearch,
  lines,
  read,
  glob,
  list,
  grep,
]

function call(tool: string, args: Record<string, unknown>): Action {
  return { type: "call", tool, args }
}
