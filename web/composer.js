// @ts-check
/** Where a tweet is written: the field, how much of a tweet it is, an example. What is in it outlives a reload. */

import { announce, byId, fault, submitWithControlEnter } from "./dom.js";
import { keep, recall } from "./storage.js";
import { t } from "./strings.js";
import { codePoints, LIMIT, MOST, weight } from "./tweet.js";

const EXAMPLES = [
  "New seats, new menus, same smile. See you on board!",
  "Starting in May we fly to Lisbon twice a day.",
  "We are sorry: all flights to Lisbon are cancelled today, and our phone lines are overloaded.",
];

const box = byId("text", HTMLTextAreaElement);
const counter = byId("count");

/** @param {{ analyse: () => void, changed: () => void }} told that it is to be analysed; that it has become another */
export function start({ analyse, changed }) {
  let example = 0;
  box.value = recall("draft", "");
  box.addEventListener("input", () => {
    edited();
    changed();
  });
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    analyse();
  });
  submitWithControlEnter(box);
  byId("example").addEventListener("click", () => write(EXAMPLES[example++ % EXAMPLES.length]));
  document.addEventListener("language", edited);
}

export function text() {
  return box.value;
}

/** @param {string} text */
export function write(text) {
  box.value = text;
  box.dispatchEvent(new Event("input")); // as when it is typed
  box.focus();
}

export function focus() {
  box.focus();
}

/** Says why the text cannot be sent, if so. */
export function ready() {
  const over = codePoints(box.value) - MOST;
  const reason = !box.value.trim() ? t("one.blank") : over > 0 ? t("one.tooLong", { n: over, most: MOST }) : "";
  fault(box, byId("fault"), reason);
  return !reason;
}

function edited() {
  keep("draft", box.value);
  fault(box, byId("fault"), "");
  byId("example").hidden = box.value !== "";
  count();
}

function count() {
  const used = weight(box.value);
  const over = used - LIMIT;
  const said = over > 0 ? t("one.over", { n: over, most: LIMIT }) : t("one.count", { n: used, most: LIMIT });
  if (over > 0 && counter.dataset.over === "false") announce(said);
  counter.dataset.over = String(over > 0);
  byId("counted").textContent = said;
  byId("used", SVGElement).setAttribute("stroke-dasharray", `${Math.min(100, (used / LIMIT) * 100)} 100`);
}
