// @ts-check
/** Words, numbers and plurals, in the language of whoever reads. */

const LANGUAGES = ["en", "fr"];
const CHOICE = "buzzguard.language"; // in localStorage: it outlives the tab
const ATTRIBUTES = { label: "aria-label", placeholder: "placeholder", title: "title" }; // by the data-… that fills them

/** @typedef {Record<string, string | Record<string, string>>} Strings */
/** @type {Strings} */
let strings = {};
/** @type {Intl.PluralRules} */
let plurals;
/** @type {Intl.NumberFormat} */
let numbers;
/** @type {Intl.NumberFormat} */
let percents;

export function language() {
  return document.documentElement.lang;
}

/** The other one. */
export function alternative() {
  return LANGUAGES[1 - LANGUAGES.indexOf(language())];
}

/** The language that was chosen here before, else the first of the browser's that there is. */
export function preferred() {
  const wanted = [chosen(), ...navigator.languages].map((tag) => tag.slice(0, 2).toLowerCase());
  return wanted.find((tag) => LANGUAGES.includes(tag)) ?? LANGUAGES[0];
}

function chosen() {
  try {
    return localStorage.getItem(CHOICE) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} tag */
export function choose(tag) {
  try {
    localStorage.setItem(CHOICE, tag);
  } catch {} // it is asked again next time
  return speak(tag);
}

/** @type {Record<string, Promise<Strings>>} */
const loaded = {};

/**
 * The strings of a language; loaded ahead of time, a switch needs no network.
 * @param {string} tag
 */
export function load(tag) {
  loaded[tag] ??= fetch(new URL(`strings.${tag}.json`, import.meta.url)).then((response) => response.json());
  loaded[tag].catch(() => delete loaded[tag]); // the next one who asks tries again
  return loaded[tag];
}

/**
 * Puts the strings of a language into the page. Parts that made text themselves listen to "language".
 * @param {string} tag
 */
export async function speak(tag) {
  strings = await load(tag);
  plurals = new Intl.PluralRules(tag);
  numbers = new Intl.NumberFormat(tag);
  percents = new Intl.NumberFormat(tag, { style: "percent" });
  document.documentElement.lang = tag;
  document.title = t("title");
  for (const one of document.querySelectorAll("[data-text]")) one.textContent = t(one.getAttribute("data-text"));
  for (const [data, attribute] of Object.entries(ATTRIBUTES))
    for (const one of document.querySelectorAll(`[data-${data}]`))
      one.setAttribute(attribute, t(one.getAttribute(`data-${data}`)));
  document.dispatchEvent(new Event("language"));
}

/**
 * The string of a key, with {values} filled in. A string with plural forms takes the one for `n`.
 * @param {string | null} key
 * @param {Record<string, string | number>} values
 * @returns {string}
 */
export function t(key, values = {}) {
  const found = strings[key ?? ""];
  if (found === undefined) throw new Error(`no string ${key}`);
  const form = typeof found === "string" ? found : (found[plurals.select(Number(values.n))] ?? found.other);
  return form.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? numbers.format(value) : value;
  });
}

/** @param {string} key */
export function known(key) {
  return key in strings;
}

/**
 * A probability in whole percent. Nothing is certain: neither end is reached.
 * @param {number} probability
 */
export function percent(probability) {
  if (probability < 0.01) return t("scale.under", { percent: percents.format(0.01) });
  if (probability > 0.99) return t("scale.over", { percent: percents.format(0.99) });
  return percents.format(probability);
}
