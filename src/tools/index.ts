// What a model may call, one line a tool.
import { askUser } from "./ask-user.ts"
import { bash } from "./bash.ts"
import { edit, multiEdit } from "./edit.ts"
import { webFetch } from "./fetch.ts"
import { glob } from "./glob.ts"
import { grep } from "./grep.ts"
import { ls } from "./ls.ts"
import { notebookEdit } from "./notebook.ts"
import { read } from "./read.ts"
import { webSearch } from "./search.ts"
import { todoWrite } from "./todo.ts"
import type { Tool } from "./tool.ts"
import { write } from "./write.ts"

/** Tools parse their own arguments, so a list of them forgets what each one's are. */
function any<Args>(tool: Tool<Args>): Tool {
  return tool as unknown as Tool
}

export const tools: readonly Tool[] = [
  any(bash),
  any(read),
  any(write),
  any(edit),
  any(multiEdit),
  any(glob),
  any(grep),
  any(ls),
  any(webFetch),
  any(webSearch),
  any(todoWrite),
  any(notebookEdit),
  any(askUser),
]
