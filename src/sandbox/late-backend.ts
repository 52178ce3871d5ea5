// A back end that is loaded when it is first asked.
import type { BackendReport, Confined, ConfineRequest, SandboxBackend } from "./sandbox.ts"

export class LateBackend implements SandboxBackend {
  readonly name: BackendReport["backend"]
  readonly #load: () => Promise<SandboxBackend>
  #loaded: Promise<SandboxBackend> | undefined

  constructor(name: BackendReport["backend"], load: () => Promise<SandboxBackend>) {
    this.name = name
    this.#load = load
  }

  async check(): Promise<BackendReport> {
    return (await this.#backend()).check()
  }

  async confine(request: ConfineRequest): Promise<Confined> {
    return (await this.#backend()).confine(request)
  }

  /** One that is being loaded has started nothing yet; what it is asked later it starts anew. */
  close(): void {
    this.#loaded?.then(
      (backend) => backend.close(),
      () => undefined,
    )
  }

  #backend(): Promise<SandboxBackend> {
    this.#loaded ??= this.#load()
    return this.#loaded
  }
}
