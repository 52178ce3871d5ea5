// Links and handed-over resources in the parts that every model service knows: text, images and files.
import type { Part } from "../protocol/message.ts"

export type Spoken = Extract<Part, { type: "text" | "image" | "file" }>

/** A link by its name and address; a resource with its content, named so that the model can tell it from the user's own words. */
export function spoken(part: Extract<Part, { type: "link" | "resource" }>): Spoken {
  if (part.type === "link") {
    const { uri, name, title, description } = part
    const about = description === undefined ? "" : `: ${description}`
    return { type: "text", text: `[Linked: ${title ?? name} <${uri}>${about}]` }
  }
  const { uri, mimeType, text, data } = part
  if (text !== undefined) return { type: "text", text: `<resource uri=${JSON.stringify(uri)}>\n${text}\n</resource>` }
  if (data === undefined) return { type: "text", text: `[The resource ${uri} is empty]` }
  if (mimeType?.startsWith("image/")) return { type: "image", mimeType, data }
  return { type: "file", mimeType: mimeType ?? "application/octet-stream", name: nameOf(uri), data }
}

function nameOf(uri: string): string {
  const last = uri
    .replace(/[?#].*$/, "")
    .split("/")
    .at(-1)
  return last === undefined || last === "" ? "resource" : last
}

/** What stands in place of sound where a service cannot hear it. */
export function unheard(part: Extract<Part, { type: "audio" }>): Extract<Part, { type: "text" }> {
  return { type: "text", text: `[Sound of type ${part.mimeType} is left out: this model cannot hear it]` }
}
