// @ts-check
/** Verdicts on many tweets, as a table that can be sorted. */

import { element, icon } from "./dom.js";
import { percent, t } from "./strings.js";
import { MOST } from "./tweet.js";
import { DECISIONS, warning } from "./verdict.js";

/** @typedef {import("./verdict.js").Prediction} Prediction */
/** @typedef {{ number: number, text: string, prediction: Prediction | null }} Row null: too long to be asked about */
/** @typedef {{ column: string, descending: boolean }} Order */

/** @type {Record<string, (row: Row) => number | string>} by what to sort; the order of the columns */
const COLUMNS = {
  number: (row) => row.number,
  tweet: (row) => row.text,
  decision: (row) => (row.prediction ? DECISIONS.indexOf(row.prediction.decision) + 1 - row.prediction.probability : 9),
  probability: (row) => row.prediction?.probability ?? -1,
};

/**
 * @param {Row[]} rows
 * @param {Order} order
 */
export function sorted(rows, { column, descending }) {
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
      element(
        "button",
        { type: "button", name: column, click: () => sort({ column, descending }) },
        t(`many.${column}`),
      ),
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
  if (!prediction)
    return element(
      "tr",
      { role: "row", "data-decision": "none" },
      cell("number", String(number)),
      cell("tweet", element("p", {}, text), element("p", { class: "hint" }, t("many.tooLong", { most: MOST }))),
      cell("decision", "–"),
      cell("probability", "–"),
    );
  return element(
    "tr",
    { role: "row", "data-decision": prediction.decision },
    cell("number", String(number)),
    cell(
      "tweet",
      element("button", { type: "button", name: `row-${number}`, click: () => why(text) }, text),
      ...prediction.warnings.map((code) => element("p", { class: "hint" }, icon("warning"), warning(code))),
    ),
    cell("decision", icon(prediction.decision), t(`verdict.${prediction.decision}`)),
    cell("probability", percent(prediction.probability)),
  );
}
