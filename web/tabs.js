// @ts-check
/** Tabs, as the ARIA Authoring Practices describe them: arrow keys, Home and End move and select at once. */

import { byId } from "./dom.js";
import { keep, recall } from "./storage.js";

const NAMES = ["one", "many"];
const tabs = NAMES.map((name) => byId(`tab-${name}`));

/** @param {string} name */
export function select(name) {
  NAMES.forEach((one, index) => {
    const selected = one === name;
    tabs[index].setAttribute("aria-selected", String(selected));
    tabs[index].tabIndex = selected ? 0 : -1;
    byId(one).hidden = !selected;
  });
  keep("tab", name);
}

/** @param {KeyboardEvent} event */
function move(event) {
  const at = tabs.indexOf(/** @type {HTMLElement} */ (event.target));
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const next = (to + tabs.length) % tabs.length;
  select(NAMES[next]);
  tabs[next].focus();
}

export function start() {
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => select(NAMES[index]));
    tab.addEventListener("keydown", move);
  });
  const last = recall("tab", NAMES[0]);
  select(NAMES.includes(last) ? last : NAMES[0]);
}
