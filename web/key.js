// @ts-check
/** The access key of the service: its storage, the form that asks for it, and the calls that wait for it. */

import { announce, byId } from "./dom.js";
import * as storage from "./storage.js";
import { t } from "./strings.js";

const form = byId("key", HTMLFormElement);
const input = byId("key-input", HTMLInputElement);
const fault = byId("key-fault");

/** @type {Map<string, () => void>} */
const waiting = new Map();

let key = storage.load("key", "");

/** Return the Azure function key, or an empty string. */
export function accessKey() {
  return key;
}

/** @param {string} given stored until the tab is closed */
function setKey(given) {
  key = given;
  storage.save("key", key);
}

/** Read the key from a shared link, …/#key=…, and remove it from the address bar. */
function readKeyFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (!given) return;
  setKey(given);
  history.replaceState(null, "", location.pathname + location.search);
}

/**
 * Show the form; call `proceed` once there is a key.
 * @param {string} who is asking: replaces an earlier `proceed` of the same name
 * @param {() => void} proceed
 * @param {boolean} [focus] whether to focus the form, because the user is waiting
 */
export function askForKey(who, proceed, focus = false) {
  waiting.set(who, proceed);
  const refused = key !== "";
  form.hidden = false;
  form.dataset.state = refused ? "refused" : "asked";
  fault.hidden = !refused;
  if (refused) input.setAttribute("aria-invalid", "true");
  if (!focus) return;
  input.focus();
  announce(t(refused ? "key.refused" : "key.title"));
}

/** @param {Event} event */
function submit(event) {
  event.preventDefault();
  const given = input.value.trim();
  if (!given) return input.focus();
  setKey(given);
  input.value = "";
  input.removeAttribute("aria-invalid");
  form.hidden = true;
  const proceed = [...waiting.values()];
  waiting.clear();
  proceed.forEach((go) => go());
}

export function start() {
  readKeyFromAddress();
  form.addEventListener("submit", submit);
}
