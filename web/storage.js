// @ts-check
/** sessionStorage: values survive a reload and end with the tab. The page also works where storage is blocked. */

const PREFIX = "buzzguard.";

/**
 * @template T
 * @param {string} name
 * @param {T} fallback
 * @returns {T}
 */
export function load(name, fallback) {
  try {
    const stored = sessionStorage.getItem(PREFIX + name);
    return stored === null ? fallback : JSON.parse(stored);
  } catch {
    return fallback;
  }
}

/**
 * @param {string} name
 * @param {unknown} value
 * @returns {boolean} false if there was no room
 */
export function save(name, value) {
  try {
    sessionStorage.setItem(PREFIX + name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}
