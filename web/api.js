// @ts-check
/** Calls of the API, and everything that can go wrong with one. */

import { accessKey } from "./key.js";

const PATIENCE = 60_000; // milliseconds: a cold start is seconds, a gateway gives up after minutes

/** By the status of an answer; what is not here has failed. */
const KINDS = /** @type {Record<number, string>} */ ({
  400: "invalid",
  401: "key",
  409: "conflict",
  410: "expired",
  413: "invalid",
  422: "foreign",
  429: "busy",
  502: "unavailable",
  503: "unavailable",
  504: "timeout",
});

/** An answer that is none. `kind` is one of KINDS, "signin", "failed", "unreachable", "timeout" or "cancelled". */
export class Problem extends Error {
  /**
   * @param {string} kind
   * @param {{ wait?: number, request?: string, detail?: string }} about seconds to wait, the request's id, what the
   *   service says of it
   */
  constructor(kind, { wait = 0, request = "", detail = "" } = {}) {
    super(detail || kind);
    this.kind = kind;
    this.until = Date.now() + wait * 1000; // when the service may be asked again, in milliseconds of the clock
    this.request = request;
    this.detail = detail;
  }
}

/**
 * @param {"GET" | "POST" | "DELETE"} method
 * @param {string} path such as api/predict
 * @param {unknown} [body] sent as JSON
 * @param {AbortSignal} [cancel]
 * @returns {Promise<any>} the decoded answer. Rejects with a Problem.
 */
export async function call(method, path, body, cancel) {
  const timeout = AbortSignal.timeout(PATIENCE);
  const signal = cancel ? AbortSignal.any([cancel, timeout]) : timeout;
  const headers = /** @type {Record<string, string>} */ ({});
  const key = accessKey();
  if (body !== undefined) headers["content-type"] = "application/json";
  if (key) headers["x-functions-key"] = key;
  try {
    const response = await fetch(address(path), {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      cache: "no-store",
      redirect: "manual", // the service sends nobody elsewhere, but a sign-in before it does
    });
    if (response.status === 401 && key !== accessKey()) return call(method, path, body, cancel); // another by now
    const answer = response.status === 204 ? "null" : await response.text();
    if (asksToSignIn(response) || (response.status === 401 && (await pageIsRefused(signal)))) throw new Problem("signin");
    if (!response.ok) throw problem(response, answer);
    return decoded(answer);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem(cancel?.aborted ? "cancelled" : timeout.aborted ? "timeout" : "unreachable");
  }
}

/** @param {Response} response */
function asksToSignIn({ type }) {
  return type === "opaqueredirect";
}

/**
 * A missing key and a missing sign-in may both be 401. The page is for anybody with or without a key; a sign-in guards it.
 *
 * @param {AbortSignal} signal
 */
async function pageIsRefused(signal) {
  const page = await fetch(document.baseURI, { method: "HEAD", signal, cache: "no-store", redirect: "manual" });
  await page.text(); // nothing; what is not read to its end counts as broken off
  return asksToSignIn(page) || page.status === 401;
}

/** @param {string} path */
function address(path) {
  const api = document.querySelector('meta[name="buzzguard-api"]')?.getAttribute("content");
  return new URL(path, api ? api.replace(/\/*$/, "/") : document.baseURI);
}

/** @param {string} answer */
function decoded(answer) {
  try {
    return JSON.parse(answer);
  } catch {
    throw new Problem("failed"); // something between here and the service answers in its place
  }
}

/**
 * @param {Response} response
 * @param {string} answer problem+json, if it is the service's
 */
function problem(response, answer) {
  let details = /** @type {Record<string, string>} */ ({});
  try {
    details = JSON.parse(answer) ?? {};
  } catch {} // the platform's own words are not for people
  return new Problem(KINDS[response.status] ?? "failed", {
    wait: seconds(response.headers.get("retry-after")),
    request: response.headers.get("x-request-id") ?? (details.instance ?? "").replace("urn:buzzguard:request:", ""),
    detail: details.detail,
  });
}

/** @param {string | null} header Retry-After: seconds, or a date */
function seconds(header) {
  if (!header) return 0;
  const wait = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return wait > 0 ? Math.min(Math.ceil(wait), 3600) : 0;
}
