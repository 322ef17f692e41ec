// @ts-check
/** Draw a verdict: the decision, its probability, and the words that moved the score. */

import { element, icon } from "./dom.js";
import { hasString, percent, t } from "./strings.js";
import { pieces, strengths } from "./tweet.js";

/** @typedef {import("./model.js").Prediction} Prediction */
/** @typedef {import("./model.js").Thresholds} Thresholds */
/** @typedef {import("./tweet.js").Part} Part */

export const DECISIONS = /** @type {const} */ (["publish", "review", "hold"]);
const MAX_LISTED_WORDS = 4; // the strongest words

/** Explain the three decisions before the first verdict. */
export function legend() {
  const entries = DECISIONS.map((decision) => element("li", { "data-decision": decision }, ...advice(decision, "b")));
  return [
    element("h2", { class: "quiet-heading" }, t("verdict.empty")),
    element("ul", { class: "legend" }, ...entries),
  ];
}

/** @param {Prediction} prediction */
export function decisionHeader({ decision }) {
  return element("header", { class: "ruling" }, ...advice(decision, "h2"));
}

/**
 * Draw a decision as an icon and in words.
 * @param {Prediction["decision"]} decision
 * @param {"b" | "h2"} tag
 */
function advice(decision, tag) {
  const parts = [element(tag, {}, t(`verdict.${decision}`)), element("p", {}, t(`verdict.${decision}.text`))];
  return [icon(decision), element("div", {}, ...parts)];
}

/**
 * Draw the reasons: warnings, the probability, and the words that moved the score.
 * @param {string} text
 * @param {Prediction} prediction
 * @param {Thresholds | undefined} thresholds
 */
export function reasons(text, { probability, warnings, explanation }, thresholds) {
  return [
    ...warnings.map((code) =>
      element("p", { class: "caution", "data-warning": code }, icon("warning"), warningText(code)),
    ),
    scale(probability, thresholds),
    ...(explanation ? words(text, explanation, warnings) : [quoted(text, warnings)]),
  ];
}

/** @param {Prediction} prediction announced by screen readers */
export function announcement({ decision, probability, warnings }) {
  const summary = t("verdict.announced", {
    decision: t(`verdict.${decision}`),
    text: t(`verdict.${decision}.text`),
    scale: t("scale.value", { percent: percent(probability) }),
  });
  return [summary, ...warnings.map(warningText)].join(" ");
}

/** @param {string} code */
export function warningText(code) {
  return hasString(`warning.${code}`) ? t(`warning.${code}`) : t("warning.other", { code });
}

/**
 * Draw the probability on a scale, with the thresholds if they are known.
 * @param {number} probability
 * @param {Thresholds | undefined} thresholds
 */
export function scale(probability, thresholds) {
  const value = percent(probability);
  const limits = thresholds && { hold: percent(thresholds.hold), publish: percent(thresholds.publish) };
  const meter = element(
    "div",
    {
      class: "scale",
      role: "meter",
      "aria-label": t("scale.label"),
      "aria-valuemin": "0",
      "aria-valuemax": "1",
      "aria-valuenow": String(probability),
      "aria-valuetext": limits ? t("scale.text", { value, ...limits }) : value,
      "data-thresholds": thresholds ? "known" : "unknown",
    },
    element("p", { class: "hint" }, t("scale.label")),
    element("b", { class: "value" }, value),
    element(
      "div",
      { class: "track" },
      ...[...DECISIONS].reverse().map((decision) => element("span", { "data-decision": decision })),
      element("span", { class: "needle" }),
    ),
  );
  meter.style.setProperty("--at", String(probability)); // through the CSSOM: the CSP forbids style attributes
  if (!thresholds || !limits) return meter;
  meter.style.setProperty("--hold", String(thresholds.hold));
  meter.style.setProperty("--publish", String(thresholds.publish));
  const edges = [t("scale.hold", { percent: limits.hold }), t("scale.publish", { percent: limits.publish })];
  meter.append(element("div", { class: "edges" }, ...edges.map((edge) => element("span", {}, edge))));
  return meter;
}

/**
 * Draw the tweet with its words marked, and two lists of the strongest words.
 * @param {string} text
 * @param {Part[]} explanation
 * @param {string[]} warnings
 */
function words(text, explanation, warnings) {
  const found = pieces(text, explanation);
  const strength = strengths(found);
  const parts = found.map((piece, index) => ({ ...piece, strength: strength[index] }));
  const marked = parts.map((part) => (part.strength ? mark(part.text, part.weight, part.strength) : part.text));
  const moved = parts.filter((part) => part.strength).sort((one, other) => other.strength - one.strength);
  const towards = {
    positive: moved.filter((part) => part.weight > 0).slice(0, MAX_LISTED_WORDS),
    negative: moved.filter((part) => part.weight < 0).slice(0, MAX_LISTED_WORDS),
  };
  if (!moved.length) return [quoted(text, warnings), element("p", { class: "hint" }, t("words.none"))];
  return [
    quoted(text, warnings, marked),
    element("p", { class: "hint" }, t("words.legend")),
    element("h3", {}, t("words.title")),
    element("div", { class: "words" }, list("positive", towards.positive), list("negative", towards.negative)),
  ];
}

/**
 * @param {string} text
 * @param {string[]} warnings
 * @param {(string | HTMLElement)[]} content the text, with or without marks
 */
function quoted(text, warnings, content = [text]) {
  const lang = warnings.includes("probably_not_english") ? undefined : "en";
  return element("blockquote", { lang, dir: "auto" }, ...content);
}

/**
 * @param {string} text
 * @param {number} weight
 * @param {number} strength
 */
function mark(text, weight, strength) {
  return element("mark", { class: weight > 0 ? "positive" : "negative", "data-strength": String(strength) }, text);
}

/**
 * @param {"positive" | "negative"} direction
 * @param {{ text: string, strength: number }[]} parts
 */
function list(direction, parts) {
  if (!parts.length) return "";
  const name = `words-${direction}`;
  const entries = parts.map((part) =>
    element("li", {}, element("b", { lang: "en" }, part.text), ` ${t(`words.${part.strength}`)}`),
  );
  return element(
    "div",
    { class: direction },
    element("h4", { id: name }, icon(direction === "positive" ? "up" : "down"), t(`words.${direction}`)),
    element("ul", { "aria-labelledby": name }, ...entries),
  );
}
