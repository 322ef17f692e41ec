// @ts-check
/** Tables as text (RFC 4180), and as Excel writes them: with a byte order mark, semicolons, or in Windows' alphabet. */

const MARK = "\ufeff"; // without it, Excel takes UTF-8 for Windows' alphabet
const SEPARATORS = [",", ";", "\t"];
const SAID = /^sep=(.)(?:\r\n|\r|\n)/i; // the separator, as some programs tell Excel
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;
const TEXTS = [
  /^(text|texte|tweet|message|content|contenu|post)s?$/,
  /\b(text|texte|content|contenu|corps|body)s?\b/, // of the tweet, which other columns have in their names, too
  /\b(tweet|message|post)s?$/,
]; // names of the column that holds the tweets, the surest first
const LONGEST = 3; // words in such a name, 1 where it has no neighbours: a tweet, too, may speak of a post

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
  const said = SAID.exec(text);
  const separator = said?.[1] ?? separatorOf(text);
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
  for (let i = said?.[0].length ?? 0; i < text.length; i++) {
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
 * What stands between the cells: whichever separator is the most frequent in the first line, outside of quotes. Without
 * any of them nothing does: there is one column.
 * @param {string} text
 */
function separatorOf(text) {
  const unquoted = text.replace(/"[^"]*"/g, '""');
  const [line] = unquoted.replace(/^[\r\n]+/, "").split(/[\r\n]/, 1);
  const count = (/** @type {string} */ separator) => line.split(separator).length - 1;
  const best = SEPARATORS.reduce((best, one) => (count(one) > count(best) ? one : best));
  return count(best) ? best : undefined;
}

/**
 * The column that holds the tweets: the one with such a name, else the first.
 * @param {string[][]} rows
 * @returns {{ column: number, headed: boolean }} headed: whether the first row holds names
 */
export function columnOfTexts([first = []]) {
  const longest = first.length > 1 ? LONGEST : 1;
  const names = first.map((cell) => {
    const words = cell.trim().split(/\s+/);
    return words.length > longest ? "" : words.join(" ").toLowerCase().replace(/[_-]/g, " ");
  });
  const known = TEXTS.find((pattern) => names.some((name) => pattern.test(name)));
  return { column: known ? names.findIndex((name) => known.test(name)) : 0, headed: known !== undefined };
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
