// @ts-check
/** The first tab: write a tweet, get a verdict, say whether it was right, go on to the next. */

import { Problem } from "./api.js";
import * as composer from "./composer.js";
import { announce, byId, element, redraw } from "./dom.js";
import { Questions, unanswered } from "./feedback.js";
import * as past from "./history.js";
import { askForKey } from "./key.js";
import { ask, predict, thresholdsOf } from "./model.js";
import { shown } from "./problem.js";
import { keep, recall } from "./storage.js";
import { t } from "./strings.js";
import { select } from "./tabs.js";
import { sendable } from "./tweet.js";
import { legend, reasons, ruling, scale, spoken } from "./verdict.js";

/** @typedef {import("./history.js").Entry} Entry */
/** @typedef {import("./history.js").Draft} Draft */

const SLOW = 4000; // milliseconds after which one wonders

const panel = byId("verdict");
const analyseButton = byId("analyse");

/** @type {Entry | undefined} */
let current;
/** @type {Problem | undefined} */
let problem;
/** @type {{ text: string, cancel: AbortController } | undefined} */
let asking;

export function start() {
  const last = past.find(recall("shown", ""));
  if (past.isVerdict(last)) current = last;
  composer.start({ analyse, changed });
  past.start(() => {
    show(undefined);
    composer.focus();
  });
  document.addEventListener("language", draw);
  learnThresholds();
}

/** Asked when the page opens: that also wakes a service that sleeps. */
async function learnThresholds() {
  try {
    await ask();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.kind === "key") askForKey("thresholds", learnThresholds);
    return; // a verdict is one without them; they are asked for again with the next one
  }
  if (!current) return;
  const { prediction, model } = current;
  panel.querySelector(".scale")?.replaceWith(scale(prediction.probability, thresholdsOf(model)));
}

/** The text is another: a verdict that is shown may be about an earlier one. */
function changed() {
  const stale = panel.querySelector(".stale");
  if (stale instanceof HTMLElement) stale.hidden = composer.text() === current?.text;
}

/** What is in the box is about to be replaced: if it is nowhere else, it becomes a draft. Nobody waits for it any more. */
function setAside() {
  asking?.cancel.abort();
  asking = undefined;
  const text = composer.text();
  if (text.trim() && !past.holds(text)) past.add({ text });
}

/** @param {Entry | undefined} entry */
function show(entry) {
  current = entry;
  problem = undefined;
  keep("shown", entry?.id ?? "");
  draw();
}

/** @param {Entry | Pick<Draft, "text">} entry */
function open(entry) {
  setAside();
  composer.write(entry.text);
  show(past.isVerdict(entry) ? entry : undefined);
  if (current) panel.focus();
}

function next() {
  open({ text: "" });
}

/**
 * Analyses a text that is not in the box yet.
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
  if (!composer.ready() || asking?.text === text) return;
  asking?.cancel.abort();
  asking = { text, cancel: new AbortController() };
  problem = undefined;
  mark();
  const slow = setTimeout(wonder, SLOW);
  try {
    const { predictions, model } = await predict([sendable(text)], true, asking.cancel.signal);
    const [prediction] = predictions;
    asking = undefined;
    show(past.add({ text, prediction, model, answer: unanswered(past.unansweredFor(text)?.answer) }));
    announce(spoken(prediction));
    panel.scrollIntoView({ block: "nearest" });
    if (!thresholdsOf(model)) learnThresholds();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.kind === "cancelled") return; // another text is asked about by now, or none
    asking = undefined;
    problem = error;
    draw();
    if (error.kind === "key") askForKey("verdict", analyse, true);
  } finally {
    clearTimeout(slow);
    byId("waking").hidden = true;
  }
}

/** It takes long: the service may have slept. */
function wonder() {
  byId("waking").hidden = false;
  announce(t("one.waking"));
}

function draw() {
  past.draw(current?.id, open);
  mark();
  redraw(panel, content());
}

/** Says how far it has got. What was there before stays while the service is asked. */
function mark() {
  const busy = asking !== undefined;
  analyseButton.textContent = t(busy ? "one.analysing" : "one.analyse");
  analyseButton.setAttribute("aria-disabled", String(busy));
  panel.setAttribute("aria-busy", String(busy));
  panel.dataset.state = busy ? "loading" : problem ? "problem" : current ? "verdict" : "empty";
  panel.dataset.decision = (!problem && current?.prediction.decision) || "none";
}

function content() {
  if (problem) return [shown(problem, remedy(problem), "h2")];
  if (!current) return legend();
  const { text, prediction, model } = current;
  return [
    ruling(prediction),
    element("p", { class: "stale", hidden: composer.text() === text }, t("verdict.stale")),
    ...reasons(text, prediction, thresholdsOf(model)),
    new Questions(current, { save: past.save, redraw: draw, again, next }).box,
  ];
}

/** The text of the verdict that is shown, once more. */
function again() {
  if (current && composer.text() !== current.text) {
    setAside();
    composer.write(current.text);
  }
  analyse();
}

/** @param {Problem} problem */
function remedy({ kind }) {
  return kind === "key" || kind === "invalid" ? undefined : { label: t("problem.again"), act: analyse };
}
