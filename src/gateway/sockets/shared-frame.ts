// One event that many are told of: its frame is made once, and for each of them only its number is written into it. What is handed to the
// kernel is a whole WebSocket frame in one piece, for sockets without extensions, whose frames are never masked or cut by a server.
import { frameText, type ToldEvent } from "./ring.ts"

/** The connection under a WebSocket, as far as a frame needs it. */
export interface RawSocket {
  write(bytes: Uint8Array): unknown
  /** Bytes that the kernel has not taken yet. */
  readonly writableLength: number
}

const FINAL_TEXT = 0x81
const ZERO = 48

/** The frame for numbers of so many digits. */
interface Template {
  bytes: Buffer
  /** Behind the last digit. */
  end: number
}

export class SharedFrame {
  readonly told: ToldEvent
  readonly payload: string
  #used = false
  readonly #templates = new Map<number, Template>()

  constructor(told: ToldEvent, payload: string) {
    this.told = told
    this.payload = payload
  }

  /** False for the first: one reader alone is served as ever. */
  get isShared(): boolean {
    const shared = this.#used
    this.#used = true
    return shared
  }

  text(seq: number): string {
    return frameText({ ...this.told, seq }, this.payload)
  }

  write(seq: number, raw: RawSocket): void {
    const digits = digitsOf(seq)
    let template = this.#templates.get(digits)
    if (!template) {
      template = this.#make(digits)
      this.#templates.set(digits, template)
    }
    const { bytes, end } = template
    for (let at = end - 1, left = seq, n = 0; n < digits; n++, at--) {
      bytes[at] = ZERO + (left % 10)
      left = Math.floor(left / 10)
    }
    raw.write(bytes)
    // The kernel has not got all of it: these bytes are not ours any more.
    if (raw.writableLength > 0) template.bytes = Buffer.from(bytes)
  }

  #make(digits: number): Template {
    const number = 10 ** (digits - 1)
    const text = this.text(number)
    const length = Buffer.byteLength(text)
    const head = headOf(length)
    const bytes = Buffer.allocUnsafeSlow(head.length + length)
    head.copy(bytes)
    bytes.write(text, head.length, "utf8")
    // What follows the number is ASCII.
    const after = text.length - (text.lastIndexOf(`"seq":${number}`) + '"seq":'.length + digits)
    return { bytes, end: bytes.length - after }
  }
}

function digitsOf(seq: number): number {
  let digits = 1
  for (let rest = seq; rest >= 10; rest = Math.floor(rest / 10)) digits += 1
  return digits
}

/** RFC 6455 §5.2. */
function headOf(length: number): Buffer {
  if (length < 126) return Buffer.from([FINAL_TEXT, length])
  const head = Buffer.alloc(length < 65_536 ? 4 : 10)
  head[0] = FINAL_TEXT
  head[1] = length < 65_536 ? 126 : 127
  if (length < 65_536) head.writeUInt16BE(length, 2)
  else head.writeBigUInt64BE(BigInt(length), 2)
  return head
}
