// @ts-check
/**
 * Where X sees links: the rules of twitter-text 3.1.0, to the letter. Positions are in UTF-16 units, as X counts them.
 *
 * X tries every start from left to right, takes the longest name there, and goes on behind the link. Here each run of
 * characters that a name can have is read once, so that finding all links takes linear time.
 */

/** @type {Set<string>} the top-level domains that X knows; empty until they are loaded */
let tlds = new Set();

/**
 * Say which top-level domains there are. Without them, no text has a link.
 * @param {string[]} names as in tlds.json
 */
export function useTlds(names) {
  tlds = new Set(names);
}

const MAX_LINK = 4096; // UTF-16 units, with a scheme twice if it is written
const MAX_LABEL = 63; // of a domain, in Punycode
const MAX_SLUG = 40; // of t.co
const LONGEST_TLD = 17;

const LATIN =
  "\\xc0-\\xd6\\xd8-\\xf6\\xf8-\\u024f\\u0253\\u0254\\u0256\\u0257\\u0259\\u025b\\u0263\\u0268\\u026f\\u0272\\u0289" +
  "\\u028b\\u02bb\\u0300-\\u036f\\u1e00-\\u1eff";
const SPACE = "\\t-\\r \\x85\\xa0\\u1680\\u180e\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const INVISIBLE = "\\ufffe\\ufeff\\uffff\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069";
const PATH_LETTER = `[a-z0-9${LATIN}\\u0400-\\u04ff!*';:=+,.$/%#[\\]\\-\\u2013_~@|&]`;

