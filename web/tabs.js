// @ts-check
/** Tabs as in the ARIA Authoring Practices: arrow keys, Home and End move and select. */

import { byId } from "./dom.js";
import * as storage from "./storage.js";

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
  storage.save("tab", name);
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
  const last = storage.load("tab", NAMES[0]);
  select(NAMES.includes(last) ? last : NAMES[0]);
}
