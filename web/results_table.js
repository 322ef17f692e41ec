// @ts-check
/** Verdicts on many tweets, as a table that can be sorted. */

import { button, element, icon } from "./dom.js";
import { percent, t } from "./strings.js";
import { MOST } from "./tweet.js";
import { DECISIONS, warning } from "./verdict.js";

/** @typedef {import("./model.js").Prediction} Prediction */
/** @typedef {{ number: number, text: string, prediction: Prediction | null }} Row null: too long to be asked about */
/** @typedef {{ column: string, descending: boolean }} Order */

/** @type {Record<string, (row: Row) => number | string>} by what to sort; the order of the columns */
const COLUMNS = {
  number: (row) => row.number,
  tweet: (row) => row.text,
  decision: rank,
  probability: (row) => row.prediction?.probability ?? -1,
};

/**
 * From what is best published to what is best held back; what was not asked about comes last.
 * @param {Row} row
 */
function rank({ prediction }) {
  return prediction ? DECISIONS.indexOf(prediction.decision) - prediction.probability : DECISIONS.length;
}

/**
 * @param {Row[]} rows
 * @param {Order} order
 */
function sorted(rows, { column, descending }) {
  const key = COLUMNS[column];
  const compare = (/** @type {number | string} */ one, /** @type {number | string} */ other) =>
    typeof one === "string" ? one.localeCompare(String(other)) : one - Number(other);
  return rows.toSorted((one, other) => compare(key(one), key(other)) * (descending ? -1 : 1));
}

/**
 * @param {Row[]} rows
 * @param {Order} order
 * @param {(order: Order) => void} sort
 * @param {(text: string) => void} why
 */
export function table(rows, order, sort, why) {
  const heads = Object.keys(COLUMNS).map((column) => {
    const current = order.column === column;
    const descending = current && !order.descending;
    const direction = order.descending ? "descending" : "ascending";
    return element(
      "th",
      { role: "columnheader", scope: "col", class: column, "aria-sort": current ? direction : undefined },
      button(column, t(`many.${column}`), () => sort({ column, descending })),
    );
  });
  const hint = element("p", { class: "hint" }, t("many.why"));
  const made = element(
    "table",
    { role: "table" }, // said, here and below, since a narrow page lays it out as no table
    element("caption", { class: "visually-hidden" }, t("many.results")),
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...heads)),
    element("tbody", { role: "rowgroup" }, ...sorted(rows, order).map((row) => line(row, why))),
  );
  return element("div", {}, hint, made);
}

/**
 * @param {Row} row
 * @param {(text: string) => void} why
 */
function line({ number, text, prediction }, why) {
  const cell = (/** @type {string} */ kind, /** @type {(Node | string)[]} */ ...children) =>
    element("td", { role: "cell", class: kind }, ...children);
  const tweet = button(`row-${number}`, element("span", { class: "clamped", dir: "auto" }, text), () => why(text));
  const notes = prediction
    ? prediction.warnings.map((code) => [icon("warning"), warning(code)])
    : [[t("many.tooLong", { most: MOST })]];
  return element(
    "tr",
    { role: "row", "data-decision": prediction?.decision ?? "none" },
    cell("number", String(number)),
    cell("tweet", tweet, ...notes.map((note) => element("p", { class: "hint" }, ...note))),
    cell("decision", ...(prediction ? [icon(prediction.decision), t(`verdict.${prediction.decision}`)] : ["–"])),
    cell("probability", prediction ? percent(prediction.probability) : "–"),
  );
}
