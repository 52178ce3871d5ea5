// Plain readers: programs that print what they read and change nothing, with the options they may have. Data in the words of getopt:
// a letter takes no value, a letter with ":" takes one; long options likewise with "=". Any other option, and it is not a reader.
import type { CommandSegment } from "../command.ts"

interface Reader {
  names: readonly string[]
  /** Letters; "#" stands for `-5`. */
  short: string
  long: readonly string[]
  /** Operands are not allowed: they would be written or set. */
  noOperands?: boolean
}

const READERS: readonly Reader[] = [
  {
    names: ["cat"],
    short: "AbeEnstTuv",
    long: ["number", "number-nonblank", "show-all", "show-ends", "show-tabs", "squeeze-blank"],
  },
  {
    names: ["head", "tail"],
    short: "#c:n:qvz",
    long: ["lines=", "bytes=", "quiet", "silent", "verbose", "zero-terminated"],
  },
  {
    names: ["ls", "dir", "vdir"],
    short: "aAbBcCdfFgGhHiIklLmnNopqQrRsStuUvw:xXZ1",
    long: [
      ...[
        "all",
        "almost-all",
        "author",
        "block-size=",
        "color",
        "color=",
        "directory",
        "classify",
        "file-type",
        "format=",
      ],
      ...[
        "full-time",
        "group-directories-first",
        "human-readable",
        "si",
        "inode",
        "numeric-uid-gid",
        "recursive",
        "reverse",
      ],
      ...["size", "sort=", "time=", "time-style=", "no-group", "ignore=", "hide="],
    ],
  },
  {
    names: ["grep", "egrep", "fgrep"],
    short: "#EFGPe:ivywxzcLlm:oqsbHhnTA:B:C:arRI",
    long: [
      ...["extended-regexp", "fixed-strings", "basic-regexp", "perl-regexp", "regexp=", "ignore-case", "invert-match"],
      ...[
        "word-regexp",
        "line-regexp",
        "count",
        "color",
        "color=",
        "colour=",
        "files-without-match",
        "files-with-matches",
      ],
      ...[
        "max-count=",
        "only-matching",
        "quiet",
        "silent",
        "no-messages",
        "byte-offset",
        "with-filename",
        "no-filename",
      ],
      ...[
        "line-number",
        "after-context=",
        "before-context=",
        "context=",
        "text",
        "binary-files=",
        "exclude=",
        "exclude-dir=",
      ],
      ...["include=", "recursive", "dereference-recursive", "null"],
    ],
  },
  { names: ["wc"], short: "cmlLw", long: ["bytes", "chars", "lines", "max-line-length", "words"] },
  {
    names: ["sort"],
    short: "bdfghiMnRrVcCk:mst:uz",
    long: [
      ...[
        "ignore-leading-blanks",
        "dictionary-order",
        "ignore-case",
        "general-numeric-sort",
        "human-numeric-sort",
        "key=",
      ],
      ...["ignore-nonprinting", "month-sort", "numeric-sort", "reverse", "version-sort", "check", "stable", "unique"],
      ...["field-separator=", "zero-terminated"],
    ],
  },
  {
    names: ["cut"],
    short: "b:c:d:f:nsz",
    long: ["bytes=", "characters=", "delimiter=", "fields=", "only-delimited", "output-delimiter="],
  },
  { names: ["tr"], short: "cCdst", long: ["complement", "delete", "squeeze-repeats", "truncate-set1"] },
  { names: ["stat"], short: "Lfc:t", long: ["dereference", "file-system", "format=", "printf=", "terse"] },
  {
    names: ["file"],
    short: "bhiLN0rs",
    long: ["brief", "mime", "mime-type", "mime-encoding", "dereference", "no-pad"],
  },
  { names: ["pwd"], short: "LP", long: [] },
  {
    names: ["readlink", "realpath"],
    short: "efmnqsz",
    long: ["canonicalize", "no-newline", "quiet", "strip", "relative-to="],
  },
  { names: ["basename", "dirname"], short: "as:z", long: ["multiple", "suffix=", "zero"] },
  { names: ["echo", "printf", "true", "false"], short: "neE", long: [] },
  {
    names: ["date"],
    short: "d:Iur:R",
    long: ["date=", "iso-8601", "iso-8601=", "rfc-3339=", "rfc-email", "utc", "universal", "reference="],
    noOperands: true,
  },
  { names: ["whoami", "nproc", "arch", "tty", "logname"], short: "s", long: ["all"], noOperands: true },
  { names: ["id", "groups"], short: "gGnruz", long: ["group", "groups", "name", "real", "user"] },
  {
    names: ["uname"],
    short: "asnrvmpio",
    long: ["all", "kernel-name", "nodename", "kernel-release", "machine", "operating-system"],
    noOperands: true,
  },
  { names: ["uptime"], short: "ps", long: ["pretty", "since"], noOperands: true },
  {
    names: ["df"],
    short: "ahHiklPTt:x:",
    long: ["all", "human-readable", "si", "inodes", "local", "portability", "print-type", "total"],
  },
  {
    names: ["du"],
    short: "0abcd:hHkLlmPsSt:x",
    long: [
      "all",
      "apparent-size",
      "bytes",
      "total",
      "max-depth=",
      "human-readable",
      "si",
      "summarize",
      "one-file-system",
      "exclude=",
    ],
  },
  { names: ["free"], short: "bkmghtlw", long: ["human", "si", "total", "wide"], noOperands: true },
  {
    names: ["ps"],
    short: "AadeFflHjLMNTuwxy",
    long: ["forest", "no-headers", "headers"],
  },
  {
    names: ["md5sum", "sha1sum", "sha256sum", "sha512sum", "b2sum", "cksum", "sum"],
    short: "btcwz",
    long: ["check", "tag", "quiet", "status", "strict"],
  },
  {
    names: ["nl", "tac", "rev", "fold", "expand", "unexpand", "fmt", "paste", "comm", "join"],
    short: "ab:cd:fi:l:n:s:t:w:v:123z",
    long: [],
  },
  { names: ["cmp"], short: "bi:ln:s", long: ["print-bytes", "bytes=", "verbose", "quiet", "silent"] },
  {
    names: ["diff"],
    short: "#abBcC:dEeiNnpqrstTuU:wyZ",
    long: [
      "brief",
      "unified",
      "unified=",
      "context",
      "context=",
      "side-by-side",
      "recursive",
      "ignore-all-space",
      "ignore-case",
      "color",
      "color=",
      "new-file",
      "text",
    ],
  },
  {
    names: ["hexdump", "od", "strings", "base64", "base32"],
    short: "#A:bcCdDi:n:N:oOs:t:vw:x",
    long: ["decode", "wrap=", "all", "bytes=", "radix=", "encoding="],
  },
  { names: ["seq", "sleep", "factor"], short: "#f:s:w", long: ["separator=", "equal-width", "format="] },
  {
    names: ["jq"],
    short: "acCeMnrRsSj",
    long: [
      "arg",
      "argjson",
      "raw-output",
      "raw-input",
      "compact-output",
      "slurp",
      "sort-keys",
      "exit-status",
      "null-input",
      "tab",
      "join-output",
    ],
  },
  {
    names: ["tree"],
    short: "adfilpsughDFQrtxCnL:I:P:",
    long: ["dirsfirst", "noreport", "inodes", "gitignore", "prune", "du", "si"],
  },
  { names: ["which", "whereis"], short: "abms", long: ["all"] },
]

