// The whole set. Names are unique: they stand in the table of differences.
import type { Case } from "./case.ts"
import { files } from "./files.ts"
import { gates } from "./gates.ts"
import { pipelines } from "./pipelines.ts"

export const cases: readonly Case[] = [...pipelines, ...files, ...gates]
