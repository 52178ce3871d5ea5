// exec.approvals.get and set: what may run without asking, as the original gateway's clients edit it.
import { z } from "zod"
import { changeExecFile, execFile, execSnapshot } from "../approvals/exec-approvals.ts"
import { person } from "./approvals.ts"
import { type Method, method } from "./method.ts"

const snapshot = () =>
  z.object({
    path: z.string(),
    exists: z.boolean(),
    hash: z.string(),
    file: execFile(),
    resolvedDefaults: z.looseObject({ security: z.string(), ask: z.string(), askFallback: z.string() }),
  })

const get = method({
  name: "exec.approvals.get",
  summary: "What agents may run without asking, as one file: rules that answers wrote, and what is asked at all.",
  scope: "operator.admin",
  params: () => z.object({}),
  result: snapshot,
  run: (_params, { parts }) => execSnapshot(parts),
})

const set = method({
  name: "exec.approvals.set",
  summary: "Takes rules out of that file, or adds programs; the rest of it follows from the configuration.",
  scope: "operator.admin",
  limited: "controlWrites",
  params: () => z.object({ file: execFile(), baseHash: z.string().optional().describe("hash of exec.approvals.get") }),
  result: snapshot,
  run: ({ baseHash, file }, { caller, parts }) => changeExecFile(file, baseHash, person(caller), parts),
})

export const execApprovalMethods: readonly Method[] = [get, set]
