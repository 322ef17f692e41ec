// @ts-check
/** Tables as text (RFC 4180), and as Excel writes them: with a byte order mark, semicolons, or in Windows' alphabet. */

const MARK = "\ufeff"; // without it, Excel takes UTF-8 for Windows' alphabet
const TEXT = /^(text|texts|tweet|tweets|texte|textes|message|messages|content|contenu|post|posts)$/i;
const FORMULA = /^[=+\-@\t\r＝＋－＠]/;

/**
 * The characters of a file, without a byte order mark; undefined for what is no text.
 * @param {ArrayBuffer} bytes
 */
export function decode(bytes) {
  const [first, second] = new Uint8Array(bytes);
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  const text = decodeUtf8(bytes) ?? new TextDecoder("windows-1252").decode(bytes);
  return text.includes("\0") ? undefined : text;
}

/** @param {ArrayBuffer} bytes */
function decodeUtf8(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/**
 * @param {string} text
 * @returns {string[][]} the rows that are not blank
 */
export function parse(text) {
  const separator = separatorOf(text);
  /** @type {string[][]} */
  const rows = [];
  /** @type {string[]} */
  let row = [];
  let cell = "";
  let quoted = false;
  const endCell = () => {
    row.push(cell);
    cell = "";
  };
  const endRow = () => {
    endCell();
    if (row.some((value) => value.trim())) rows.push(row);
    row = [];
  };
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (quoted) {
      if (character !== '"') cell += character;
      else if (text[i + 1] === '"') cell += text[i++];
      else quoted = false;
    } else if (character === '"' && cell === "") quoted = true;
    else if (character === separator) endCell();
    else if (character === "\n" || character === "\r") endRow();
    else cell += character;
  }
  endRow();
  return rows;
}

/**
 * What stands between the cells: whichever of , ; and tab is the most frequent in the first line, outside of quotes.
 * @param {string} text
 */
function separatorOf(text) {
  const line = text.replace(/"[^"]*"/g, "").split(/[\r\n]/, 1)[0];
  const count = (/** @type {string} */ separator) => line.split(separator).length;
  return [",", ";", "\t"].reduce((best, one) => (count(one) > count(best) ? one : best));
}

/**
 * The column that holds the tweets: the one with such a name, else the first.
 * @param {string[][]} rows
 * @returns {{ column: number, headed: boolean }} headed: whether the first row holds names
 */
export function columnOfTexts(rows) {
  const named = (rows[0] ?? []).findIndex((name) => TEXT.test(name.trim()));
  return { column: Math.max(named, 0), headed: named >= 0 };
}

/**
 * A table as a file. A cell that a spreadsheet would compute is made text by an apostrophe before it.
 * @param {string[][]} rows
 * @param {string} separator
 */
export function format(rows, separator) {
  const cell = (/** @type {string} */ value) => {
    const safe = FORMULA.test(value) ? `'${value}` : value;
    return /["\r\n,;\t]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return MARK + rows.map((row) => `${row.map(cell).join(separator)}\r\n`).join("");
}
