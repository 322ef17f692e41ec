// @ts-check
/** A tweet as X counts it, as the API counts it, and cut where an explanation says. */

export const LIMIT = 280; // of X, as `weight` counts
export const MOST = 1000; // of the API, in code points

const LINK = 23; // whatever its length
const LINKS = /\bhttps?:\/\/\S+/giu;
const EMOJI = /\p{Emoji_Presentation}|\ufe0f|\u20e3/u;
const LIGHT = [
  [0, 0x10ff],
  [0x2000, 0x200d],
  [0x2010, 0x201f],
  [0x2032, 0x2037],
]; // code points that count 1, others 2
const GRAPHEMES = new Intl.Segmenter("en");

/**
 * The length by X's weighted rule (twitter-text, configuration 3). A link without https:// is counted letter by letter.
 * @param {string} text
 */
export function weight(text) {
  let weight = 0;
  const rest = text.normalize("NFC").replace(LINKS, () => {
    weight += LINK;
    return "";
  });
  for (const { segment } of GRAPHEMES.segment(rest))
    weight += EMOJI.test(segment) ? 2 : Array.from(segment, weightOf).reduce((sum, one) => sum + one, 0);
  return weight;
}

/** @param {string} character */
function weightOf(character) {
  const point = character.codePointAt(0) ?? 0;
  return LIGHT.some(([first, last]) => first <= point && point <= last) ? 1 : 2;
}

/** @param {string} text */
export function codePoints(text) {
  return Array.from(text).length;
}

/**
 * What is left of a text when it is made fit for JSON and for the API, which takes neither half of a surrogate pair nor
 * NUL. As many code points as before.
 * @param {string} text
 */
export function sendable(text) {
  return text.replace(/\p{Surrogate}|\0/gu, "\ufffd");
}

/** @typedef {{ start: number, end: number, token: string, weight: number }} Part of an explanation, in code points */

/**
 * The whole text in pieces; those that the explanation names have its weight, others 0.
 * @param {string} text
 * @param {Part[]} explanation in reading order
 * @returns {{ text: string, weight: number }[]}
 */
export function pieces(text, explanation) {
  const points = Array.from(text);
  const found = [];
  let reached = 0;
  for (const { start, end, weight } of explanation) {
    if (start > reached) found.push({ text: points.slice(reached, start).join(""), weight: 0 });
    found.push({ text: points.slice(Math.max(start, reached), end).join(""), weight });
    reached = Math.max(reached, end);
  }
  found.push({ text: points.slice(reached).join(""), weight: 0 });
  return found.filter((piece) => piece.text);
}

const STRONG = 1; // log-odds: such a word moves 50 % to 73 %
const STEPS = [0.3, 0.55, 0.8]; // of the strongest word: where the strengths 1, 2 and 3 begin
const SILENT = /^[.,;:'"()\-–—…]$/; // the model hears a full stop, but nobody would publish without one

/**
 * How much each piece moved the score, beside the strongest one of a text: 0 (not worth a mark) to 3.
 * @param {{ text: string, weight: number }[]} pieces
 */
export function strengths(pieces) {
  const heard = pieces.map(({ text, weight }) => (SILENT.test(text) ? 0 : Math.abs(weight)));
  const strongest = Math.max(STRONG, ...heard);
  return heard.map((weight) => STEPS.filter((share) => weight >= share * strongest).length);
}
