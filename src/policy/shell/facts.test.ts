import assert from "node:assert/strict"
import { chmod, rm, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { shellRoom } from "../../../test/fakes/shell-room.ts"
import { changedSince } from "./changes.ts"
import { disk } from "./disk.ts"
import { commandFacts } from "./facts.ts"

/** A line, the words of its segments ("…" for one that is not known), and what is unknown about it. */
const WALKED: readonly [line: string, segments: string[], unknown: RegExp | undefined][] = [
  ["git status", ["git status"], undefined],
  ["ls | grep a && cat notes.txt; pwd", ["ls", "grep a", "cat notes.txt", "pwd"], undefined],
  ["(ls; (cat notes.txt)) & { id; }", ["ls", "cat notes.txt", "id"], undefined],
  ["if true; then ls; elif false; then id; else pwd; fi", ["true", "ls", "false", "id", "pwd"], undefined],
  ["while ls; do id; done; until pwd; do date; done", ["ls", "id", "pwd", "date"], undefined],
  ["case a in a) ls;; *) id;; esac", ["ls", "id"], undefined],
  ["for x in a; do ls; done", ["ls"], undefined],
  ["for x in a; do cat $x; done", ["cat …"], /value of \$x/],
  ["f() { ls; id; }; f", ["ls", "id", "f"], /function named f/],
  ["coproc ls", ["ls"], /coprocess/],
  ["cat $(ls) `id`", ["ls", "id", "cat … …"], /command substitution/],
  ["cat <(ls) >(id)", ["ls", "id", "cat … …"], /process substitution/],
  ["cat <<E\n$(ls)\nE", ["ls", "cat"], /command substitution/],
  ["cat ${x:-$(ls)}", ["ls", "cat …"], /command substitution/],
  ["((a[$(ls)]))", ["ls"], /arithmetic/],
  ["for ((i=0;i<$(ls);i++)); do id; done", ["ls", "id"], /arithmetic/],
  ["[[ $(ls) && -f x ]]", ["ls", "[[ … x"], /command substitution/],
  ["[[ -v x ]]", ["[[ x"], /\[\[ -v/],
  ["x=$(ls) id", ["ls", "id"], /the variable x/],
  ["a=($(ls)); id", ["ls", "", "id"], /an array/],
  ["timeout 5 nice ls -l", ["timeout 5 nice ls -l", "nice ls -l", "ls -l"], undefined],
  ["env A=1 ls", ["env A=1 ls", "ls"], undefined],
  ["exec ls", ["exec ls", "ls"], undefined],
  ["find . -exec cat {} \\;", ["find . -exec cat {} ;", "cat …"], undefined],
  ["ls | xargs cat", ["ls", "xargs cat", "cat …"], undefined],
  ["cat *.txt", ["cat …"], /file name pattern/],
  ["cat {a,b}", ["cat …"], /brace expansion/],
  ["cat ~nobody/x", ["cat …"], /home folder/],
  ["ls 'a b' \"c d\" e\\ f $'g\\th'", ["ls a b c d e f g\th"], undefined],
  ["eval ls", ["eval ls"], /eval/],
  ["ls 'unfinished", [], /unknown syntax/],
  ["ls\0", [], /NUL/],
  ["ls \u202e", [], /invisible/],
  ["ls\u00a0x", [], /blank/],
  ["ls \u0007", [], /control/],
  ["nosuchprogram", ["nosuchprogram"], /not a program that is found/],
]

test("every command of a line is found, wherever it stands", async (t) => {
  const room = await shellRoom(t)
  for (const [line, segments, unknown] of WALKED) {
    const facts = await room.facts(line)
    const seen = facts.segments.map((one) => one.argv.map((word) => word ?? "…").join(" "))
    assert.deepEqual(seen, segments, line)
    if (unknown === undefined) assert.deepEqual(facts.unknown, [], line)
    else if (!unknown.test("")) assert.match(facts.unknown.join("; "), unknown, line)
  }
})

/** What runs code, and so never rides on its binary's entry; undefined for what does not. */
const INTERPRETED: readonly [line: string, why: RegExp | undefined][] = [
  ["sh -c ls", /sh -c/],
  ["bash", /bash from its input/],
  ["bash --version", undefined],
  ["python3 -m http.server", /-m/],
  ["python3 -", /from its input/],
  ["node -e 1", /node -e/],
  ["node script.js -e", undefined],
  ["perl -pi -e x notes.txt", /perl -pi/],
  ["awk '{ print $1 }' notes.txt", undefined],
  ["awk -F: -v x=1 '{ print $x }' notes.txt", undefined],
  ["awk -f x.awk", /awk -f/],
  ["awk 'BEGIN { system(\"ls\") }'", /awk with/],
  ["sed -n 1,5p notes.txt", undefined],
  ["sed 's/a/b/g' notes.txt", undefined],
  ["sed 's|a|b|e' notes.txt", /sed with/],
  ["sed 's/a/b/;w x' notes.txt", /sed with/],
  ["sed p notes.txt -e '1e ls'", /sed with options after/],
  ["find . -name '*.ts'", undefined],
  ["find . -ok ls {} ;", /find -ok/],
  ["xargs ls", /xargs/],
  ["env", undefined],
  ["env -S 'ls -l'", /env with options/],
  ["nice -n 5 ls", undefined],
  ["tar tf x.tar", undefined],
  ["tar xf x.tar --to-comm=sh", /--to-comm/],
  ["tar xf host:x.tar", /another machine/],
  ["git -c a.b=c status", /git -c/],
  ["git --exec-path=/x status", /--exec-path/],
  ["git config a.b c", /git config/],
  ["git nosuch", /git nosuch/],
  ["git rebase -x ls", /git rebase/],
  ["git clone -u ls x", /git clone/],
  ["git fetch ext::sh", /transport/],
  ["git commit -m x", undefined],
  ["git -C src log", undefined],
  ["curl -K x", /curl -K/],
  ["sort --compress-prog=ls notes.txt", /sort --compress-prog/],
  ["make all", undefined],
  ["make CC=ls", /make with/],
  ["npm test", undefined],
  ["npm run build -- --fast", undefined],
  ["npm run build --fast", /npm run/],
  ["npm install x", /npm install/],
  ["date +%s", undefined],
  ["date -s now", /date -s/],
]

test("what runs code or programs is said, by name", async (t) => {
  const room = await shellRoom(t)
  for (const [line, why] of INTERPRETED) {
    const facts = await room.facts(line)
    const [first] = facts.segments
    // A program that this machine lacks is not known at all.
    if (first?.program === null && !first.builtin) continue
    if (why === undefined) assert.equal(first?.interprets, null, line)
    else assert.match(first?.interprets ?? "", why, line)
  }
})

test("the folder is followed where it is certain, and unknown where it is not", async (t) => {
  const { cwd, facts } = await shellRoom(t)
  const last = async (line: string) => (await facts(line)).segments.at(-1)?.cwd
  const src = join(cwd, "src")
  assert.equal(await last("cd src && ls"), src)
  assert.equal(await last("cd src; ls"), src)
  assert.equal(await last("cd src && cd deep && ls"), join(src, "deep"))
  assert.equal(await last("cd src && cd .. && ls"), cwd)
  assert.equal(await last("(cd src && ls); ls"), cwd)
  assert.equal(await last("cd src | cat; ls"), cwd)
  assert.equal(await last("cd src & ls"), cwd)
  assert.equal(await last("cd $x && ls"), null)
  assert.equal(await last("cd nowhere; ls"), null)
  assert.equal(await last("cd - ; ls"), null)
  assert.equal(await last("cd src || true; ls"), null)
  assert.equal(await last("true && cd src; ls"), null)
  assert.equal(await last("true && cd src && ls"), src)
  assert.equal(await last("if ls; then cd src; fi; ls"), null)
  assert.equal(await last("while ls; do cd src; done; ls"), null)
  assert.equal(await last("pushd src; ls"), cwd)
  assert.match((await facts("pushd src; ls")).unknown.join(), /pushd/)
})

test("programs, scripts and paths are resolved through links", async (t) => {
  const { cwd, facts, lay } = await shellRoom(t)
  await lay([
    { path: "run.sh", content: "#!/bin/sh\n", mode: 0o755 },
    { path: "link.sh", link: "run.sh" },
    { path: "away", link: "/etc" },
    { path: "shell", link: "/bin/bash" },
  ])
  const [script] = (await facts("./link.sh x")).segments
  assert.equal(script?.program, join(cwd, "run.sh"))
  assert.deepEqual(
    script?.scripts.map((one) => one.path),
    [join(cwd, "run.sh")],
  )
  assert.match(script?.scripts[0]?.sha256 ?? "", /^[0-9a-f]{64}$/)
  assert.equal((await facts("./shell -c ls")).segments[0]?.interprets, "bash -c")
  assert.deepEqual((await facts("cat away/hostname ../x")).segments[0]?.paths, ["/etc/hostname", join(cwd, "../x")])
  assert.deepEqual((await facts("cat away/../x")).segments[0]?.paths.includes("/x"), false)
  assert.deepEqual((await facts("ls > away/x")).segments[0]?.redirections[0]?.target, "/etc/x")
  assert.deepEqual((await facts("cp notes.txt away/x")).segments[0]?.writes, [join(cwd, "notes.txt"), "/etc/x"])
  assert.deepEqual((await facts("ls")).segments[0]?.paths, [cwd])
  for (const path of [".:/usr/bin", ":/usr/bin", "bin:/usr/bin"])
    assert.match((await facts("ls", { env: { PATH: path } })).unknown.join(), /PATH holds/)
})

test("where the system keeps many programs in one file, its links are those programs; other links to it are not", async () => {
  const files = {
    ...disk,
    real: async (path: string) => (/\/(?:ls|busybox)$/.test(path) ? "/usr/bin/busybox" : path),
    look: async () => ({ type: "file" as const, executable: true }),
  }
  const first = async (line: string) =>
    (await commandFacts(line, { cwd: "/work", env: { PATH: "/usr/bin" }, shell: "/bin/bash", files })).segments[0]
  assert.deepEqual([(await first("ls"))?.name, (await first("ls"))?.interprets], ["ls", null])
  assert.equal((await first("./ls"))?.interprets, "busybox")
  assert.equal((await first("busybox sh"))?.interprets, "busybox")
})

test("a pipe, a folder or a device is never a script", async (t) => {
  const { facts } = await shellRoom(t)
  for (const path of ["src", "/dev/null", "missing.js"]) {
    const { segments, unknown } = await facts(`node ${path}`)
    assert.ok(unknown.length > 0 || segments[0]?.interprets, path)
  }
})

test("only shells whose grammar is known are understood, and bash's own grammar not under sh", async (t) => {
  const { facts } = await shellRoom(t)
  assert.match((await facts("ls", { shell: "/usr/bin/zsh" })).unknown.join(), /grammar/)
  assert.match((await facts("ls", { shell: "/usr/bin/fish" })).unknown.join(), /grammar/)
  for (const line of ["ls &> x", "cat <<< x", "[[ a ]]", "ls $'a'", "ls |& cat", "cat {a,b}", "a=(1)", "time ls"]) {
    assert.match((await facts(line, { shell: "/bin/sh" })).unknown.join(), /bash syntax/, line)
  }
  assert.deepEqual((await facts("if [ -f x ]; then ls | cat; fi", { shell: "/bin/sh" })).unknown, [])
})

test("what changed between judgement and start is named", async (t) => {
  const { cwd, facts, lay } = await shellRoom(t)
  await lay([{ path: "run.sh", content: "#!/bin/sh\n", mode: 0o755 }])
  const change = async (line: string, act: () => Promise<void>) => {
    const before = await facts(line)
    assert.equal(changedSince(before, await facts(line)), undefined, line)
    await act()
    return changedSince(before, await facts(line)) ?? ""
  }
  assert.match(
    await change("node script.js", () => writeFile(join(cwd, "script.js"), "evil")),
    /script\.js has changed/,
  )
  assert.match(await change("npm test", () => writeFile(join(cwd, "package.json"), "{}")), /package\.json has changed/)
  assert.match(await change("./run.sh", () => chmod(join(cwd, "run.sh"), 0o644)), /leads to nothing/)
  assert.match(
    await change("cat notes.txt", () => relink(join(cwd, "notes.txt"), "/etc/hostname")),
    /touch \/etc\/hostname/,
  )
  assert.match(await change("ls > out", () => symlink("/etc/x", join(cwd, "out"))), /leads to \/etc\/x/)
  const config = join(cwd, ".git/config")
  assert.match(
    await change("git status", () => writeFile(config, "[core]\nfsmonitor = x\n")),
    /other code now: git with core\.fsmonitor/,
  )
})

async function relink(path: string, target: string): Promise<void> {
  await rm(path)
  await symlink(target, path)
}