const RUN = new RegExp(`[^!'#%&()*+,\\\\/:;<=>?@[\\]^{|}~$${SPACE}${INVISIBLE}]+`, "g");
const RUN_HERE = new RegExp(RUN.source, "y");
const NO_LINK_AFTER = /[A-Za-z0-9@＠$#＃\ufffe\ufeff\uffff]/;
const NO_PLAIN_LINK_AFTER = /[-_./]/;
const PLAIN_LABELS = new RegExp(`(?:[-a-z0-9${LATIN}]+\\.)+`, "gi");
const PLAIN_TLD = /(xn--[-0-9a-z]+)|[a-z]+(?![0-9a-z@+-])/iy;
const JOINED = /[0-9a-z@+-]/i; // before one of these, no top-level domain ends
const PORT = /:[0-9]+/y;
const BRACKETS = `\\((?!\\))${PATH_LETTER}*(?:\\(${PATH_LETTER}+\\)${PATH_LETTER}*)?\\)`;
const PATH_END = `[a-z0-9${LATIN}\\u0400-\\u04ff=_#/+-]`;
const PATH = new RegExp(`/(?:${PATH_LETTER}*(?:${BRACKETS}${PATH_LETTER}*)*${PATH_END}|${BRACKETS})*`, "iy");
const QUERY = /\?[a-z0-9!?*'@();:&=+$/%#[\]\-_.,~|]*[a-z0-9_&=#/-]/iy;
const SHORT_LINK = /https?:\/\/t\.co\/([a-z0-9]+)/iy;

/** @typedef {{ start: number, end: number }} Link */

/**
 * Return the links of a text, in order.
 * @param {string} text in NFC
 */
export function findLinks(text) {
  /** @type {Link[]} */
  const links = [];
  let first = 0; // where the next match may start: X wants a character between two
  for (const { 0: run, index } of text.matchAll(RUN)) {
    const end = index + run.length;
    const domainEnd = readRun(text, index, end);
    for (let start = Math.max(first, index); start < end; start++) {
      const host = mayStart(text, start) ? domainEnd(start) : 0;
      if (!host || (start === 0 && mayStart(text, 1) && domainEnd(1))) continue; // X tries 1 before 0
      const match = { start, end: pathEnd(text, host) };
      links.push(...plainLinks(text, match, host));
      start = match.end;
      first = match.end + 1;
    }
    const scheme = text.startsWith("://", end) ? run.match(/https?$/i) : null;
    const start = index + (scheme?.index ?? 0);
    if (!scheme || start < first || !mayStart(text, start)) continue;
    RUN_HERE.lastIndex = end + 3;
    const host = RUN_HERE.test(text) ? readRun(text, end + 3, RUN_HERE.lastIndex)(end + 3) : 0;
    if (!host) continue;
    const match = { start, end: pathEnd(text, host) };
    links.push(...schemeLinks(text, match, end + 3, host));
    first = match.end + 1;
  }
  return links;
}

/** @param {string} text @param {number} start */
function mayStart(text, start) {
  return start === 0 || !NO_LINK_AFTER.test(text[start - 1]);
}

/**
 * Return a function that says where the longest domain ends that starts at a position of this run; 0 if there is none.
 * @param {string} text
 * @param {number} start of a run of characters that a name can have
 * @param {number} end
 */
function readRun(text, start, end) {
  /** @type {{ end: number, underscore: number, tld: number, domain: number }[]} */
  const labels = [];
  for (const label of text.slice(start, end).split(".")) {
    const first = (labels.at(-1)?.end ?? start - 1) + 1;
    const underscore = label.lastIndexOf("_");
    const tld = labels.length ? tldEnd(text, first) : 0;
    labels.push({ end: first + label.length, underscore: underscore < 0 ? -1 : first + underscore, tld, domain: 0 });
  }

  /** @param {number} position @param {number} index of its label */
  const domainEnd = (position, index) => {
    const label = labels[index];
    const next = labels[index + 1];
    if (!next || position >= label.end || "-_".includes(text[position]) || "-_".includes(text[label.end - 1])) return 0;
    return next.domain || (label.underscore < position ? next.tld : 0);
  };

  for (let index = labels.length - 1; index > 0; index--)
    labels[index].domain = domainEnd(labels[index - 1].end + 1, index);
  let index = 0;
  return (/** @type {number} */ position) => {
    while (labels[index].end < position) index++; // callers go from left to right
    return domainEnd(position, index);
  };
}

/**
 * Return where the top-level domain at a position ends; 0 if there is none.
 * @param {string} text
 * @param {number} start
 */
function tldEnd(text, start) {
  PLAIN_TLD.lastIndex = start;
  const plain = PLAIN_TLD.exec(text);
  if (plain) return plain[1] || tlds.has(plain[0].toLowerCase()) ? PLAIN_TLD.lastIndex : 0;
  if (text.charCodeAt(start) < 128) return 0;
  for (let end = Math.min(start + LONGEST_TLD, text.length); end > start; end--)
    if (tlds.has(text.slice(start, end).toLowerCase()) && !JOINED.test(text.charAt(end))) return end;
  return 0;
}

/**
 * Return where a link ends whose host ends at `host`: behind port, path and query.
 * @param {string} text
 * @param {number} host
 */
function pathEnd(text, host) {
  return [PORT, PATH, QUERY].reduce((end, part) => skip(part, text, end), host);
}

/**
 * Return where a match at `start` ends: there if nothing matches.
 * @param {RegExp} part
 * @param {string} text
 * @param {number} start
 */
function skip(part, text, start) {
  part.lastIndex = start;
  return part.test(text) ? part.lastIndex : start;
}

/**
 * Return the links of a name without scheme: of each part in Latin letters one. The last one has the path.
 * @param {string} text
 * @param {Link} match
 * @param {number} host
 */
function plainLinks(text, match, host) {
  const domain = text.slice(match.start, host);
  if (NO_PLAIN_LINK_AFTER.test(text.charAt(match.start - 1)) || !mayExist(domain, match, 8)) return [];
  const links = plainDomains(domain).map(({ start, end }) => ({ start: match.start + start, end: match.start + end }));
  const last = links.at(-1);
  const path = text.slice(host, match.end).replace(/^:[0-9]+/, "");
  if (last && path.startsWith("/")) last.end += match.end - host;
  return links;
}

/**
 * Return the link of an address with scheme. One to t.co ends with its letters, digits and query.
 * @param {string} text
 * @param {Link} match
 * @param {number} domainStart
 * @param {number} host
 */
function schemeLinks(text, match, domainStart, host) {
  const domain = text.slice(domainStart, host);
  if (!mayExist(domain, match, domainStart - match.start)) return [];
  SHORT_LINK.lastIndex = match.start;
  const short = SHORT_LINK.exec(text);
  if (!short) return [match];
  if (short[1].length > MAX_SLUG) return [];
  return [{ start: match.start, end: skip(QUERY, text, SHORT_LINK.lastIndex) }];
}

/** @param {string} domain */
function plainDomains(domain) {
  /** @type {Link[]} */
  const found = [];
  for (let labels = nextLabels(domain, 0); labels; labels = nextLabels(domain, labels.end)) {
    let tld = labels.end;
    let end = 0;
    for (; tld > labels.start && !end; tld = domain.lastIndexOf(".", tld - 2) + 1) end = tldEnd(domain, tld);
    if (!end) continue;
    const plain = domain.slice(labels.start, end);
    const start = domain.indexOf(plain, found.at(-1)?.end ?? 0); // X finds it again so, at times too early
    found.push({ start, end: start + plain.length });
    labels.end = end;
  }
  return found;
}

/** @param {string} domain @param {number} position */
function nextLabels(domain, position) {
  PLAIN_LABELS.lastIndex = position;
  const found = PLAIN_LABELS.exec(domain);
  return found ? { start: found.index, end: PLAIN_LABELS.lastIndex } : null;
}

/**
 * Return whether a domain has no label that is too long, and the link is not too long.
 * @param {string} domain
 * @param {Link} link
 * @param {number} schemeLength
 */
function mayExist(domain, { start, end }, schemeLength) {
  if (domain.startsWith("xn--") && !plainDomains(domain).length) return false;
  return schemeLength + end - start <= MAX_LINK && domain.split(".").every((label) => hostLength(label) <= MAX_LABEL);
}

/**
 * Return the length of a label in Punycode (RFC 3492), or more than MAX_LABEL if it is longer than that.
 * @param {string} label
 */
function hostLength(label) {
  const parts = label.split(/[\u3002\uff0e\uff61]/); // other scripts' full stops
  const lengths = parts.map((part) => (/[^ -~]/.test(part) ? 4 + punycodeLength(part) : part.length));
  return lengths.reduce((sum, length) => sum + length, parts.length - 1);
}

/** @param {string} part */
function punycodeLength(part) {
  const points = Array.from(part, (character) => character.codePointAt(0) ?? 0);
  if (points.length > MAX_LABEL) return points.length; // each takes a character at least
  let done = points.filter((point) => point < 128).length;
  let length = done && done + 1;
  let delta = 0;
  let bias = 72;
  for (let last = 127, isFirst = true; done < points.length; delta++) {
    const point = Math.min(...points.filter((other) => other > last));
    delta += (point - last - 1) * (done + 1);
    for (const other of points) {
      if (other < point) delta++;
      if (other !== point) continue;
      let rest = delta;
      for (let k = 36; ; k += 36) {
        const digit = Math.max(1, Math.min(26, k - bias));
        length++;
        if (rest < digit) break;
        rest = Math.floor((rest - digit) / (36 - digit));
      }
      done++;
      bias = adapt(delta, done, isFirst);
      isFirst = false;
      delta = 0;
    }
    last = point;
  }
  return length;
}

/** @param {number} delta @param {number} done @param {boolean} isFirst */
function adapt(delta, done, isFirst) {
  delta = Math.floor(delta / (isFirst ? 700 : 2));
  delta += Math.floor(delta / done);
  let k = 0;
  for (; delta > 455; k += 36) delta = Math.floor(delta / 35);
  return k + Math.floor((36 * delta) / (delta + 38));
}
