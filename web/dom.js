// @ts-check
/** Helpers for the document. They set text only and never parse HTML. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Return the element of index.html with this id.
 * @template {Element} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} kind its class
 * @returns {T}
 */
export function byId(id, kind = /** @type {new () => any} */ (HTMLElement)) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no such #${id}`);
  return found;
}

/**
 * Create an element. A function becomes a listener of the event with that name, true an empty attribute; false and
 * undefined are left out.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | boolean | undefined | ((event: any) => void)>} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== false && value !== undefined) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/**
 * Create an icon from the sprite in index.html. It is hidden from screen readers: the text beside it says the same.
 * @param {string} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `icon ${name}`);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/**
 * @param {string} name the same in every language; `redraw` finds the button by it
 * @param {string | Node} label
 * @param {() => void} press
 * @param {string} [kind] primary or quiet
 */
export function button(name, label, press, kind) {
  return element("button", { type: "button", name, class: kind, click: press }, label);
}

/**
 * Replace the children of an element. If it had the focus, the button with the same name or the element gets it back.
 * @param {HTMLElement} place must be focusable
 * @param {(Node | string)[]} content
 */
export function redraw(place, content) {
  const active = document.activeElement;
  const focused = active !== place && place.contains(active);
  const name = active instanceof HTMLButtonElement ? active.name : "";
  place.replaceChildren(...content);
  const again = name && place.querySelector(`button[name="${name}"]`);
  if (focused) (again instanceof HTMLElement ? again : place).focus();
}

/**
 * Submit the form of a textarea on Ctrl+Enter or ⌘ Enter.
 * @param {HTMLTextAreaElement} field
 */
export function submitWithControlEnter(field) {
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) field.form?.requestSubmit();
  });
}

/**
 * Announce a text to screen readers.
 * @param {string} text
 */
export function announce(text) {
  const announcer = byId("announcer");
  announcer.textContent = announcer.textContent === text ? `${text}\u00a0` : text; // a repeated text must be a change
}

/**
 * Show an error below a field, or clear it if the text is empty.
 * @param {HTMLElement} field
 * @param {HTMLElement} place the element that describes the field
 * @param {string} text
 */
export function showError(field, place, text) {
  place.textContent = text;
  place.hidden = !text;
  if (!text) return field.removeAttribute("aria-invalid");
  field.setAttribute("aria-invalid", "true");
  field.focus();
  announce(text);
}
