// Known model services as data. A service that speaks a known wire is one row and no code.
import type { Quirks } from "./settings.ts"

export interface ServiceRow {
  id: string
  name: string
  wire: "openai-chat" | "openai-responses" | "anthropic" | "gemini"
  baseUrl: string
  /** Environment variables that hold the key, first match wins; empty for servers on this machine. */
  keyEnv: readonly string[]
  /** Environment variable that moves the base URL. */
  baseUrlEnv?: string
  quirks?: Quirks
  /** Asked when nobody names a model. Absent where the server says which it has. */
  defaultModel?: string
  /** Looked for at start on this machine. */
  local?: boolean
  models?: readonly KnownModel[]
}

export interface KnownModel {
  id: string
  contextWindow: number
  reasoning?: boolean
  images?: boolean
}

function chat(
  id: string,
  name: string,
  baseUrl: string,
  keyEnv: readonly string[],
  more: Partial<ServiceRow> = {},
): ServiceRow {
  return { id, name, wire: "openai-chat", baseUrl, keyEnv, ...more }
}

function local(id: string, name: string, baseUrl: string, more: Partial<ServiceRow> = {}): ServiceRow {
  return { id, name, wire: "openai-chat", baseUrl, keyEnv: [], local: true, quirks: { keyless: true }, ...more }
}

/** In the order in which keys in the environment are looked for. */
export const services: readonly ServiceRow[] = [
  {
    id: "anthropic",
    name: "Anthropic",
    wire: "anthropic",
    baseUrl: "https://api.anthropic.com/v1",
    keyEnv: ["ANTHROPIC_API_KEY"],
    baseUrlEnv: "ANTHROPIC_BASE_URL",
    defaultModel: "claude-sonnet-4-5",
    models: [
      { id: "claude-opus-4-5", contextWindow: 200_000, reasoning: true, images: true },
      { id: "claude-sonnet-4-5", contextWindow: 200_000, reasoning: true, images: true },
      { id: "claude-haiku-4-5", contextWindow: 200_000, reasoning: true, images: true },
    ],
  },
  chat("openai", "OpenAI", "https://api.openai.com/v1", ["OPENAI_API_KEY"], {
    wire: "openai-responses",
    baseUrlEnv: "OPENAI_BASE_URL",
    defaultModel: "gpt-5-mini",
    models: [
      { id: "gpt-5", contextWindow: 400_000, reasoning: true, images: true },
      { id: "gpt-5-mini", contextWindow: 400_000, reasoning: true, images: true },
      { id: "gpt-4.1", contextWindow: 1_047_576, images: true },
      { id: "gpt-4o", contextWindow: 128_000, images: true },
    ],
  }),
  {
    id: "gemini",
    name: "Google Gemini",
    wire: "gemini",
    baseUrl: "https://generativelanguage.googleapis.com/v1beta",
    keyEnv: ["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    baseUrlEnv: "GOOGLE_GEMINI_BASE_URL",
    defaultModel: "gemini-2.5-flash",
    models: [
      { id: "gemini-2.5-pro", contextWindow: 1_048_576, reasoning: true, images: true },
      { id: "gemini-2.5-flash", contextWindow: 1_048_576, reasoning: true, images: true },
    ],
  },
  chat("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", ["OPENROUTER_API_KEY"], {
    defaultModel: "openrouter/auto",
  }),
  chat("deepseek", "DeepSeek", "https://api.deepseek.com/v1", ["DEEPSEEK_API_KEY"], {
    defaultModel: "deepseek-chat",
    models: [
      { id: "deepseek-chat", contextWindow: 128_000 },
      { id: "deepseek-reasoner", contextWindow: 128_000, reasoning: true },
    ],
  }),
  chat(
    "qwen",
    "Qwen (DashScope)",
    "https://dashscope.aliyuncs.com/compatible-mode/v1",
    ["DASHSCOPE_API_KEY", "QWEN_API_KEY"],
    {
      baseUrlEnv: "DASHSCOPE_BASE_URL",
      defaultModel: "qwen-plus",
      models: [
        { id: "qwen3-max", contextWindow: 262_144 },
        { id: "qwen-plus", contextWindow: 131_072 },
      ],
    },
  ),
  chat("moonshot", "Moonshot (Kimi)", "https://api.moonshot.cn/v1", ["MOONSHOT_API_KEY", "KIMI_API_KEY"], {
    baseUrlEnv: "MOONSHOT_BASE_URL",
    defaultModel: "kimi-k2-0905-preview",
    models: [{ id: "kimi-k2-0905-preview", contextWindow: 262_144 }],
  }),
  chat("zai", "Z.ai (GLM)", "https://api.z.ai/api/paas/v4", ["ZAI_API_KEY", "ZHIPUAI_API_KEY"], {
    defaultModel: "glm-4.6",
    models: [{ id: "glm-4.6", contextWindow: 200_000, reasoning: true }],
  }),
  chat("groq", "Groq", "https://api.groq.com/openai/v1", ["GROQ_API_KEY"], { defaultModel: "llama-3.3-70b-versatile" }),
  chat("xai", "xAI", "https://api.x.ai/v1", ["XAI_API_KEY"], { defaultModel: "grok-4" }),
  chat("mistral", "Mistral", "https://api.mistral.ai/v1", ["MISTRAL_API_KEY"], {
    defaultModel: "mistral-medium-latest",
    quirks: { noStreamUsage: true },
  }),
  chat("together", "Together", "https://api.together.xyz/v1", ["TOGETHER_API_KEY"], {
    defaultModel: "Qwen/Qwen3-235B-A22B-Instruct-2507-tput",
  }),
  chat("fireworks", "Fireworks", "https://api.fireworks.ai/inference/v1", ["FIREWORKS_API_KEY"], {
    defaultModel: "accounts/fireworks/models/kimi-k2-instruct",
  }),
  chat("cerebras", "Cerebras", "https://api.cerebras.ai/v1", ["CEREBRAS_API_KEY"], { defaultModel: "gpt-oss-120b" }),
  chat("nvidia", "NVIDIA", "https://integrate.api.nvidia.com/v1", ["NVIDIA_API_KEY"], {
    defaultModel: "meta/llama-3.3-70b-instruct",
  }),
  chat("siliconflow", "SiliconFlow", "https://api.siliconflow.cn/v1", ["SILICONFLOW_API_KEY"], {
    defaultModel: "deepseek-ai/DeepSeek-V3",
  }),
  chat("minimax", "MiniMax", "https://api.minimax.io/v1", ["MINIMAX_API_KEY"], { defaultModel: "MiniMax-M2" }),
  local("ollama", "Ollama", "http://127.0.0.1:11434/v1", { baseUrlEnv: "OLLAMA_HOST" }),
  local("lmstudio", "LM Studio", "http://127.0.0.1:1234/v1"),
  local("llamacpp", "llama.cpp", "http://127.0.0.1:8080/v1"),
  local("vllm", "vLLM", "http://127.0.0.1:8000/v1"),
]

export function serviceOf(id: string): ServiceRow | undefined {
  return services.find((row) => row.id === id)
}
