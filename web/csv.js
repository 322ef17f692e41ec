// @ts-check
/** Read and write CSV (RFC 4180), also as Excel writes it: with a byte order mark, semicolons, or in Windows-1252. */

const BYTE_ORDER_MARK = "\ufeff"; // without it, Excel reads UTF-8 as Windows-1252
const SEPARATORS = [",", ";", "\t"];
const SEPARATOR_LINE = /^sep=(.)(?:\r\n|\r|\n)/i; // some programs declare the separator to Excel this way
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;
const TEXT_COLUMN_NAMES = [
  /^(text|texte|tweet|message|content|contenu|post)s?$/,
  /\b(text|texte|content|contenu|corps|body)s?\b/, // anywhere: "Tweet text" is the text, "Tweet id" is not
  /\b(tweet|message|post)s?$/,
]; // column names, the most reliable first
const MAX_NAME_WORDS = 3; // in a column name; 1 in a file with one column, whose first line may be a tweet about a post

/**
 * Decode a file without its byte order mark. Return undefined for a binary file.
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
 * Parse a table.
 * @param {string} text
 * @returns {string[][]} the rows that are not blank
 */
export function parse(text) {
  const declared = SEPARATOR_LINE.exec(text);
  const separator = declared?.[1] ?? separatorOf(text);
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
  for (let i = declared?.[0].length ?? 0; i < text.length; i++) {
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
 * Return the separator that is most frequent in the first line, outside quotes; undefined if there is only one column.
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
 * Find the column of the tweets by its name, or take the first.
 * @param {string[][]} rows
 * @returns {{ column: number, headed: boolean }} headed: whether the first row is a header
 */
export function columnOfTexts([first = []]) {
  const longest = first.length > 1 ? MAX_NAME_WORDS : 1;
  const names = first.map((cell) => {
    const words = cell.trim().split(/\s+/);
    return words.length > longest ? "" : words.join(" ").toLowerCase().replace(/[_-]/g, " ");
  });
  const known = TEXT_COLUMN_NAMES.find((pattern) => names.some((name) => pattern.test(name)));
  return { column: known ? names.findIndex((name) => known.test(name)) : 0, headed: known !== undefined };
}

/**
 * Format a table as CSV. An apostrophe before a formula keeps spreadsheets from running it.
 * @param {string[][]} rows
 * @param {string} separator
 */
export function format(rows, separator) {
  const cell = (/** @type {string} */ value) => {
    const safe = FORMULA.test(value) ? `'${value}` : value;
    return /["\r\n,;\t]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return BYTE_ORDER_MARK + rows.map((row) => `${row.map(cell).join(separator)}\r\n`).join("");
}
