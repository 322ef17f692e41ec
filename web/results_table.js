// @ts-check
/** The sortable table of predictions. */

import { button, element, icon } from "./dom.js";
import { percent, t } from "./strings.js";
import { MAX_LENGTH } from "./tweet.js";
import { DECISIONS, warningText } from "./verdict.js";

/** @typedef {import("./model.js").Prediction} Prediction */
/** @typedef {{ number: number, text: string, prediction: Prediction | null }} Row null: too long for the API */
/** @typedef {{ column: string, descending: boolean }} Order */

/** @type {Record<string, (row: Row) => number | string>} sort key of each column, in the order of the columns */
const COLUMNS = {
  number: (row) => row.number,
  tweet: (row) => row.text,
  decision: rank,
  probability: (row) => row.prediction?.probability ?? -1,
};

/**
 * Rank from publish to hold; texts without a prediction come last.
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
export function resultsTable(rows, order, sort, why) {
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
    { role: "table" }, // explicit roles: the narrow layout is no CSS table
    element("caption", { class: "visually-hidden" }, t("many.results")),
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...heads)),
    element("tbody", { role: "rowgroup" }, ...sorted(rows, order).map((row) => tableRow(row, why))),
  );
  return element("div", {}, hint, made);
}

/**
 * @param {Row} row
 * @param {(text: string) => void} why
 */
function tableRow({ number, text, prediction }, why) {
  const cell = (/** @type {string} */ kind, /** @type {(Node | string)[]} */ ...children) =>
    element("td", { role: "cell", class: kind }, ...children);
  const tweet = button(`row-${number}`, element("span", { class: "clamped", dir: "auto" }, text), () => why(text));
  const notes = prediction
    ? prediction.warnings.map((code) => [icon("warning"), warningText(code)])
    : [[t("many.tooLong", { most: MAX_LENGTH })]];
  return element(
    "tr",
    { role: "row", "data-decision": prediction?.decision ?? "none" },
    cell("number", String(number)),
    cell("tweet", tweet, ...notes.map((note) => element("p", { class: "hint" }, ...note))),
    cell("decision", ...(prediction ? [icon(prediction.decision), t(`verdict.${prediction.decision}`)] : ["–"])),
    cell("probability", prediction ? percent(prediction.probability) : "–"),
  );
}
