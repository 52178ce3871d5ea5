// WebSearch: one interface, several services. The keyless one reads a results page; keyed ones have APIs.
import { z } from "zod"
import { PincerError } from "../base/errors.ts"
import { isObject } from "../base/json.ts"
import { excerpt } from "../base/text.ts"
import { pageOf } from "./line-page.ts"
import { errorResult, type Tool, type ToolContext, textResult } from "./tool.ts"
import { type WebResponse, webRequest } from "./web.ts"

const args = z.strictObject({
  query: z.string().min(1).max(500).describe("What to search for"),
  count: z.number().int().min(1).max(20).optional().describe("Results wanted; default 8"),
})

const MAX_ANSWER_BYTES = 1_000_000

export interface SearchHit {
  title: string
  url: string
  snippet: string
}

interface SearchService {
  baseUrl: string
  needsKey: boolean
  ask(
    query: string,
    count: number,
    key: string | undefined,
    baseUrl: string,
  ): { url: string; method?: "POST"; headers?: Record<string, string>; body?: string }
  /** Throws UNAVAILABLE when the answer is not what the service promises. */
  read(response: WebResponse): SearchHit[]
}

const services: Readonly<Record<ToolContext["settings"]["search"]["service"], SearchService>> = {
  duckduckgo: {
    baseUrl: "https://html.duckduckgo.com",
    needsKey: false,
    ask: (query, _count, _key, baseUrl) => ({
      url: `${baseUrl}/html/`,
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ q: query }).toString(),
    }),
    read: (response) => readResultsPage(response.body.toString("utf8")),
  },
  brave: {
    baseUrl: "https://api.search.brave.com",
    needsKey: true,
    ask: (query, count, key, baseUrl) => ({
      url: `${baseUrl}/res/v1/web/search?${new URLSearchParams({ q: query, count: String(count) })}`,
      headers: { accept: "application/json", "x-subscription-token": key ?? "" },
    }),
    read: (response) => hits(json(response), ["web", "results"], "title", "url", "description"),
  },
  tavily: {
    baseUrl: "https://api.tavily.com",
    needsKey: true,
    ask: (query, count, key, baseUrl) => ({
      url: `${baseUrl}/search`,
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${key ?? ""}` },
      body: JSON.stringify({ query, max_results: count }),
    }),
    read: (response) => hits(json(response), ["results"], "title", "url", "content"),
  },
}

export const webSearch: Tool<z.infer<typeof args>> = {
  name: "WebSearch",
  aliases: ["web_search"],
  class: "network",
  effect: "read",
  description: "Searches the web; returns titles, URLs and snippets. Use WebFetch to read a result.",
  args,
  title: ({ query }) => excerpt(query, 200),
  // Which service is asked is the user's setting, not the model's choice; it is named by the class.
  touch: async () => ({ reads: [], writes: [], hosts: [] }),
  async run({ query, count = 8 }, context) {
    const { search, fetch, maxOutputChars } = context.settings
    const service = services[search.service]
    const key = service.needsKey ? search.apiKey() : undefined
    if (service.needsKey && !key)
      return errorResult(
        `${search.service} needs a key: a person can set tools.search.apiKey, or tools.search.service to duckduckgo`,
      )
    const baseUrl = (search.baseUrl ?? service.baseUrl).replace(/\/+$/, "")
    const response = await webRequest({
      ...service.ask(query, count, key, baseUrl),
      timeoutMs: fetch.timeoutMs,
      maxBytes: Math.min(fetch.maxBytes, MAX_ANSWER_BYTES),
      // A server that the user named in the settings may stand anywhere.
      allowHosts: search.baseUrl === undefined ? [] : [hostAndPort(new URL(baseUrl))],
      signal: context.signal,
    })
    if (response.status !== 200)
      return errorResult(
        `${search.service} answered ${response.status}${[401, 403].includes(response.status) ? ": check tools.search.apiKey" : ""}`,
      )
    const found = service.read(response).slice(0, count)
    if (found.length === 0) return textResult(`Nothing was found for "${excerpt(query, 100)}"`, { hits: [] })
    const lines = found.map((hit, i) => `${i + 1}. ${hit.title}\n   ${hit.url}\n   ${hit.snippet}`)
    const text = pageOf(lines, { offset: 0, total: lines.length, more: false, maxChars: maxOutputChars })
    return textResult(text, { hits: found.map(({ title, url }) => ({ title, url })) })
  },
}

function hostAndPort(url: URL): string {
  return `${url.hostname}:${url.port || (url.protocol === "https:" ? "443" : "80")}`
}

function json(response: WebResponse): unknown {
  try {
    return JSON.parse(response.body.toString("utf8"))
  } catch (error) {
    throw new PincerError("UNAVAILABLE", "The search service did not answer with JSON", { cause: error })
  }
}

function hits(body: unknown, path: readonly string[], title: string, url: string, snippet: string): SearchHit[] {
  let list: unknown = body
  for (const key of path) list = isObject(list) ? list[key] : undefined
  if (!Array.isArray(list)) return []
  return list.filter(isObject).map((row) => ({
    title: plain(String(row[title] ?? ""), 200),
    url: String(row[url] ?? ""),
    snippet: plain(String(row[snippet] ?? ""), 300),
  }))
}

/** The results of a DuckDuckGo page: links of class result__a, each followed by its result__snippet. */
export function readResultsPage(html: string): SearchHit[] {
  if (/class="[^"]*anomaly-modal|id="challenge-form"/.test(html))
    throw new PincerError(
      "UNAVAILABLE",
      "duckduckgo asks whether a person is searching: try later, or set tools.search.service to brave or tavily",
    )
  const found: SearchHit[] = []
  const blocks = html.split(/<a[^>]+class="[^"]*result__a[^"]*"/).slice(1)
  for (const block of blocks) {
    const href = /^[^>]*href="([^"]+)"/.exec(block)?.[1]
    const title = /^[^>]*>([\s\S]*?)<\/a>/.exec(block)?.[1]
    const snippet = /class="[^"]*result__snippet[^"]*"[^>]*>([\s\S]*?)<\/(?:a|div|td)>/.exec(block)?.[1]
    const url = href && targetOf(unescapeHtml(href))
    if (url && title !== undefined) found.push({ title: plain(title, 200), url, snippet: plain(snippet ?? "", 300) })
  }
  return found
}

/** Results lead through a redirect that names the target; advertisements do not. */
function targetOf(href: string): string | undefined {
  if (!URL.canParse(href, "https://duckduckgo.com")) return undefined
  const url = new URL(href, "https://duckduckgo.com")
  const target = url.pathname === "/l/" ? url.searchParams.get("uddg") : url.href
  return target && /^https?:\/\//.test(target) && !/duckduckgo\.com\/y\.js/.test(target) ? target : undefined
}

function plain(html: string, max: number): string {
  return excerpt(unescapeHtml(html.replace(/<[^>]+>/g, "")), max)
}

function unescapeHtml(text: string): string {
  const named: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " " }
  return text.replace(/&(#x[0-9a-f]+|#\d+|[a-z]+);/gi, (whole, name: string) => {
    if (!name.startsWith("#")) return named[name.toLowerCase()] ?? whole
    const code = name[1]?.toLowerCase() === "x" ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1))
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
}
