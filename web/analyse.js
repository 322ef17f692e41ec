// @ts-check
/** The first tab: write a tweet, get a verdict, say whether it was right, go on to the next. */

import { call, Problem } from "./api.js";
import { announce, byId, element, fault, redraw } from "./dom.js";
import { Questions, unanswered } from "./feedback.js";
import * as past from "./history.js";
import { askForKey } from "./key.js";
import { shown } from "./problem.js";
import { keep, recall } from "./session.js";
import { t } from "./strings.js";
import { select } from "./tabs.js";
import { ask, thresholdsOf } from "./thresholds.js";
import { codePoints, LIMIT, MOST, sendable, weight } from "./tweet.js";
import { drawn, legend, scale, spoken } from "./verdict.js";

/** @typedef {import("./history.js").Entry} Entry */
/** @typedef {import("./history.js").Draft} Draft */

const EXAMPLES = [
  "New seats, new menus, same smile. See you on board!",
  "Starting in May we fly to Lisbon twice a day.",
  "We are sorry: all flights to Lisbon are cancelled today, and our phone lines are overloaded.",
];
const SLOW = 4000; // milliseconds after which one wonders

const box = byId("text", HTMLTextAreaElement);
const panel = byId("verdict");
const analyseButton = byId("analyse", HTMLButtonElement);

/** @type {Entry | undefined} */
let current;
/** @type {Problem | undefined} */
let problem;
/** @type {{ text: string, cancel: AbortController } | undefined} */
let asking;
let example = 0;

export function start() {
  box.value = recall("draft", "");
  const last = past.find(recall("shown", ""));
  if (past.isVerdict(last)) current = last;
  box.addEventListener("input", edited);
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    analyse();
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) analyse();
  });
  byId("example").addEventListener("click", () => write(EXAMPLES[example++ % EXAMPLES.length]));
  past.start(() => {
    show(undefined);
    box.focus();
  });
  document.addEventListener("language", () => {
    edited();
    draw();
  });
  learnThresholds();
}

/** Asked when the page opens: that also wakes a service that sleeps. */
async function learnThresholds() {
  try {
    await ask();
    if (current) panel.querySelector(".scale")?.replaceWith(drawnScale(current));
  } catch (error) {
    // A verdict is one without them; they are asked for again with the next one.
    if (error instanceof Problem && error.kind === "key") askForKey("thresholds", learnThresholds);
  }
}

/** @param {Entry} entry */
function drawnScale({ prediction, model }) {
  return scale(prediction.probability, thresholdsOf(model));
}

function edited() {
  keep("draft", box.value);
  fault(box, byId("fault"), "");
  count();
  const stale = panel.querySelector(".stale");
  if (stale instanceof HTMLElement) stale.hidden = box.value === current?.text;
}

function count() {
  const used = weight(box.value);
  const over = used - LIMIT;
  const said = over > 0 ? t("one.over", { n: over, most: LIMIT }) : t("one.count", { n: used, most: LIMIT });
  if (over > 0 && byId("count").dataset.over === "false") announce(said);
  byId("count").dataset.over = String(over > 0);
  byId("counted").textContent = said;
  document.getElementById("used")?.setAttribute("stroke-dasharray", `${Math.min(100, (used / LIMIT) * 100)} 100`);
  byId("example").hidden = box.value !== "";
}

/** @param {string} text */
function write(text) {
  box.value = text;
  edited();
  box.focus();
}

/** What is in the box is about to be replaced: if it is nowhere else, it becomes a draft. Nobody waits for it any more. */
function setAside() {
  asking?.cancel.abort();
  asking = undefined;
  if (box.value.trim() && !past.holds(box.value)) past.add({ text: box.value });
}

/** @param {Entry | undefined} entry */
function show(entry) {
  current = entry;
  problem = undefined;
  keep("shown", entry?.id ?? "");
  draw();
}

/** @param {Entry | Draft} entry */
function open(entry) {
  setAside();
  write(entry.text);
  show(past.isVerdict(entry) ? entry : undefined);
  if (current) panel.focus();
}

function next() {
  setAside();
  write("");
  show(undefined);
}

/**
 * Analyses a text that is not in the box yet.
 * @param {string} text
 */
export function analyseAlone(text) {
  setAside();
  select("one");
  write(text);
  panel.focus();
  analyse();
}

async function analyse() {
  const text = box.value;
  const over = codePoints(text) - MOST;
  const reason = !text.trim() ? t("one.blank") : over > 0 ? t("one.tooLong", { n: over, most: MOST }) : "";
  fault(box, byId("fault"), reason);
  if (reason || asking?.text === text) return;
  asking?.cancel.abort();
  const mine = (asking = { text, cancel: new AbortController() });
  problem = undefined;
  mark();
  const slow = setTimeout(wonder, SLOW);
  try {
    const answer = await call("POST", "api/predict", { text: sendable(text), explain: true }, mine.cancel.signal);
    asking = undefined;
    const { predictions, model } = answer;
    show(past.add({ text, prediction: predictions[0], model, answer: unanswered(past.unansweredFor(text)?.answer) }));
    announce(spoken(predictions[0]));
    panel.scrollIntoView({ block: "nearest" });
    if (!thresholdsOf(model)) learnThresholds();
  } catch (error) {
    if (asking !== mine) return; // a newer one is under way
    asking = undefined;
    if (!(error instanceof Problem)) throw error;
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
  analyseButton.textContent = t(asking ? "one.analysing" : "one.analyse");
  analyseButton.setAttribute("aria-disabled", String(asking !== undefined));
  panel.setAttribute("aria-busy", String(asking !== undefined));
  panel.dataset.state = asking ? "loading" : problem ? "problem" : current ? "verdict" : "empty";
  panel.dataset.decision = (!problem && current?.prediction.decision) || "none";
}

function content() {
  if (problem) return [shown(problem, remedy(problem), "h2")];
  if (!current) return legend();
  const { text, prediction, model } = current;
  const [decision, ...reasons] = drawn(text, prediction, thresholdsOf(model));
  const stale = element("p", { class: "stale", hidden: box.value === text }, t("verdict.stale"));
  return [decision, stale, ...reasons, new Questions(current, { save: past.save, redraw: draw, again, next }).box];
}

/** The text of the verdict that is shown, once more. */
function again() {
  if (current && box.value !== current.text) {
    setAside();
    write(current.text);
  }
  analyse();
}

/** @param {Problem} problem */
function remedy({ kind }) {
  return kind === "key" || kind === "invalid" ? undefined : { label: t("problem.again"), act: analyse };
}
