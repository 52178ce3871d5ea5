// Rules that are not what was asked for are not used: each line here is one that a package could have written.
import assert from "node:assert/strict"
import { test } from "node:test"
import { faultOf } from "./seatbelt-check.ts"
import { type AskedRules, SHARED } from "./seatbelt-rules.ts"

const asked: AskedRules = {
  read: ["/work", "/usr/lib"],
  write: ["/work"],
  denyRead: ["/", "/work/key"],
  denyWrite: ["/work/key", SHARED],
}
const GOOD = [
  "(version 1)",
  '(deny default (with message "tag"))',
  "; a comment",
  "(allow process-exec)",
  '(allow mach-lookup (global-name "a"))',
  "(allow file-read*)",
  '(deny file-read* (subpath "/"))',
  '(allow file-read* (subpath "/work") (subpath "/usr/lib"))',
  '(deny file-read* (subpath "/work/key"))',
  '(allow file-read* (literal "/"))',
  "(allow file-read-metadata (vnode-type DIRECTORY))",
  '(allow file-write* (subpath "/work") (subpath "/dev/null") (subpath "/private/tmp/claude"))',
  '(deny file-write* (subpath "/work/key") (subpath "/private/tmp/claude"))',
]

function changed(from: string, to: string): string {
  const text = GOOD.join("\n")
  assert.equal(text.split(from).length, 2, from)
  return text.replace(from, to)
}

test("what was asked for, and what the package needs for itself, is in order", () => {
  assert.equal(faultOf(GOOD.join("\n"), asked), undefined)
})

for (const [what, source, why] of [
  ["nothing", "", /version/],
  ["another language", "sandbox: none", /"sandbox:" is no rule/],
  ["everything allowed first", changed("(deny default (with", "(allow default (with"), /do not deny first/],
  [
    "everything denied but one kind",
    changed('(deny default (with message "tag"))', '(deny default (subpath "/a"))'),
    /deny first/,
  ],
  [
    "everything allowed later",
    changed("(allow process-exec)", "(allow default)"),
    /"default" is allowed with everything/,
  ],
  ["the whole network", changed("(allow process-exec)", "(allow network*)"), /"network\*" is allowed/],
  ["a port", changed("(allow process-exec)", '(allow network-outbound (remote ip "*:*"))'), /not asked/],
  ["Apple events", changed("(allow process-exec)", "(allow appleevent-send)"), /"appleevent-send" is allowed/],
  [
    "files at large",
    changed('(deny file-read* (subpath "/"))', '(deny file-read* (subpath "/Users"))'),
    /all files can be read/,
  ],
  [
    "files at large for writing",
    changed("(allow process-exec)", "(allow file-write*)"),
    /"file-write\*" is allowed with everything/,
  ],
  [
    "another folder for reading",
    changed('(literal "/")', '(subpath "/Users")'),
    /\(subpath "\/Users"\), which was not asked/,
  ],
  [
    "another folder for writing",
    changed('(subpath "/dev/null")', '(subpath "/dev")'),
    /\(subpath "\/dev"\), which was not asked/,
  ],
  ["a pattern", changed('(subpath "/dev/null")', '(regex "^/")'), /which was not asked/],
  ["names of files", changed("(vnode-type DIRECTORY)", "(vnode-type REGULAR-FILE)"), /which was not asked/],
  [
    "one thing of several",
    changed("(allow file-read-metadata", "(allow process-exec file-read-metadata file-chroot"),
    /file-chroot/,
  ],
  [
    "a hidden file that stays open",
    changed('(deny file-read* (subpath "/work/key"))', ""),
    /"\/work\/key" was to be denied/,
  ],
  [
    "a hidden file opened again",
    `${GOOD.join("\n")}\n(allow file-write* (subpath "/work"))`,
    /"\/work\/key" was to be denied/,
  ],
  [
    "the folder of other sandboxes",
    changed(' (subpath "/private/tmp/claude"))\n(deny', " )\n(deny").replace(' (subpath "/private/tmp/claude"))', ")"),
    /claude" was to be denied/,
  ],
  ["less than was asked", changed(' (subpath "/usr/lib"))', ")"), /"\/usr\/lib" was asked and is not allowed/],
  ["another action", changed("(allow process-exec)", "(import process-exec)"), /"import" is not known/],
  ["a list without end", `${GOOD.join("\n")}\n(deny file*`, /not closed/],
  ["an end without a list", `${GOOD.join("\n")})`, /not opened/],
  ["raw texts", changed('(literal "/")', '(literal #"/")'), /cannot be read/],
  ["a text that is none", changed('(literal "/")', '(literal "\\x")'), /./],
] as const)
  test(`refused: ${what}`, () => {
    assert.match(faultOf(source, asked) ?? "", why)
  })
