// A good configuration that says something about every part, for tests that spoil it.
export const lines: readonly string[] = `// what a careful person wrote
{
  "gateway": {
    "host": "127.0.0.1",
    "port": 0, // any
    "auth": { "mode": "token", "rateLimit": { "maxAttempts": 5 } },
    "allowedOrigins": ["https://mine.example"],
    "drainMs": 100
  },
  "log": { "level": "info" },
  "agents": {
    "default": "main",
    "defaults": { "limits": { "maxModelCalls": 20 }, "thinking": "low" },
    "entries": {
      "helper": { "name": "助手", "systemPrompt": "Be kind.", "tools": ["read", "ls"] },
      "other": { "model": "own/small" }
    }
  },
  "providers": {
    "own": { "wire": "openai-chat", "baseUrl": "http://127.0.0.1:9/v1", "apiKey": "k-0123456789abcdef", "models": ["small"] }
  },
  "models": { "discover": false, "prices": { "own/small": { "input": 1, "output": 2 } } },
  "sessions": { "keepDays": 30 },
  "turns": { "maxQueued": 7, "onInterrupt": "mark" },
  "jobs": { "maxConcurrent": 2, "callback": { "maxTries": 2 } },
  "tools": { "exec": { "timeoutMs": 1000, "env": { "MINE": "1" } }, "fetch": { "maxBytes": 10000 } },
  "policy": { "deny": ["fetch"], "commands": [["ls"]] },
  "sandbox": { "profile": "workspace", "profiles": { "mine": { "extends": "workspace", "network": ["example.com"] } } },
  "store": { "durability": "normal" }
}`.split("\n")
