// @ts-check
/** The first tab: write a tweet, read the verdict, say whether it was right, start the next one. */

import { Problem } from "./api.js";
import * as composer from "./composer.js";
import { announce, byId, element, redraw } from "./dom.js";
import { Questions, unanswered } from "./feedback.js";
import * as history from "./history.js";
import { askForKey } from "./key.js";
import { loadThresholds, predict, thresholdsOf } from "./model.js";
import { problemBox } from "./problem.js";
import * as storage from "./storage.js";
import { t } from "./strings.js";
import { select } from "./tabs.js";
import { sanitize } from "./tweet.js";
import { announcement, decisionHeader, legend, reasons, scale } from "./verdict.js";

/** @typedef {import("./history.js").Entry} Entry */
/** @typedef {import("./history.js").Draft} Draft */

const SLOW_AFTER_MS = 4000;

const panel = byId("verdict");
const analyseButton = byId("analyse");

/** @type {Entry | undefined} */
let current;
/** @type {Problem | undefined} */
let problem;
/** @type {{ text: string, cancel: AbortController } | undefined} */
let pending;

export function start() {
  const last = history.find(storage.load("shown", ""));
  if (history.isVerdict(last)) current = last;
  composer.start({ analyse, changed: onChange });
  history.start(() => {
    show(undefined);
    composer.focus();
  });
  document.addEventListener("language", draw);
  updateThresholds();
}

/** Load the thresholds when the page opens. This also wakes a sleeping service. */
async function updateThresholds() {
  try {
    await loadThresholds();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.kind === "key") askForKey("thresholds", updateThresholds);
    return; // a verdict can be shown without them; the next verdict tries again
  }
  if (!current) return;
  const { prediction, model } = current;
  panel.querySelector(".scale")?.replaceWith(scale(prediction.probability, thresholdsOf(model)));
}

/** Mark the verdict as stale when the text has changed since. */
function onChange() {
  const stale = panel.querySelector(".stale");
  if (stale instanceof HTMLElement) stale.hidden = composer.text() === current?.text;
}

/** Cancel the pending call and keep the text as a draft, unless the history has it already. */
function saveDraft() {
  pending?.cancel.abort();
  pending = undefined;
  const text = composer.text();
  if (text.trim() && !history.includes(text)) history.add({ text });
}

/** @param {Entry | undefined} entry */
function show(entry) {
  current = entry;
  problem = undefined;
  storage.save("shown", entry?.id ?? "");
  draw();
}

/** @param {Entry | Pick<Draft, "text">} entry */
function open(entry) {
  saveDraft();
  composer.setText(entry.text);
  show(history.isVerdict(entry) ? entry : undefined);
  if (current) panel.focus();
}

function next() {
  open({ text: "" });
}

/**
 * Put a text into the box and analyse it.
 * @param {string} text
 */
export function analyseAlone(text) {
  select("one");
  open({ text });
  panel.focus();
  analyse();
}

async function analyse() {
  const text = composer.text();
  if (!composer.validate() || pending?.text === text) return;
  pending?.cancel.abort();
  pending = { text, cancel: new AbortController() };
  problem = undefined;
  updateStatus();
  const slow = setTimeout(showSlowNotice, SLOW_AFTER_MS);
  try {
    const { predictions, model } = await predict([sanitize(text)], true, pending.cancel.signal);
    const [prediction] = predictions;
    pending = undefined;
    show(history.add({ text, prediction, model, answer: unanswered(history.unansweredFor(text)?.answer) }));
    announce(announcement(prediction));
    panel.scrollIntoView({ block: "nearest" });
    if (!thresholdsOf(model)) updateThresholds();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.kind === "cancelled") return; // replaced by another call, or no longer wanted
    pending = undefined;
    problem = error;
    draw();
    if (error.kind === "key") askForKey("verdict", analyse, true);
  } finally {
    clearTimeout(slow);
    byId("waking").hidden = true;
  }
}

/** Tell the user that the service may be waking up. */
function showSlowNotice() {
  byId("waking").hidden = false;
  announce(t("one.waking"));
}

function draw() {
  history.draw(current?.id, open);
  updateStatus();
  redraw(panel, content());
}

/** Update the button and the panel. The last verdict stays visible while a call is pending. */
function updateStatus() {
  const busy = pending !== undefined;
  analyseButton.textContent = t(busy ? "one.analysing" : "one.analyse");
  analyseButton.setAttribute("aria-disabled", String(busy));
  panel.setAttribute("aria-busy", String(busy));
  panel.dataset.state = busy ? "loading" : problem ? "problem" : current ? "verdict" : "empty";
  panel.dataset.decision = (!problem && current?.prediction.decision) || "none";
}

function content() {
  if (problem) return [problemBox(problem, remedy(problem), "h2")];
  if (!current) return legend();
  const { text, prediction, model } = current;
  return [
    decisionHeader(prediction),
    element("p", { class: "stale", hidden: composer.text() === text }, t("verdict.stale")),
    ...reasons(text, prediction, thresholdsOf(model)),
    new Questions(current, { save: history.save, redraw: draw, again: analyseAgain, next }).box,
  ];
}

/** Analyse the text of the shown verdict again. */
function analyseAgain() {
  if (current && composer.text() !== current.text) {
    saveDraft();
    composer.setText(current.text);
  }
  analyse();
}

/** @param {Problem} problem */
function remedy({ kind }) {
  return kind === "key" || kind === "invalid" ? undefined : { label: t("problem.again"), act: analyse };
}
