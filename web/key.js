// @ts-check
/** The form that asks for an access key, and whoever waits for one. */

import { hasKey, unlock } from "./api.js";
import { announce, byId } from "./dom.js";
import { t } from "./strings.js";

const form = byId("key", HTMLFormElement);
const input = byId("key-input", HTMLInputElement);
const fault = byId("key-fault");

/** @type {Map<string, () => void>} */
const waiting = new Map();

/**
 * Shows the form; once there is a key, `proceed` is called.
 * @param {string} who whose earlier wish this replaces
 * @param {() => void} proceed
 * @param {boolean} [focus] whether somebody is waiting: then the form takes the focus
 */
export function askForKey(who, proceed, focus = false) {
  waiting.set(who, proceed);
  const refused = hasKey();
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
  const key = input.value.trim();
  if (!key) return input.focus();
  unlock(key);
  input.value = "";
  input.removeAttribute("aria-invalid");
  form.hidden = true;
  const proceed = [...waiting.values()];
  waiting.clear();
  proceed.forEach((go) => go());
}

export function start() {
  form.addEventListener("submit", submit);
}
