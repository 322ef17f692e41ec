// @ts-check
/** Show a problem to the user, with a button that helps. */

import { button, element, icon } from "./dom.js";
import { t } from "./strings.js";

/** @typedef {import("./api.js").Problem} Problem */

/**
 * @param {Problem} problem
 * @param {{ label: string, act: () => void } | undefined} remedy the button's label and action
 * @param {"h2" | "h3"} heading
 */
export function problemBox(problem, remedy, heading = "h3") {
  const text = element(
    "div",
    { role: "alert" }, // without the button: its countdown must not be read aloud
    element(heading, {}, icon("error"), t(`problem.${problem.kind}`)),
    element("p", {}, t(`problem.${problem.kind}.text`, { detail: problem.detail })),
  );
  if (problem.request && problem.kind === "failed")
    text.append(element("p", { class: "hint" }, t("problem.request", { id: problem.request })));
  const box = element("div", { class: "problem", "data-problem": problem.kind }, text);
  const signIn = problem.kind === "signin";
  if (signIn) box.append(signInLink());
  if (remedy) box.append(withCountdown(button("remedy", remedy.label, remedy.act, signIn ? "" : "primary"), problem));
  return box;
}

/** Link to App Service's sign-in. It opens a new tab, so that the text in this one is not lost. */
function signInLink() {
  const href = "/.auth/login/aad";
  return element("a", { href, target: "_blank", rel: "noopener", class: "button primary" }, t("problem.signin.link"));
}

/**
 * Disable a button and count down until the service may be called again.
 * @param {HTMLButtonElement} again
 * @param {Problem} problem
 */
function withCountdown(again, problem) {
  const label = again.textContent;
  const tick = () => {
    const left = Math.ceil((problem.until - Date.now()) / 1000);
    again.disabled = left > 0;
    again.textContent = left > 0 ? t("problem.wait", { n: left }) : label;
    if (left > 0) setTimeout(tick, 250);
  };
  tick();
  return again;
}