/** Git subcommands that only read, with the options they may have. Options of one kind for all: none of them runs or writes anything. */
const GIT_READERS: ReadonlySet<string> = new Set([
  ...["status", "log", "diff", "show", "rev-parse", "ls-files", "ls-tree", "blame", "shortlog", "describe", "rev-list"],
  ...["cat-file", "merge-base", "name-rev", "count-objects", "for-each-ref", "show-ref", "whatchanged", "diff-tree"],
])
const GIT_OPTIONS: Omit<Reader, "names"> = {
  short: "#bsuvzpn:qwirtaMCUDRL:S:G:1cde",
  long: [
    ...[
      "short",
      "branch",
      "porcelain",
      "porcelain=",
      "show-stash",
      "long",
      "verbose",
      "ignored",
      "untracked-files",
      "untracked-files=",
    ],
    ...[
      "oneline",
      "graph",
      "decorate",
      "decorate=",
      "all",
      "stat",
      "stat=",
      "shortstat",
      "numstat",
      "name-only",
      "name-status",
    ],
    ...[
      "patch",
      "no-patch",
      "cached",
      "staged",
      "summary",
      "max-count=",
      "since=",
      "until=",
      "after=",
      "before=",
      "author=",
    ],
    ...[
      "grep=",
      "format=",
      "pretty=",
      "pretty",
      "date=",
      "abbrev-commit",
      "abbrev-ref",
      "abbrev",
      "abbrev=",
      "reverse",
      "merges",
      "no-merges",
    ],
    ...[
      "first-parent",
      "follow",
      "no-ext-diff",
      "no-textconv",
      "no-color",
      "color=",
      "word-diff",
      "word-diff=",
      "unified=",
      "show-toplevel",
    ],
    ...[
      "show-current",
      "is-inside-work-tree",
      "git-dir",
      "others",
      "modified",
      "deleted",
      "exclude-standard",
      "tags",
      "always",
      "dirty",
    ],
    ...[
      "contains",
      "sort=",
      "count",
      "heads",
      "verify",
      "quiet",
      "ignore-all-space",
      "ignore-space-change",
      "diff-filter=",
      "relative-date",
    ],
    ...[
      "full-history",
      "topo-order",
      "date-order",
      "no-renames",
      "find-renames",
      "check",
      "exit-code",
      "no-pager",
      "root",
      "raw",
    ],
  ],
}

