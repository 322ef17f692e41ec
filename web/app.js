// @ts-check
/** Start the page: the language first, then the parts. */

import * as analyse from "./analyse.js";
import * as batch from "./batch.js";
import { announce, byId, element } from "./dom.js";
import * as key from "./key.js";
import { loadStrings, otherLanguage, preferredLanguage, saveLanguage, setLanguage, t } from "./strings.js";
import * as tabs from "./tabs.js";

const PRIVACY = ["analyse", "answer", "kept", "erase", "tab"];

function draw() {
  const other = byId("language");
  other.lang = otherLanguage();
  other.textContent = t("language");
  byId("shortcut").textContent = t("one.shortcut", {
    keys: /Mac|iP/.test(navigator.platform) ? "⌘ Enter" : "Ctrl + Enter",
  });
  byId("announcer").textContent = ""; // it still holds a text in the other language
  byId("privacy-text").replaceChildren(
    ...PRIVACY.flatMap((part) => [
      element("h3", {}, t(`privacy.${part}`)),
      element("p", {}, t(`privacy.${part}.text`)),
    ]),
  );
}

/** Open the privacy dialog at #privacy, so that it can be linked to. */
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
batch.start();
byId("language").addEventListener("click", () => {
  saveLanguage(otherLanguage()).catch(() => announce(t("problem.unreachable")));
});
await setLanguage(preferredLanguage());
byId("starting").remove();
byId("page").hidden = false;
privacy();
loadStrings(otherLanguage());
