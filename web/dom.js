// @ts-check
/** What every part does to the document. Text only ever becomes text: nothing here parses HTML. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * The element of index.html with this id.
 * @template {Element} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} kind what it is
 * @returns {T}
 */
export function byId(id, kind = /** @type {new () => any} */ (HTMLElement)) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no such #${id}`);
  return found;
}

/**
 * A new element. Attributes that are functions listen to the event of their name, true is an empty attribute,
 * false and undefined are none.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | boolean | undefined | ((event: any) => void)>} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== false && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/**
 * A picture of index.html's sprite. It only repeats what the words beside it say.
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
 * @param {string} name of the button, whatever the language; `redraw` finds it again by that
 * @param {string | Node} label
 * @param {() => void} press
 * @param {string} [kind] primary or quiet
 */
export function button(name, label, press, kind) {
  return element("button", { type: "button", name, class: kind, click: press }, label);
}

/**
 * Replaces what is in an element. If the focus was in it, it stays: on the button of the same name, or on the element.
 * @param {HTMLElement} place that can have the focus
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
 * Ctrl+Enter, or ⌘ Enter, in a field of several lines submits its form.
 * @param {HTMLTextAreaElement} field
 */
export function submitWithControlEnter(field) {
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) field.form?.requestSubmit();
  });
}

/**
 * Says something to those who do not see the page change.
 * @param {string} text
 */
export function announce(text) {
  const announcer = byId("announcer");
  announcer.textContent = announcer.textContent === text ? `${text}\u00a0` : text; // the same again is a change too
}

/**
 * Shows a fault below a field, or none.
 * @param {HTMLElement} field
 * @param {HTMLElement} place where it is shown; the field is described by it
 * @param {string} text
 */
export function fault(field, place, text) {
  place.textContent = text;
  place.hidden = !text;
  if (!text) return field.removeAttribute("aria-invalid");
  field.setAttribute("aria-invalid", "true");
  field.focus();
  announce(text);
}
