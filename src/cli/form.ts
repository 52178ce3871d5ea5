// A question with a form, read from the wire: its fields in order, what a person may type for each, and what that means. Pure. What is
// typed is only checked here so far that a slip can be mended at once; the gateway checks the whole.
import { isObject } from "../base/json.ts"

/** What an agent asks beside a yes or no. */
export type AgentQuestion = { type: "form"; fields: FormField[] } | { type: "url"; url: string }

export interface FormField {
  name: string
  title: string
  description: string | undefined
  type: "text" | "number" | "integer" | "boolean" | "choice" | "choices"
  choices: { value: string; title: string }[]
  required: boolean
  fallback: unknown
}

export type Typed = { value: unknown } | { problem: string }

/** Undefined when the row holds none. */
export function agentQuestionOf(value: unknown): AgentQuestion | undefined {
  if (!isObject(value)) return undefined
  if (value["type"] === "url") return { type: "url", url: String(value["url"]) }
  const { schema } = value
  if (!isObject(schema)) return undefined
  const properties = isObject(schema["properties"]) ? schema["properties"] : {}
  const required = Array.isArray(schema["required"]) ? schema["required"] : []
  const fields = Object.entries(properties).flatMap(([name, property]) =>
    isObject(property) ? [fieldOf(name, property, required.includes(name))] : [],
  )
  return { type: "form", fields }
}

function fieldOf(name: string, property: Record<string, unknown>, required: boolean): FormField {
  const { description, items, title, type } = property
  const many = type === "array"
  const choices = choicesOf(many && isObject(items) ? items : property)
  const kind = many ? "choices" : choices.length > 0 ? "choice" : type
  return {
    name,
    title: typeof title === "string" ? title : name,
    description: typeof description === "string" ? description : undefined,
    type: kind === "choices" || kind === "choice" || isPlainType(kind) ? kind : "text",
    choices,
    required,
    fallback: property["default"],
  }
}

function isPlainType(type: unknown): type is "number" | "integer" | "boolean" {
  return type === "number" || type === "integer" || type === "boolean"
}

function choicesOf(schema: Record<string, unknown>): FormField["choices"] {
  const named = [schema["oneOf"], schema["anyOf"]].find(Array.isArray) ?? []
  const titled = named
    .filter(isObject)
    .flatMap(({ const: value, title }) =>
      typeof value === "string" ? [{ value, title: typeof title === "string" ? title : value }] : [],
    )
  if (titled.length > 0) return titled
  const { enum: values, enumNames } = schema
  if (!Array.isArray(values)) return []
  const names = Array.isArray(enumNames) ? enumNames : []
  return values.map(String).map((value, i) => ({ value, title: String(names[i] ?? value) }))
}

/** What a line means for a field; undefined as value: the field is left out. */
export function readTyped(field: FormField, line: string): Typed {
  const text = line.trim()
  if (text === "") {
    if (field.fallback !== undefined) return { value: field.fallback }
    return field.required ? { problem: "an answer is needed here" } : { value: undefined }
  }
  switch (field.type) {
    case "text":
      return { value: line }
    case "number":
    case "integer": {
      const value = Number(text)
      const good = field.type === "integer" ? Number.isInteger(value) : Number.isFinite(value)
      return good ? { value } : { problem: field.type === "integer" ? "a whole number, please" : "a number, please" }
    }
    case "boolean":
      if (/^(?:y|yes|true)$/i.test(text)) return { value: true }
      return /^(?:n|no|false)$/i.test(text) ? { value: false } : { problem: "y or n, please" }
    case "choice": {
      const value = chosen(field, text)
      return value === undefined ? { problem: "one of the numbers, please" } : { value }
    }
    case "choices": {
      const found = text.split(",").map((one) => chosen(field, one.trim()))
      return found.includes(undefined) ? { problem: "numbers with commas between, please" } : { value: found }
    }
    default:
      throw new TypeError(`Unknown field ${JSON.stringify(field.type satisfies never)}`)
  }
}

function chosen({ choices, type }: FormField, text: string): string | undefined {
  if (choices.length === 0 && type === "choices") return text
  const known = choices.find(({ title, value }) => value === text || title.toLowerCase() === text.toLowerCase())
  return (known ?? (/^\d+$/.test(text) ? choices[Number(text) - 1] : undefined))?.value
}
