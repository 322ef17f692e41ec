// @ts-check
/** The second tab: analyse a list of tweets, a batch per call. Finished results stay, even if the rest fails. */

import { analyseAlone } from "./analyse.js";
import { Problem } from "./api.js";
import { format } from "./csv.js";
import { announce, button, byId, element, icon, redraw } from "./dom.js";
import { askForKey } from "./key.js";
import * as input from "./batch_input.js";
import * as model from "./model.js";
import { problemBox } from "./problem.js";
import * as storage from "./storage.js";
import { language, t } from "./strings.js";
import { resultsTable } from "./results_table.js";
import { codePoints, MAX_LENGTH, sanitize } from "./tweet.js";
import { DECISIONS } from "./verdict.js";

/** @typedef {import("./model.js").Prediction} Prediction */

const MAX_BATCH_TEXTS = 64; // per call: the API's limit
const MAX_BATCH_BYTES = 120_000; // per call: just below the API's limit

const results = byId("results");

/** @typedef {{ texts: string[], predictions: (Prediction | null)[] }} Job predictions: so far, in order */
let job = /** @type {Job | null} */ (storage.load("job", null));
/** @type {"empty" | "paused" | "running" | "problem" | "done"} */
let state = !job ? "empty" : job.predictions.length < job.texts.length ? "paused" : "done";
/** @type {Problem | undefined} */
let problem;
/** @type {AbortController} */
let cancel;
let order = { column: "number", descending: false };

export function start() {
  input.start((texts) => {
    if (state === "running") return;
    job = { texts, predictions: [] };
    order = { column: "number", descending: false };
    run();
  });
  document.addEventListener("language", draw);
}

/** Run the job from where it stands. */
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
    announce(doneText(job.predictions));
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
    job.predictions.push(...(await predict(nextBatch(job))));
    storage.save("job", job);
    draw();
  }
}

/**
 * Return the next texts of a job, as many as fit into one call.
 * @param {Job} job
 */
function nextBatch({ texts, predictions }) {
  const batch = [];
  let bytes = 0;
  for (const text of texts.slice(predictions.length, predictions.length + MAX_BATCH_TEXTS)) {
    if (fits(text)) bytes += new TextEncoder().encode(JSON.stringify(sanitize(text))).length + 1;
    if (bytes > MAX_BATCH_BYTES) break;
    batch.push(text);
  }
  return batch;
}

/** @param {string} text */
function fits(text) {
  return codePoints(text) <= MAX_LENGTH;
}

/**
 * @param {string[]} batch
 * @returns {Promise<(Prediction | null)[]>} null for a text that is too long
 */
async function predict(batch) {
  const asked = batch.filter(fits).map(sanitize);
  if (!asked.length) return batch.map(() => null);
  const { predictions } = await model.predict(asked, false, cancel.signal);
  return batch.map((text) => (fits(text) && predictions.shift()) || null);
}

function restart() {
  job = null;
  state = "empty";
  storage.save("job", job);
  draw();
  input.focus();
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
    state === "done" ? element("p", {}, doneText(predictions)) : progress(predictions.length, texts.length),
    actions(predictions.length),
    ...(problem ? [problemBox(problem, remedy)] : []),
    ...(rows.length ? [summary(predictions), resultsTable(rows, order, sort, analyseAlone)] : []),
  ]);
}

/** @param {(Prediction | null)[]} predictions of the whole job */
function doneText(predictions) {
  const skipped = predictions.filter((prediction) => !prediction).length;
  const parts = [t("many.done", { n: predictions.length - skipped })];
  if (skipped) parts.push(t("many.skipped", { n: skipped }));
  return parts.join(", ");
}

/**
 * @param {number} done
 * @param {number} n the total
 */
function progress(done, n) {
  const text = t(state === "running" ? "many.running" : "many.paused", { done, n });
  const bar = element("progress", { max: String(n), value: String(done), "aria-label": t("many.progress") });
  return element("div", { class: "progress" }, bar, element("p", {}, text));
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

/** Download a CSV file. In French it has semicolons and decimal commas, as French Excel expects. */
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
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // some browsers read the blob late
}
