// @ts-check
/** Texts, numbers and plurals in the user's language. */

const LANGUAGES = ["en", "fr"];
const STORAGE_KEY = "buzzguard.language"; // in localStorage, beyond the tab
const ATTRIBUTES = { label: "aria-label", placeholder: "placeholder", title: "title" }; // data-label fills aria-label

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

/** Return the language that is not shown. */
export function otherLanguage() {
  return LANGUAGES[1 - LANGUAGES.indexOf(language())];
}

/** Return the saved language, or the browser's first supported one. */
export function preferredLanguage() {
  const wanted = [savedLanguage(), ...navigator.languages].map((tag) => tag.slice(0, 2).toLowerCase());
  return wanted.find((tag) => LANGUAGES.includes(tag)) ?? LANGUAGES[0];
}

function savedLanguage() {
  try {
    return localStorage.getItem(STORAGE_KEY) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} tag */
export function saveLanguage(tag) {
  try {
    localStorage.setItem(STORAGE_KEY, tag);
  } catch {} // storage is blocked: the choice ends with this page
  return setLanguage(tag);
}

/** @type {Record<string, Promise<Strings>>} */
const loaded = {};

/**
 * Load the strings of a language. Preloaded strings let a switch work offline.
 * @param {string} tag
 */
export function loadStrings(tag) {
  loaded[tag] ??= fetch(new URL(`strings.${tag}.json`, import.meta.url)).then((response) => response.json());
  loaded[tag].catch(() => delete loaded[tag]); // the next call tries again
  return loaded[tag];
}

/**
 * Translate the page. Parts that create text listen to the "language" event.
 * @param {string} tag
 */
export async function setLanguage(tag) {
  strings = await loadStrings(tag);
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
 * Return the string of a key with {values} filled in, in the plural form for `n`.
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
export function hasString(key) {
  return key in strings;
}

/**
 * Format a probability in whole percent, from "< 1 %" to "> 99 %": it is never certain.
 * @param {number} probability
 */
export function percent(probability) {
  if (probability < 0.01) return t("scale.under", { percent: percents.format(0.01) });
  if (probability > 0.99) return t("scale.over", { percent: percents.format(0.99) });
  return percents.format(probability);
}