export function readsOnlySegment(segment: CommandSegment): boolean {
  const { name, argv, program, builtin, interprets, scripts, cwd } = segment
  if (name === null || cwd === null || interprets !== null || scripts.length > 0 || argv.includes(null)) return false
  if (segment.assignments.length > 0 || segment.redirections.some((one) => one.writes || isUnknown(one))) return false
  if (program === null && !builtin) return false
  const args = argv.slice(1).map(String)
  if (name === "git") return readsGit(args)
  const reader = READERS.find((one) => one.names.includes(name))
  return reader !== undefined && safeOptions(args, reader)
}

function isUnknown({ target, operator }: CommandSegment["redirections"][number]): boolean {
  return target === null && !operator.startsWith("<<")
}

function readsGit(args: readonly string[]): boolean {
  let at = 0
  while (args[at] === "--no-pager" || args[at] === "-P" || args[at] === "--no-optional-locks") at++
  const sub = args[at]
  const rest = args.slice(at + 1)
  if (sub === "branch")
    return rest.every((word) => ["-a", "-r", "-v", "-vv", "--all", "--list", "--show-current"].includes(word))
  if (sub === "remote") return rest.every((word) => word === "-v")
  if (sub === "stash") return rest.length === 1 && rest[0] === "list"
  if (sub === "tag") return rest.every((word) => word === "-l" || word === "--list")
  return sub !== undefined && GIT_READERS.has(sub) && safeOptions(rest, GIT_OPTIONS)
}

/** Every option is one of those listed, spelled out in full: programs also take abbreviations, which are not listed. */
function safeOptions(args: readonly string[], reader: Omit<Reader, "names">): boolean {
  let optionsEnd = false
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!
    if (optionsEnd || !word.startsWith("-") || word === "-") {
      if (reader.noOperands && !word.startsWith("+")) return false
      continue
    }
    if (word === "--") optionsEnd = true
    else if (word.startsWith("--")) {
      const [name, value] = [word.slice(2).split("=", 1)[0]!, word.includes("=")]
      if (!reader.long.includes(value ? `${name}=` : name)) {
        if (value || !reader.long.includes(`${name}=`)) return false
        at++
      }
    } else {
      const takesNext = clusterOf(word.slice(1), reader.short)
      if (takesNext === undefined) return false
      if (takesNext) at++
    }
  }
  return true
}

/** Undefined when a letter is not listed; otherwise whether its last letter takes the next word as its value. */
function clusterOf(letters: string, short: string): boolean | undefined {
  if (/^\d+$/.test(letters) && short.includes("#")) return false
  for (let at = 0; at < letters.length; at++) {
    const found = letters[at] === ":" || letters[at] === "#" ? -1 : short.indexOf(letters[at]!)
    if (found < 0) return undefined
    if (short[found + 1] === ":") return at === letters.length - 1
  }
  return false
}
