// @ts-check
/** The tweet's text field, its length counter and the examples. The text survives a reload. */

import { announce, byId, showError, submitWithControlEnter } from "./dom.js";
import { useTlds } from "./links.js";
import * as storage from "./storage.js";
import { t } from "./strings.js";
import { codePoints, MAX_LENGTH, MAX_WEIGHTED_LENGTH, weightedLength } from "./tweet.js";

const EXAMPLES = [
  "New seats, new menus, same smile. See you on board!",
  "Starting in May we fly to Lisbon twice a day.",
  "We are sorry: all flights to Lisbon are cancelled today, and our phone lines are overloaded.",
];

const field = byId("text", HTMLTextAreaElement);
const counter = byId("count");

/** @param {{ analyse: () => void, changed: () => void }} called on submit and on change */
export function start({ analyse, changed }) {
  let example = 0;
  field.value = storage.load("draft", "");
  field.addEventListener("input", () => {
    onInput();
    changed();
  });
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    analyse();
  });
  submitWithControlEnter(field);
  byId("example").addEventListener("click", () => setText(EXAMPLES[example++ % EXAMPLES.length]));
  document.addEventListener("language", onInput);
}

export function text() {
  return field.value;
}

/** @param {string} text */
export function setText(text) {
  field.value = text;
  field.dispatchEvent(new Event("input")); // as if it were typed
  field.focus();
}

export function focus() {
  field.focus();
}

/** Return whether the text can be sent; show the reason if not. */
export function validate() {
  const over = codePoints(field.value) - MAX_LENGTH;
  const reason = !field.value.trim() ? t("one.blank") : over > 0 ? t("one.tooLong", { n: over, most: MAX_LENGTH }) : "";
  showError(field, byId("fault"), reason);
  return !reason;
}

function onInput() {
  storage.save("draft", field.value);
  showError(field, byId("fault"), "");
  byId("example").hidden = field.value !== "";
  count();
}

/** @type {Promise<void> | null} */
let tlds = null;

/** Load the top-level domains for the first text that may have a link, and count it again. The next input retries. */
function loadTlds() {
  tlds ??= fetch(new URL("tlds.json", import.meta.url))
    .then((response) => response.json())
    .then((names) => {
      useTlds(names);
      count();
    })
    .catch(() => {
      tlds = null;
    });
}

function count() {
  if (/\.\p{L}/u.test(field.value)) loadTlds();
  const used = weightedLength(field.value);
  const over = used - MAX_WEIGHTED_LENGTH;
  const max = MAX_WEIGHTED_LENGTH;
  const text = over > 0 ? t("one.over", { n: over, most: max }) : t("one.count", { n: used, most: max });
  if (over > 0 && counter.dataset.over === "false") announce(text);
  counter.dataset.over = String(over > 0);
  byId("counted").textContent = text;
  byId("used", SVGElement).setAttribute("stroke-dasharray", `${Math.min(100, (used / MAX_WEIGHTED_LENGTH) * 100)} 100`);
}
