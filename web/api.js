// @ts-check
/** Call the API; every failure becomes a Problem. */

import { accessKey } from "./key.js";

const TIMEOUT_MS = 60_000; // a cold start takes seconds; gateways give up after minutes

/** Response status to kind of problem; any other status is "failed". */
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

/** Type of a problem that the service itself describes to kind, where the status says less. */
const KINDS_BY_TYPE = /** @type {Record<string, string>} */ ({
  "urn:buzzguard:problem:overloaded": "busy",
  "urn:buzzguard:problem:deadline-passed": "timeout",
});

/** A call that failed. `kind` is one of KINDS, "signin", "failed", "unreachable", "timeout" or "cancelled". */
export class Problem extends Error {
  /**
   * @param {string} kind
   * @param {{ wait?: number, request?: string, detail?: string }} options seconds to wait, the request's
   *   id, the detail of the service's problem
   */
  constructor(kind, { wait = 0, request = "", detail = "" } = {}) {
    super(detail || kind);
    this.kind = kind;
    this.until = Date.now() + wait * 1000; // when to retry at the earliest, as Date.now() counts
    this.request = request;
    this.detail = detail;
  }
}

/**
 * Call the API.
 * @param {"GET" | "POST" | "DELETE"} method
 * @param {string} path such as api/predict
 * @param {unknown} [body] sent as JSON
 * @param {AbortSignal} [cancel]
 * @returns {Promise<any>} the decoded response. Rejects with a Problem.
 */
export async function call(method, path, body, cancel) {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = cancel ? AbortSignal.any([cancel, timeout]) : timeout;
  const headers = /** @type {Record<string, string>} */ ({});
  const key = accessKey();
  if (body !== undefined) headers["content-type"] = "application/json";
  if (key) headers["x-functions-key"] = key;
  try {
    const response = await fetch(resolveUrl(path), {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      cache: "no-store",
      redirect: "manual", // only a sign-in in front of the service redirects
    });
    if (response.status === 401 && key !== accessKey()) return call(method, path, body, cancel); // the key has changed
    const answer = response.status === 204 ? "null" : await response.text();
    if (isSignInRedirect(response)) throw new Problem("signin");
    if (response.status === 401 && (await pageIsRefused(signal))) throw new Problem("signin");
    if (!response.ok) throw toProblem(response, answer);
    return parseJson(answer);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem(cancel?.aborted ? "cancelled" : timeout.aborted ? "timeout" : "unreachable");
  }
}

/** @param {Response} response */
function isSignInRedirect({ type }) {
  return type === "opaqueredirect";
}

/**
 * Whether the page itself is refused. A missing key and a missing sign-in may both be a 401, but only a sign-in guards
 * the page.
 * @param {AbortSignal} signal
 */
async function pageIsRefused(signal) {
  const page = await fetch(document.baseURI, { method: "HEAD", signal, cache: "no-store", redirect: "manual" });
  await page.text(); // empty, but an unread body counts as an aborted request
  return isSignInRedirect(page) || page.status === 401;
}

/** @param {string} path */
function resolveUrl(path) {
  const api = document.querySelector('meta[name="buzzguard-api"]')?.getAttribute("content");
  return new URL(path, api ? api.replace(/\/*$/, "/") : document.baseURI);
}

/** @param {string} answer */
function parseJson(answer) {
  try {
    return JSON.parse(answer);
  } catch {
    throw new Problem("failed"); // a proxy answered instead of the service
  }
}

/**
 * @param {Response} response
 * @param {string} answer problem+json, if the service sent it
 */
function toProblem(response, answer) {
  let details = /** @type {Record<string, string>} */ ({});
  try {
    details = JSON.parse(answer) ?? {};
  } catch {} // an error of the platform, not of the service
  return new Problem(KINDS_BY_TYPE[details.type] ?? KINDS[response.status] ?? "failed", {
    wait: retryAfterSeconds(response.headers.get("retry-after")),
    request: response.headers.get("x-request-id") ?? (details.instance ?? "").replace("urn:buzzguard:request:", ""),
    detail: details.detail,
  });
}

/** @param {string | null} header Retry-After: seconds, or a date */
function retryAfterSeconds(header) {
  if (!header) return 0;
  const wait = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return wait > 0 ? Math.min(Math.ceil(wait), 3600) : 0;
}
