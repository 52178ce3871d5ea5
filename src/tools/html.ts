// A web page as text that reads well: headings, lists, tables and links, without scripts, menus and forms. Runs in a thread: pages
// can be nested and shaped so that any parser takes for ever.
import { convert } from "html-to-text"

export interface HtmlTask {
  html: string
}

const MAX_INPUT_CHARS = 5_000_000
const MAX_DEPTH = 500
const LEFT_OUT = ["script", "style", "noscript", "template", "svg", "img", "nav", "footer", "form", "iframe", "button"]

export function htmlText({ html }: HtmlTask): string {
  const headings = ["h1", "h2", "h3", "h4", "h5", "h6"].map((selector) => ({ selector, options: { uppercase: false } }))
  const title = /<title[^>]*>([^<]{1,500})<\/title>/i.exec(html.slice(0, 50_000))?.[1]?.trim()
  const text = convert(html, {
    wordwrap: false,
    selectors: [
      ...LEFT_OUT.map((selector) => ({ selector, format: "skip" })),
      ...headings,
      { selector: "a", options: { hideLinkHrefIfSameAsText: true, noAnchorUrl: true } },
      { selector: "table", format: "dataTable", options: { uppercaseHeaderCells: false } },
    ],
    limits: { maxInputLength: MAX_INPUT_CHARS, maxDepth: MAX_DEPTH, ellipsis: "…" },
  })
    .replace(/\n{3,}/g, "\n\n")
    .trim()
  return title && !text.startsWith(title) ? `${convert(title, { wordwrap: false })}\n\n${text}` : text
}
