// @ts-check
/** The tweets of this browser tab: analysed ones and drafts. */

import { announce, byId, element, icon } from "./dom.js";
import * as storage from "./storage.js";
import { percent, t } from "./strings.js";

/**
 * @typedef {{ id: string, text: string, prediction: import("./model.js").Prediction,
 *   model: import("./model.js").Model, answer: import("./feedback.js").Answer }} Entry
 */
/** @typedef {{ id: string, text: string }} Draft */

const MAX_ENTRIES = 100; // the oldest are dropped

/** @type {(Entry | Draft)[]} newest first */
let entries = storage.load("history", []);
for (const entry of entries) {
  if (!isVerdict(entry)) continue;
  if (entry.answer.state === "sending") entry.answer.state = "asked"; // the page that waited for this call was reloaded
  if (entry.answer.state === "erasing") entry.answer.state = "thanked";
}

/**
 * @param {Entry | Pick<Draft, "text"> | undefined} entry
 * @returns {entry is Entry}
 */
export function isVerdict(entry) {
  return entry !== undefined && "prediction" in entry;
}

/** @param {string} id */
export function find(id) {
  return entries.find((entry) => entry.id === id);
}

/** @param {string} text */
export function includes(text) {
  return entries.some((entry) => entry.text === text);
}

/**
 * Return the verdict on a text that has no feedback yet.
 * @param {string} text
 */
export function unansweredFor(text) {
  return entries.filter(isVerdict).find((entry) => entry.text === text && entry.answer.state === "asked");
}

/**
 * Add an entry at the top. It replaces entries with the same text, except those with feedback: only their receipt can
 * erase it.
 * @template {Omit<Draft, "id">} T
 * @param {T} entry
 */
export function add(entry) {
  const added = { ...entry, id: String(Math.random()) };
  const stays = (/** @type {Entry | Draft} */ other) =>
    other.text !== added.text || (isVerdict(other) && other.answer.state === "thanked");
  entries = [added, ...entries.filter(stays)].slice(0, MAX_ENTRIES);
  save();
  return added;
}

export function save() {
  while (!storage.save("history", entries) && entries.length) entries.pop();
}

/**
 * @param {string | undefined} current id of the entry that is shown
 * @param {(entry: Entry | Draft) => void} open
 */
export function draw(current, open) {
  byId("history").hidden = !entries.length;
  byId("entries").replaceChildren(
    ...entries.map((entry) => element("li", {}, row(entry, entry.id === current, open))),
  );
}

/**
 * @param {Entry | Draft} entry
 * @param {boolean} current
 * @param {(entry: Entry | Draft) => void} open
 */
function row(entry, current, open) {
  const decision = isVerdict(entry) ? entry.prediction.decision : "draft";
  const attributes = { type: "button", "data-decision": decision, "aria-current": current && "true" };
  return element(
    "button",
    { ...attributes, click: () => open(entry) },
    icon(decision),
    element("b", {}, isVerdict(entry) ? t(`verdict.${entry.prediction.decision}`) : t("history.draft")),
    element("span", { class: "excerpt", dir: "auto" }, entry.text),
    element("span", { class: "score" }, isVerdict(entry) ? percent(entry.prediction.probability) : ""),
  );
}

/** @param {() => void} forgotten */
export function start(forgotten) {
  byId("forget").addEventListener("click", () => {
    entries = [];
    save();
    forgotten();
    announce(t("history.cleared"));
  });
}
