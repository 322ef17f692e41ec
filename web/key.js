// @ts-check
/** The access key of the service: where it is kept, the form that asks for it, and whoever waits for one. */

import { announce, byId } from "./dom.js";
import { keep, recall } from "./storage.js";
import { t } from "./strings.js";

const form = byId("key", HTMLFormElement);
const input = byId("key-input", HTMLInputElement);
const fault = byId("key-fault");

/** @type {Map<string, () => void>} */
const waiting = new Map();

let key = recall("key", "");

/** An Azure function key, or nothing. */
export function accessKey() {
  return key;
}

/** @param {string} given kept as long as the tab */
function unlock(given) {
  key = given;
  keep("key", key);
}

/** Takes the key from an address that a team shares, …/#key=…, and takes it out of the address. */
function unlockFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (!given) return;
  unlock(given);
  history.replaceState(null, "", location.pathname + location.search);
}

/**
 * Shows the form; once there is a key, `proceed` is called.
 * @param {string} who whose earlier wish this replaces
 * @param {() => void} proceed
 * @param {boolean} [focus] whether somebody is waiting: then the form takes the focus
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
  unlock(given);
  input.value = "";
  input.removeAttribute("aria-invalid");
  form.hidden = true;
  const proceed = [...waiting.values()];
  waiting.clear();
  proceed.forEach((go) => go());
}

export function start() {
  unlockFromAddress();
  form.addEventListener("submit", submit);
}
