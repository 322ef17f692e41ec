// @ts-check
/** A tweet's length as X and the API count it, and its pieces by explained words. */

import { findLinks } from "./links.js";

export const MAX_WEIGHTED_LENGTH = 280; // X's limit
export const MAX_LENGTH = 1000; // code points: the API's limit

const LINK_WEIGHT = 23; // of any link
// A flag, a keycap, or emoji, each with its skin tone, joined or not. Intl.Segmenter takes quadratic time.
const TONE = "[\\ufe0f\\p{EMod}]?";
const FIRST = `(?![#*0-9])(?:\\p{Emoji_Presentation}|\\p{Emoji}(?=[\\ufe0f\\p{EMod}]))${TONE}[\\u{e0020}-\\u{e007f}]*`;
const EMOJI = new RegExp(`\\p{RI}{2}|[#*0-9]\\ufe0f?\\u20e3|${FIRST}(?:\\u200d\\p{Emoji}${TONE})*`, "gu");
const SINGLE_WEIGHT_RANGES = [
  [0, 0x10ff],
  [0x2000, 0x200d],
  [0x2010, 0x201f],
  [0x2032, 0x2037],
]; // code points with weight 1; all others have weight 2

/**
 * Return the length as X counts it (twitter-text, configuration 3).
 * @param {string} text
 */
export function weightedLength(text) {
  const normal = text.normalize("NFC");
  const links = findLinks(normal);
  const ends = [{ start: normal.length }];
  const between = [...links, ...ends].map(({ start }, n) => normal.slice(links[n - 1]?.end ?? 0, start));
  return between.reduce((sum, part) => sum + weightOfWords(part), LINK_WEIGHT * links.length);
}

/** @param {string} text without links */
function weightOfWords(text) {
  let weight = 0;
  const rest = text.replace(EMOJI, () => {
    weight += 2;
    return "";
  });
  for (const character of rest) weight += weightOf(character);
  return weight;
}

/** @param {string} character */
function weightOf(character) {
  const point = character.codePointAt(0) ?? 0;
  return SINGLE_WEIGHT_RANGES.some(([first, last]) => first <= point && point <= last) ? 1 : 2;
}

/** @param {string} text */
export function codePoints(text) {
  return Array.from(text).length;
}

/**
 * Replace lone surrogates and NUL, which the API refuses. The number of code points stays the same.
 * @param {string} text
 */
export function sanitize(text) {
  return text.replace(/\p{Surrogate}|\0/gu, "\ufffd");
}

/** @typedef {{ start: number, end: number, token: string, weight: number }} Part of an explanation, in code points */

/**
 * Split a text into explained pieces with their weight and other pieces with weight 0.
 * @param {string} text
 * @param {Part[]} explanation in reading order
 * @returns {{ text: string, weight: number }[]}
 */
export function pieces(text, explanation) {
  const points = Array.from(text);
  const found = [];
  let position = 0;
  for (const { start, end, weight } of explanation) {
    if (start > position) found.push({ text: points.slice(position, start).join(""), weight: 0 });
    found.push({ text: points.slice(Math.max(start, position), end).join(""), weight });
    position = Math.max(position, end);
  }
  found.push({ text: points.slice(position).join(""), weight: 0 });
  return found.filter((piece) => piece.text);
}

const STRONG_WEIGHT = 1; // log-odds: from 50 % to 73 %
const STRENGTH_STEPS = [0.3, 0.55, 0.8]; // shares of the strongest word at which the strengths 1, 2 and 3 start
const PUNCTUATION = /^[.,;:'"()\-–—…]$/; // the model weighs a full stop, but marking it helps no writer

/**
 * Return the strength of each piece beside the strongest one: 0 (unmarked) to 3.
 * @param {{ text: string, weight: number }[]} pieces
 */
export function strengths(pieces) {
  const weights = pieces.map(({ text, weight }) => (PUNCTUATION.test(text) ? 0 : Math.abs(weight)));
  const strongest = Math.max(STRONG_WEIGHT, ...weights);
  return weights.map((weight) => STRENGTH_STEPS.filter((share) => weight >= share * strongest).length);
}
