// @ts-check
/** The tweets of the second tab: one a line, or a column of a file. */

import { columnOfTexts, decode, parse } from "./csv.js";
import { announce, button, byId, element, fault, submitWithControlEnter } from "./dom.js";
import { keep, recall } from "./storage.js";
import { t } from "./strings.js";

const MOST = 500; // tweets
const LARGEST = 5; // MB of a file

const lines = byId("lines", HTMLTextAreaElement);
const file = byId("file", HTMLInputElement);
const drop = byId("drop");

/** @type {{ name: string, rows: string[][], column: number, headed: boolean } | undefined} the file, if there is one */
let source;

/** @param {(texts: string[]) => void} analyse what to do with the list */
export function start(analyse) {
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const found = texts();
    const reason = whyNot(found);
    complain(reason);
    if (!reason) analyse(found);
  };
  lines.value = recall("lines", "");
  lines.addEventListener("input", edited);
  submitWithControlEnter(lines);
  byId("batch").addEventListener("submit", submit);
  file.addEventListener("change", () => {
    if (file.files?.[0]) read(file.files[0]);
    file.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault(); // a file dropped beside its place must not replace the page
    drop.dataset.over = String(drop.contains(/** @type {Node} */ (event.target)));
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) drop.dataset.over = "false"; // it has left the window
  });
  document.addEventListener("drop", dropped);
  document.addEventListener("language", draw);
}

export function focus() {
  (source ? file : lines).focus();
}

/** @param {DragEvent} event */
function dropped(event) {
  const words = event.dataTransfer?.getData("text/plain");
  if (words && event.target instanceof HTMLTextAreaElement) return; // it takes them itself
  event.preventDefault();
  drop.dataset.over = "false";
  const found = event.dataTransfer?.files[0];
  if (found && !byId("many").hidden) read(found);
}

/** @param {File} chosen */
async function read(chosen) {
  if (chosen.size > LARGEST * 1e6) return complain(t("many.tooLarge", { most: LARGEST }));
  const content = decode(await chosen.arrayBuffer());
  if (content === undefined) return complain(t("many.unreadable"));
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
function whyNot(found) {
  if (!found.length) return t(source ? "many.blankFile" : "many.blank");
  return found.length > MOST ? t("many.tooMany", { n: found.length, most: MOST }) : "";
}

/** @param {string} reason why this list cannot be analysed, or nothing */
function complain(reason) {
  fault(source ? file : lines, byId("lines-fault"), reason);
}

function edited() {
  keep("lines", lines.value);
  complain("");
  byId("tweets").textContent = t("many.count", { n: texts().length });
}

function draw() {
  byId("lines-hint").textContent = t("many.hint", { most: MOST });
  byId("typed").hidden = source !== undefined; // what was typed comes back when the file goes
  byId("source").hidden = source === undefined;
  byId("source").replaceChildren(...about());
  edited();
}

/** What is known of the file, to see whether it was read well. */
function about() {
  if (!source) return [];
  const remove = () => {
    source = undefined;
    draw();
    lines.focus();
  };
  const said = element("b", {}, t("many.file", { name: source.name, n: texts().length }));
  const first = element("p", { class: "hint excerpt", dir: "auto" }, texts()[0] ?? "");
  return [
    element("div", { class: "file" }, said, first),
    ...choice(source),
    button("remove", t("many.remove"), remove, "quiet"),
  ];
}

/** @param {NonNullable<typeof source>} source */
function choice({ rows, column, headed }) {
  const width = rows.reduce((most, row) => Math.max(most, row.length), 0); // too many to be arguments of Math.max
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
