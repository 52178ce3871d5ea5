import assert from "node:assert/strict"
import { test } from "node:test"
import { PincerError } from "../base/errors.ts"
import { asRefusal, describeStatus, errorText, failureOf, kindOf, retryAfter, streamFailure } from "./failure.ts"

const said = (message: string, code = "") => ({ message, code })

test("errorText() finds the words in the error bodies that there are", () => {
  assert.deepEqual(errorText('{"error":{"message":"No","type":"t","code":"c"}}'), said("No", "c t"))
  assert.deepEqual(errorText('{"error":"model not loaded"}'), said("model not loaded"))
  assert.deepEqual(errorText('{"object":"error","message":"No","type":"BadRequestError","code":400}'), {
    ...said("No", "BadRequestError"),
    status: 400,
  })
  assert.deepEqual(errorText('{"detail":"Not Found"}'), said("Not Found"))
  assert.deepEqual(errorText('[{"error":{"code":429,"message":"Slow","status":"RESOURCE_EXHAUSTED"}}]'), {
    ...said("Slow", "RESOURCE_EXHAUSTED"),
    status: 429,
  })
  assert.deepEqual(errorText("<!doctype html><p>x"), said("an HTML page"))
  assert.deepEqual(errorText("upstream  connect\nerror"), said("upstream connect error"))
  assert.deepEqual(errorText(""), said(""))
  assert.equal(errorText(`{"error":{"message":"${"x".repeat(9_000)}"}}`).message.length, 300)
})

test("kindOf() reads the words where the status alone says too little", () => {
  const google = "You exceeded your current quota, please check your plan and billing details."
  assert.equal(kindOf(429, said(google, "RESOURCE_EXHAUSTED")), "rate_limit")
  assert.equal(kindOf(429, said(google, "insufficient_quota")), "billing")
  assert.equal(kindOf(400, said("Your credit balance is too low")), "billing")
  assert.equal(kindOf(500, said("the request exceeds the available context size")), "context_length")
  assert.equal(kindOf(400, said("x", "context_length_exceeded")), "context_length")
  assert.equal(kindOf(400, said("x", "model_not_found")), "not_found")
  assert.equal(kindOf(400, said("The response was filtered", "content_filter")), "refusal")
  assert.equal(kindOf(408, said("")), "server")
  assert.equal(kindOf(422, said("Extra inputs are not permitted")), "invalid_request")
})

test("streamFailure() goes by the status in the code, then by the word of the code", () => {
  const kind = (error: object) => streamFailure(JSON.stringify({ error })).failure.kind
  assert.equal(kind({ code: 429, message: "Slow" }), "rate_limit")
  assert.equal(kind({ code: "502", message: "Bad gateway" }), "server")
  assert.equal(kind({ code: "rate_limit_exceeded", message: "Slow" }), "rate_limit")
  assert.equal(kind({ type: "invalid_request_error", message: "No" }), "invalid_request")
  assert.equal(kind({ code: "invalid_api_key", message: "No" }), "auth")
  assert.equal(kind({ message: "What?" }), "server")
  assert.match(streamFailure('{"error":{}}').message, /no details/)
})

test("retryAfter() also reads the delay in a Google error, and limits only when one was hit", () => {
  assert.equal(retryAfter({}, '{"details":[{"retryDelay": "17.5s"}]}'), 17_500)
  const limits = { "x-ratelimit-reset-requests": "20ms", "x-ratelimit-reset-tokens": "1h2m" }
  assert.equal(retryAfter(limits), undefined)
  assert.equal(retryAfter(limits, "", true), 3_600_000)
  assert.equal(retryAfter({ ...limits, "x-ratelimit-remaining-tokens": "9" }, "", true), 20)
  assert.equal(retryAfter({ "retry-after": "-5" }), undefined)
  assert.equal(retryAfter({ "retry-after": "" }), undefined)
})

test("a wait is handed on only with failures that waiting may cure", () => {
  assert.equal(describeStatus(400, "", { "retry-after": "5" }).failure.retryAfterMs, undefined)
  assert.equal(describeStatus(503, "", { "retry-after": "5" }).failure.retryAfterMs, 5_000)
})

test("asRefusal() makes a refusal of a failure and leaves anything else as it is", () => {
  const refusal = asRefusal(failureOf("rate_limit", "slow down", { retryAfterMs: 5 }), "acme")
  assert.ok(refusal instanceof PincerError)
  assert.equal(refusal.code, "RATE_LIMITED")
  assert.equal(refusal.retryAfterMs, 5)
  assert.equal(refusal.message, "acme: slow down")
  const other = new TypeError("ours")
  assert.equal(asRefusal(other, "acme"), other)
})
