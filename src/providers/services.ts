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
  /** How the names of its models begin: a bare name is taken to this service without asking it for its list. */
  families?: readonly string[]
  /** The wire to speak when the base URL is moved: what stands there instead mostly knows only this one. */
  movedWire?: "openai-chat"
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

/** In the order in which keys in the environment are looked for. Names and windows: the services' model pages, November 2026. */
export const services: readonly ServiceRow[] = [
  {
    id: "anthropic",
    name: "Anthropic",
    wire: "anthropic",
    baseUrl: "https://api.anthropic.com/v1",
    keyEnv: ["ANTHROPIC_API_KEY"],
    baseUrlEnv: "ANTHROPIC_BASE_URL",
    defaultModel: "claude-sonnet-5",
    families: ["claude-"],
    models: [
      { id: "claude-opus-5", contextWindow: 1_000_000, reasoning: true, images: true },
      { id: "claude-sonnet-5", contextWindow: 1_000_000, reasoning: true, images: true },
      { id: "claude-haiku-4-5", contextWindow: 200_000, reasoning: true, images: true },
    ],
  },
  chat("openai", "OpenAI", "https://api.openai.com/v1", ["OPENAI_API_KEY"], {
    wire: "openai-responses",
    movedWire: "openai-chat",
    baseUrlEnv: "OPENAI_BASE_URL",
    defaultModel: "gpt-5.4-mini",
    families: ["gpt-", "chatgpt-", "o1", "o3", "o4-", "codex-", "text-embedding-"],
    models: [
      { id: "gpt-5.4", contextWindow: 1_050_000, reasoning: true, images: true },
      { id: "gpt-5.4-mini", contextWindow: 400_000, reasoning: true, images: true },
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
    defaultModel: "gemini-3.6-flash",
    families: ["gemini-", "gemma-"],
    models: [
      { id: "gemini-3.1-pro-preview", contextWindow: 1_048_576, reasoning: true, images: true },
      { id: "gemini-3.6-flash", contextWindow: 1_048_576, reasoning: true, images: true },
      { id: "gemini-2.5-flash", contextWindow: 1_048_576, reasoning: true, images: true },
    ],
  },
  chat("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", ["OPENROUTER_API_KEY"], {
    baseUrlEnv: "OPENROUTER_BASE_URL",
    defaultModel: "openrouter/auto",
  }),
  chat("deepseek", "DeepSeek", "https://api.deepseek.com/v1", ["DEEPSEEK_API_KEY"], {
    baseUrlEnv: "DEEPSEEK_BASE_URL",
    defaultModel: "deepseek-v4-flash",
    families: ["deepseek-"],
    models: [
      { id: "deepseek-v4-flash", contextWindow: 1_000_000, reasoning: true },
      { id: "deepseek-v4-pro", contextWindow: 1_000_000, reasoning: true },
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
      families: ["qwen", "qwq-", "qvq-"],
      models: [
        { id: "qwen3-max", contextWindow: 262_144 },
        { id: "qwen-plus", contextWindow: 131_072 },
      ],
    },
  ),
  chat("moonshot", "Moonshot (Kimi)", "https://api.moonshot.cn/v1", ["MOONSHOT_API_KEY", "KIMI_API_KEY"], {
    baseUrlEnv: "MOONSHOT_BASE_URL",
    defaultModel: "kimi-k2.6",
    families: ["kimi-", "moonshot-"],
    models: [
      { id: "kimi-k3", contextWindow: 1_048_576, reasoning: true },
      { id: "kimi-k2.6", contextWindow: 262_144, reasoning: true },
    ],
  }),
  chat("zai", "Z.ai (GLM)", "https://api.z.ai/api/paas/v4", ["ZAI_API_KEY", "ZHIPUAI_API_KEY"], {
    baseUrlEnv: "ZAI_BASE_URL",
    defaultModel: "glm-5.2",
    families: ["glm-"],
    models: [{ id: "glm-5.2", contextWindow: 1_000_000, reasoning: true }],
  }),
  chat("groq", "Groq", "https://api.groq.com/openai/v1", ["GROQ_API_KEY"], {
    baseUrlEnv: "GROQ_BASE_URL",
    defaultModel: "openai/gpt-oss-120b",
    models: [{ id: "openai/gpt-oss-120b", contextWindow: 131_072, reasoning: true }],
  }),
  chat("xai", "xAI", "https://api.x.ai/v1", ["XAI_API_KEY"], {
    baseUrlEnv: "XAI_BASE_URL",
    defaultModel: "grok-4.3",
    families: ["grok-"],
    models: [{ id: "grok-4.3", contextWindow: 1_000_000, reasoning: true, images: true }],
  }),
  chat("mistral", "Mistral", "https://api.mistral.ai/v1", ["MISTRAL_API_KEY"], {
    baseUrlEnv: "MISTRAL_BASE_URL",
    defaultModel: "mistral-medium-latest",
    families: ["mistral-", "ministral-", "magistral-", "codestral", "devstral"],
    quirks: { noStreamUsage: true },
    models: [{ id: "mistral-medium-latest", contextWindow: 262_144, images: true }],
  }),
  chat("together", "Together", "https://api.together.xyz/v1", ["TOGETHER_API_KEY"], {
    defaultModel: "openai/gpt-oss-120b",
  }),
  chat("fireworks", "Fireworks", "https://api.fireworks.ai/inference/v1", ["FIREWORKS_API_KEY"], {
    defaultModel: "accounts/fireworks/models/gpt-oss-120b",
  }),
  chat("cerebras", "Cerebras", "https://api.cerebras.ai/v1", ["CEREBRAS_API_KEY"], {
    defaultModel: "gpt-oss-120b",
    models: [{ id: "gpt-oss-120b", contextWindow: 131_072, reasoning: true }],
  }),
  chat("nvidia", "NVIDIA", "https://integrate.api.nvidia.com/v1", ["NVIDIA_API_KEY"], {
    defaultModel: "openai/gpt-oss-120b",
  }),
  chat("siliconflow", "SiliconFlow", "https://api.siliconflow.cn/v1", ["SILICONFLOW_API_KEY"], {
    defaultModel: "deepseek-ai/DeepSeek-V3",
  }),
  chat("minimax", "MiniMax", "https://api.minimax.io/v1", ["MINIMAX_API_KEY"], {
    baseUrlEnv: "MINIMAX_BASE_URL",
    defaultModel: "MiniMax-M2.7",
    families: ["MiniMax-"],
    models: [{ id: "MiniMax-M2.7", contextWindow: 204_800, reasoning: true }],
  }),
  local("ollama", "Ollama", "http://127.0.0.1:11434/v1", { baseUrlEnv: "OLLAMA_HOST" }),
  local("lmstudio", "LM Studio", "http://127.0.0.1:1234/v1"),
  local("llamacpp", "llama.cpp", "http://127.0.0.1:8080/v1"),
  local("vllm", "vLLM", "http://127.0.0.1:8000/v1"),
  local("sglang", "SGLang", "http://127.0.0.1:30000/v1"),
  local("jan", "Jan", "http://127.0.0.1:1337/v1"),
]

export function serviceOf(id: string): ServiceRow | undefined {
  return services.find((row) => row.id === id)
}

/** The service whose family of names a bare model name belongs to. */
export function serviceOfModel(model: string): ServiceRow | undefined {
  return services.find((row) => row.families?.some((start) => model.startsWith(start)))
}
