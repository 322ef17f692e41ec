// @ts-check
/** Starts the page: the language first, then its parts. */

import * as analyse from "./analyse.js";
import { announce, byId, element } from "./dom.js";
import * as key from "./key.js";
import * as many from "./batch.js";
import { alternative, choose, load, preferred, speak, t } from "./strings.js";
import * as tabs from "./tabs.js";

const PRIVACY = ["analyse", "answer", "kept", "erase", "tab"];

function draw() {
  const other = byId("language");
  other.lang = alternative();
  other.textContent = t("language");
  byId("shortcut").textContent = t("one.shortcut", {
    keys: /Mac|iP/.test(navigator.platform) ? "⌘ Enter" : "Ctrl + Enter",
  });
  byId("announcer").textContent = ""; // it would still speak the other one
  byId("privacy-text").replaceChildren(
    ...PRIVACY.flatMap((part) => [
      element("h3", {}, t(`privacy.${part}`)),
      element("p", {}, t(`privacy.${part}.text`)),
    ]),
  );
}

/** The text on personal data has an address of its own: #privacy. */
function privacy() {
  const dialog = byId("privacy", HTMLDialogElement);
  const open = () => {
    if (location.hash === "#privacy" && !dialog.open) dialog.showModal();
  };
  addEventListener("hashchange", open);
  dialog.addEventListener("close", () => {
    history.replaceState(null, "", location.pathname + location.search);
    byId("privacy-link").focus();
  });
  open();
}

document.addEventListener("language", draw);
tabs.start();
key.start();
analyse.start();
many.start();
byId("language").addEventListener("click", () => choose(alternative()).catch(() => announce(t("problem.unreachable"))));
await speak(preferred());
byId("starting").remove();
byId("page").hidden = false;
privacy();
load(alternative());
