// The program that tests start: the built one where `npm test` has built it, else the checkout's.
import { join } from "node:path"

export const CHECKOUT_PROGRAM = join(import.meta.dirname, "..", "bin", "pincer.js")
export const PROGRAM = process.env["PINCER_TEST_PROGRAM"] ?? CHECKOUT_PROGRAM
