import assert from "node:assert/strict"
import { join, resolve } from "node:path"
import { test } from "node:test"
import { resolvePaths } from "./paths.ts"

const HOME = "/users/ada"

test("resolvePaths() puts everything below ~/.pincer when nothing is said", () => {
  assert.deepEqual(resolvePaths({ HOME }), {
    home: "/users/ada/.pincer",
    config: "/users/ada/.pincer/pincer.json",
    configNamed: false,
    db: "/users/ada/.pincer/pincer.db",
    log: "/users/ada/.pincer/logs/gateway.log",
    token: "/users/ada/.pincer/gateway.token",
    gateway: "/users/ada/.pincer/gateway.json",
  })
})

test("resolvePaths() lets flags beat the environment, and a home beat a profile of the same source", () => {
  const env = { HOME, PINCER_HOME: "/env/home", PINCER_PROFILE: "work" }
  assert.equal(resolvePaths(env).home, "/env/home")
  assert.equal(resolvePaths({ HOME, PINCER_PROFILE: "work" }).home, "/users/ada/.pincer-work")
  assert.equal(resolvePaths(env, { profile: "play" }).home, "/users/ada/.pincer-play")
  assert.equal(resolvePaths(env, { profile: "play", home: "/flag" }).home, "/flag")
  assert.equal(resolvePaths({ HOME, PINCER_PROFILE: "default" }).home, "/users/ada/.pincer")
})

test("resolvePaths() takes an empty variable as not set, expands ~ and makes relative paths absolute", () => {
  assert.equal(resolvePaths({ HOME, PINCER_HOME: "  ", PINCER_PROFILE: "" }).home, "/users/ada/.pincer")
  assert.equal(resolvePaths({ HOME, PINCER_HOME: "~/elsewhere" }).home, "/users/ada/elsewhere")
  assert.equal(resolvePaths({ HOME, PINCER_HOME: "here" }).home, resolve("here"))
  const named = resolvePaths({ HOME, PINCER_CONFIG: "~/my.json" })
  assert.equal(named.config, join(HOME, "my.json"))
  assert.equal(named.configNamed, true)
  assert.equal(named.home, "/users/ada/.pincer")
  assert.equal(resolvePaths({ HOME, PINCER_CONFIG: "/a.json" }, { config: "/b.json" }).config, "/b.json")
})

test("resolvePaths() refuses a profile that would leave the home directory", () => {
  for (const profile of ["../x", "a/b", "a b", "-x", "x".repeat(80)])
    assert.throws(() => resolvePaths({ HOME, PINCER_PROFILE: profile }), {
      code: "INVALID_PARAMS",
      message: /Invalid profile/,
    })
})
