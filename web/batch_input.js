// @ts-check
/** The input of the second tab: one tweet per line, or a column of a file. */

import { columnOfTexts, decode, parse } from "./csv.js";
import { announce, button, byId, element, showError, submitWithControlEnter } from "./dom.js";
import * as storage from "./storage.js";
import { t } from "./strings.js";

const MAX_TWEETS = 500;
const MAX_FILE_MB = 5;

const lines = byId("lines", HTMLTextAreaElement);
const file = byId("file", HTMLInputElement);
const drop = byId("drop");

/** @type {{ name: string, rows: string[][], column: number, headed: boolean } | undefined} the chosen file, if any */
let source;

/** @param {(texts: string[]) => void} analyse is called with the list */
export function start(analyse) {
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const found = texts();
    const reason = reasonToRefuse(found);
    showReason(reason);
    if (!reason) analyse(found);
  };
  lines.value = storage.load("lines", "");
  lines.addEventListener("input", onInput);
  submitWithControlEnter(lines);
  byId("batch").addEventListener("submit", submit);
  file.addEventListener("change", () => {
    if (file.files?.[0]) readFile(file.files[0]);
    file.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // a file dropped beside the drop zone must not replace the page
    drop.dataset.over = String(drop.contains(/** @type {Node} */ (event.target)));
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) drop.dataset.over = "false"; // the pointer has left the window
  });
  document.addEventListener("drop", onDrop);
  document.addEventListener("language", draw);
}

export function focus() {
  (source ? file : lines).focus();
}

/** @param {DragEvent} event */
function onDrop(event) {
  const words = event.dataTransfer?.getData("text/plain");
  if (words && event.target instanceof HTMLTextAreaElement) return; // the text field handles dropped text itself
  event.preventDefault();
  drop.dataset.over = "false";
  const found = event.dataTransfer?.files[0];
  if (found && !byId("many").hidden) readFile(found);
}

/** @param {File} chosen */
async function readFile(chosen) {
  if (chosen.size > MAX_FILE_MB * 1e6) return showReason(t("many.tooLarge", { most: MAX_FILE_MB }));
  const content = decode(await chosen.arrayBuffer());
  if (content === undefined) return showReason(t("many.unreadable"));
  const rows = /\.txt$/i.test(chosen.name) ? rowsOf(content) : parse(content);
  source = { name: chosen.name, rows, ...columnOfTexts(rows) };
  draw();
  announce(t("many.file", { name: source.name, n: texts().length }));
}

/** @param {string} text */
function rowsOf(text) {
  return text.split(/\r\n|\r|\n/).map((line) => [line]);
}

function texts() {
  const { rows, column, headed } = source ?? { rows: rowsOf(lines.value), column: 0, headed: false };
  const found = rows.slice(headed ? 1 : 0).map((row) => row[column] ?? "");
  return found.filter((text) => text.trim());
}

/** @param {string[]} found */
function reasonToRefuse(found) {
  if (!found.length) return t(source ? "many.blankFile" : "many.blank");
  return found.length > MAX_TWEETS ? t("many.tooMany", { n: found.length, most: MAX_TWEETS }) : "";
}

/** @param {string} reason why this list cannot be analysed, or an empty string */
function showReason(reason) {
  showError(source ? file : lines, byId("lines-fault"), reason);
}

function onInput() {
  storage.save("lines", lines.value);
  showReason("");
  byId("tweets").textContent = t("many.count", { n: texts().length });
}

function draw() {
  byId("lines-hint").textContent = t("many.hint", { most: MAX_TWEETS });
  byId("typed").hidden = source !== undefined; // the typed text comes back when the file is removed
  byId("source").hidden = source === undefined;
  byId("source").replaceChildren(...fileSummary());
  onInput();
}

/** Show name, number of texts and first text, so that users can check that the file was read correctly. */
function fileSummary() {
  if (!source) return [];
  const remove = () => {
    source = undefined;
    draw();
    lines.focus();
  };
  const summary = element("b", {}, t("many.file", { name: source.name, n: texts().length }));
  const first = element("p", { class: "hint excerpt", dir: "auto" }, texts()[0] ?? "");
  return [
    element("div", { class: "file" }, summary, first),
    ...columnSelect(source),
    button("remove", t("many.remove"), remove, "quiet"),
  ];
}

/** @param {NonNullable<typeof source>} source */
function columnSelect({ rows, column, headed }) {
  const width = rows.reduce((max, row) => Math.max(max, row.length), 0); // too many rows to spread into Math.max
  if (width < 2) return [];
  const options = Array.from({ length: width }, (_, index) => {
    const title = (headed && rows[0][index]?.trim()) || t("many.columnN", { n: index + 1 });
    return element("option", { value: String(index), selected: index === column }, title);
  });
  const change = () => {
    if (source) source.column = select.selectedIndex;
    draw();
    byId("column").focus();
  };
  const select = element("select", { id: "column", change }, ...options);
  return [element("label", { for: "column" }, t("many.column")), select];
}
