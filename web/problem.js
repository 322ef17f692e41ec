// @ts-check
/** What went wrong, in words for people, and the button that does something about it. */

import { button, element, icon } from "./dom.js";
import { t } from "./strings.js";

/** @typedef {import("./api.js").Problem} Problem */

/**
 * @param {Problem} problem
 * @param {{ label: string, act: () => void } | undefined} remedy what the button says and does
 * @param {"h2" | "h3"} heading
 */
export function shown(problem, remedy, heading = "h3") {
  const said = element(
    "div",
    { role: "alert" }, // without the button, whose countdown nobody wants to hear
    element(heading, {}, icon("error"), t(`problem.${problem.kind}`)),
    element("p", {}, t(`problem.${problem.kind}.text`, { detail: problem.detail })),
  );
  if (problem.request && problem.kind === "failed")
    said.append(element("p", { class: "hint" }, t("problem.request", { id: problem.request })));
  const box = element("div", { class: "problem", "data-problem": problem.kind }, said);
  const signIn = problem.kind === "signin";
  if (signIn) box.append(signInLink());
  if (remedy) box.append(patient(button("remedy", remedy.label, remedy.act, signIn ? "" : "primary"), problem));
  return box;
}

/** To App Service's own sign-in, in a tab of its own: what is typed in this one stays. */
function signInLink() {
  const href = "/.auth/login/aad";
  return element("a", { href, target: "_blank", rel: "noopener", class: "button primary" }, t("problem.signin.link"));
}

/**
 * The button counts down and does nothing for as long as the service asked to wait.
 * @param {HTMLButtonElement} again
 * @param {Problem} problem
 */
function patient(again, problem) {
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
