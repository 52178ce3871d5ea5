// Every command line of IMClaw's page about permissions, with what it says and what comes of it where nothing else is configured.
import type { PermissionMode, Permissions, Preset } from "../../src/protocol/permission.ts"

export interface ExampleLine {
  args: readonly string[]
  says: Permissions
  becomes: {
    mode: PermissionMode
    preset: Preset | ""
    /** Tools that may be used, denied ones taken out, in the fixed order. */
    tools: string
    authPolicy?: "skip" | "fail"
    nonInteractive?: "deny" | "fail"
  }
}

const ALL = "Bash,Edit,Glob,Grep,LS,MultiEdit,NotebookEdit,Read,TodoWrite,WebFetch,WebSearch,Write"
const READERS = "Glob,Grep,LS,Read"
const DEV = "Bash,Read,Write"
const SAFE: ExampleLine["becomes"] = { mode: "deny-all", preset: "safe-readonly", tools: READERS }

function without(...names: string[]): string {
  return ALL.split(",")
    .filter((name) => !names.includes(name))
    .join(",")
}

export const EXAMPLE_LINES: readonly ExampleLine[] = [
  {
    args: ["--approve-all", "-p", "Hello"],
    says: { mode: "approve-all" },
    becomes: { mode: "approve-all", preset: "", tools: DEV },
  },
  {
    args: ["--deny-all", "-p", "分析这段代码"],
    says: { mode: "deny-all" },
    becomes: { mode: "deny-all", preset: "", tools: DEV },
  },
  {
    args: ["--permission-preset", "safe-readonly", "-p", "分析这段代码"],
    says: { preset: "safe-readonly" },
    becomes: SAFE,
  },
  {
    args: ["--permission-preset", "full-auto", "-p", "帮我重构代码"],
    says: { preset: "full-auto" },
    becomes: { mode: "approve-all", preset: "full-auto", tools: ALL },
  },
  {
    args: ["--approve-all", "-p", "帮我重构代码"],
    says: { mode: "approve-all" },
    becomes: { mode: "approve-all", preset: "", tools: DEV },
  },
  {
    args: ["--deny-all", "-p", "分析项目结构"],
    says: { mode: "deny-all" },
    becomes: { mode: "deny-all", preset: "", tools: DEV },
  },
  {
    args: ["--allowed-tools", "Read,Grep,Glob", "-p", "分析代码"],
    says: { allowedTools: ["Glob", "Grep", "Read"] },
    becomes: { mode: "approve-reads", preset: "", tools: "Glob,Grep,Read" },
  },
  {
    args: ["--allowed-tools", "", "-p", "任意操作"],
    says: { allowedTools: [] },
    becomes: { mode: "approve-reads", preset: "", tools: ALL },
  },
  {
    args: ["--allowed-tools", "Bash", "-p", "运行测试"],
    says: { allowedTools: ["Bash"] },
    becomes: { mode: "approve-reads", preset: "", tools: "Bash" },
  },
  {
    args: ["--permission-preset", "full-auto", "--denied-tools", "Write", "-p", "帮我分析代码"],
    says: { preset: "full-auto", deniedTools: ["Write"] },
    becomes: { mode: "approve-all", preset: "full-auto", tools: without("Write") },
  },
  {
    args: ["--permission-preset", "full-auto", "--denied-tools", "Write,Bash", "-p", "只读分析"],
    says: { preset: "full-auto", deniedTools: ["Bash", "Write"] },
    becomes: { mode: "approve-all", preset: "full-auto", tools: without("Write", "Bash") },
  },
  {
    args: ["--allowed-tools", "Bash,Read,Write,Edit", "--denied-tools", "Write", "-p", "可以编辑但不能新建文件"],
    says: { allowedTools: ["Bash", "Edit", "Read", "Write"], deniedTools: ["Write"] },
    becomes: { mode: "approve-reads", preset: "", tools: "Bash,Edit,Read" },
  },
  {
    args: ["--auth-policy", "skip", "-p", "Hello"],
    says: { authPolicy: "skip" },
    becomes: { mode: "approve-reads", preset: "", tools: DEV, authPolicy: "skip" },
  },
  {
    args: ["--auth-policy", "fail", "-p", "Hello"],
    says: { authPolicy: "fail" },
    becomes: { mode: "approve-reads", preset: "", tools: DEV, authPolicy: "fail" },
  },
  {
    args: ["--non-interactive-permissions", "deny"],
    says: { nonInteractive: "deny" },
    becomes: { mode: "approve-reads", preset: "", tools: DEV, nonInteractive: "deny" },
  },
  {
    args: ["--non-interactive-permissions", "fail", "-p", "Hello"],
    says: { nonInteractive: "fail" },
    becomes: { mode: "approve-reads", preset: "", tools: DEV, nonInteractive: "fail" },
  },
  {
    args: ["--permission-preset", "full-auto", "--approve-reads", "--denied-tools", "Write,Bash", "-p", "Hello"],
    says: { preset: "full-auto", mode: "approve-reads", deniedTools: ["Bash", "Write"] },
    becomes: { mode: "approve-reads", preset: "full-auto", tools: without("Write", "Bash") },
  },
  {
    args: ["--permission-preset", "safe-readonly", "-p", "审查这段代码的安全性"],
    says: { preset: "safe-readonly" },
    becomes: SAFE,
  },
  {
    args: ["--deny-all", "--allowed-tools", "Glob,Grep,LS,Read", "-p", "审查代码"],
    says: { mode: "deny-all", allowedTools: ["Glob", "Grep", "LS", "Read"] },
    becomes: { ...SAFE, preset: "" },
  },
  {
    args: ["--permission-preset", "dev-default", "-p", "帮我实现这个功能"],
    says: { preset: "dev-default" },
    becomes: { mode: "approve-reads", preset: "dev-default", tools: DEV },
  },
  {
    args: ["--approve-reads", "--allowed-tools", "Bash,Read,Write", "-p", "实现功能"],
    says: { mode: "approve-reads", allowedTools: ["Bash", "Read", "Write"] },
    becomes: { mode: "approve-reads", preset: "", tools: DEV },
  },
  {
    args: ["--permission-preset", "full-auto", "--non-interactive-perms", "deny", "-p", "运行测试并修复失败的用例"],
    says: { preset: "full-auto", nonInteractive: "deny" },
    becomes: { mode: "approve-all", preset: "full-auto", tools: ALL, nonInteractive: "deny" },
  },
  {
    args: ["--permission-preset", "full-auto", "--denied-tools", "Bash", "-p", "帮我重构代码"],
    says: { preset: "full-auto", deniedTools: ["Bash"] },
    becomes: { mode: "approve-all", preset: "full-auto", tools: without("Bash") },
  },
  {
    args: [
      ...["--approve-all", "--auth-policy", "skip", "--non-interactive-perms", "deny", "--format", "json"],
      ...["-p", "检查代码并生成报告"],
    ],
    says: { mode: "approve-all", authPolicy: "skip", nonInteractive: "deny" },
    becomes: { mode: "approve-all", preset: "", tools: DEV, authPolicy: "skip", nonInteractive: "deny" },
  },
]
