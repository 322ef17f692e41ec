// @ts-check
/** The second tab: analyses a list of tweets, a batch at a time. What is done stays, whatever happens to the rest. */

import { analyseAlone } from "./analyse.js";
import { Problem } from "./api.js";
import { format } from "./csv.js";
import { announce, button, byId, element, icon, redraw } from "./dom.js";
import { askForKey } from "./key.js";
import * as list from "./batch_input.js";
import * as model from "./model.js";
import { shown } from "./problem.js";
import { keep, recall } from "./storage.js";
import { language, t } from "./strings.js";
import { table } from "./results_table.js";
import { codePoints, MOST, sendable } from "./tweet.js";
import { DECISIONS } from "./verdict.js";

/** @typedef {import("./model.js").Prediction} Prediction */

const BATCH = 64; // texts a call, the API's own limit
const BYTES = 120_000; // a call, a little below the API's limit

const results = byId("results");

/** @typedef {{ texts: string[], predictions: (Prediction | null)[] }} Job predictions: of the first texts, so far */
let job = /** @type {Job | null} */ (recall("job", null));
/** @type {"empty" | "paused" | "running" | "problem" | "done"} */
let state = !job ? "empty" : job.predictions.length < job.texts.length ? "paused" : "done";
/** @type {Problem | undefined} */
let problem;
/** @type {AbortController} */
let cancel;
let order = { column: "number", descending: false };

export function start() {
  list.start((texts) => {
    if (state === "running") return;
    job = { texts, predictions: [] };
    order = { column: "number", descending: false };
    run();
  });
  document.addEventListener("language", draw);
}

/** Goes on where the job stands. */
async function run() {
  if (!job || state === "running") return;
  cancel = new AbortController();
  state = "running";
  problem = undefined;
  draw();
  results.focus();
  try {
    await finish(job);
    state = "done";
    announce(done(job.predictions));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    state = error.kind === "cancelled" ? "paused" : "problem";
    problem = error.kind === "cancelled" ? undefined : error;
  }
  draw();
  if (problem?.kind === "key") askForKey("many", run, true);
}

/** @param {Job} job */
async function finish(job) {
  while (job.predictions.length < job.texts.length) {
    job.predictions.push(...(await predict(batchAfter(job))));
    keep("job", job);
    draw();
  }
}

/**
 * The next texts of a job, as many as fit into a call.
 * @param {Job} job
 */
function batchAfter({ texts, predictions }) {
  const batch = [];
  let bytes = 0;
  for (const text of texts.slice(predictions.length, predictions.length + BATCH)) {
    if (fits(text)) bytes += new TextEncoder().encode(JSON.stringify(sendable(text))).length + 1;
    if (bytes > BYTES) break;
    batch.push(text);
  }
  return batch;
}

/** @param {string} text */
function fits(text) {
  return codePoints(text) <= MOST;
}

/**
 * @param {string[]} batch
 * @returns {Promise<(Prediction | null)[]>} null for a text that is too long
 */
async function predict(batch) {
  const asked = batch.filter(fits).map(sendable);
  if (!asked.length) return batch.map(() => null);
  const { predictions } = await model.predict(asked, false, cancel.signal);
  return batch.map((text) => (fits(text) && predictions.shift()) || null);
}

function restart() {
  job = null;
  state = "empty";
  keep("job", job);
  draw();
  list.focus();
}

function draw() {
  byId("many").dataset.state = state;
  results.hidden = !job;
  if (!job) return results.replaceChildren();
  const { texts, predictions } = job;
  const remedy = problem?.kind === "key" ? undefined : { label: t("many.resume"), act: run };
  const sort = (/** @type {typeof order} */ wanted) => {
    order = wanted;
    draw();
  };
  const rows = predictions.map((prediction, index) => ({ number: index + 1, text: texts[index], prediction }));
  redraw(results, [
    element("h2", {}, t("many.results")),
    state === "done" ? element("p", {}, done(predictions)) : progress(predictions.length, texts.length),
    actions(predictions.length),
    ...(problem ? [shown(problem, remedy)] : []),
    ...(rows.length ? [summary(predictions), table(rows, order, sort, analyseAlone)] : []),
  ]);
}

/** @param {(Prediction | null)[]} predictions all of them */
function done(predictions) {
  const skipped = predictions.filter((prediction) => !prediction).length;
  const said = [t("many.done", { n: predictions.length - skipped })];
  if (skipped) said.push(t("many.skipped", { n: skipped }));
  return said.join(", ");
}

/**
 * @param {number} done
 * @param {number} n of how many
 */
function progress(done, n) {
  const said = t(state === "running" ? "many.running" : "many.paused", { done, n });
  const bar = element("progress", { max: String(n), value: String(done), "aria-label": t("many.progress") });
  return element("div", { class: "progress" }, bar, element("p", {}, said));
}

/** @param {number} done */
function actions(done) {
  const row = element("div", { class: "row" });
  if (state === "running") {
    row.append(button("cancel", t("many.cancel"), () => cancel.abort()));
    return row;
  }
  if (state === "paused") row.append(button("resume", t("many.resume"), run, "primary"));
  if (done) row.append(button("download", t("many.download"), download, state === "done" ? "primary" : ""));
  row.append(button("restart", t("many.restart"), restart, "quiet"));
  return row;
}

/** @param {(Prediction | null)[]} predictions */
function summary(predictions) {
  const entries = DECISIONS.map((decision) => {
    const n = predictions.filter((prediction) => prediction?.decision === decision).length;
    const words = [element("b", {}, String(n)), t(`verdict.${decision}`)];
    return element("li", { "data-decision": decision }, icon(decision), ...words);
  });
  return element("ul", { class: "summary" }, ...entries);
}

/** A file for a spreadsheet: in French with semicolons and decimal commas, as French Excel expects them. */
function download() {
  if (!job) return;
  const french = language() === "fr";
  const decimal = (/** @type {number} */ number) => (french ? String(number).replace(".", ",") : String(number));
  const { texts, predictions } = job;
  const rows = predictions.map((prediction, index) =>
    prediction
      ? [
          texts[index],
          prediction.decision,
          prediction.label,
          decimal(prediction.probability),
          prediction.warnings.join(" "),
        ]
      : [texts[index], "", "", "", "too_long"],
  );
  const content = format([["text", "decision", "label", "probability", "warnings"], ...rows], french ? ";" : ",");
  const address = URL.createObjectURL(new Blob([content], { type: "text/csv;charset=utf-8" }));
  element("a", { href: address, download: t("many.file.name") }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // some browsers read it only now
}
