// Loaded before a program that shall take this machine for a Mac: it changes only what Node says of itself.
Object.defineProperty(process, "platform", { value: "darwin" })
