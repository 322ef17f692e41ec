// @ts-check
/** "Was this right?": send the feedback on a verdict, and take it back. */

import { call, Problem } from "./api.js";
import { announce, button, element, showError } from "./dom.js";
import { askForKey } from "./key.js";
import { problemBox } from "./problem.js";
import { t } from "./strings.js";
import { codePoints, MAX_LENGTH, sanitize } from "./tweet.js";

/** @typedef {import("./history.js").Entry} Entry */
/**
 * The state of the feedback on one verdict; stored with the verdict.
 * @typedef {{ state: "asked" | "sending" | "thanked" | "erasing", correct?: boolean, comment: string, share: boolean,
 *   undone?: boolean }} Answer
 */

/** @type {WeakMap<Answer, { problem: Problem, again: () => void }>} the last failed call for an answer */
const failures = new WeakMap();

/**
 * @param {Answer} [previous] for an earlier verdict on the same text: its comment is kept
 * @returns {Answer}
 */
export function unanswered({ comment, share } = { state: "asked", comment: "", share: false }) {
  return { state: "asked", comment, share };
}

/**
 * @typedef {object} Callbacks into the rest of the page
 * @property {() => void} save stores the entry
 * @property {() => void} redraw redraws the shown verdict and its questions
 * @property {() => void} again analyses the text of the entry again
 * @property {() => void} next starts the next tweet
 */

/** The questions about one verdict; redrawn whenever the answer's state changes. */
export class Questions {
  /**
   * @param {Entry} entry
   * @param {Callbacks} callbacks
   */
  constructor(entry, callbacks) {
    this.entry = entry;
    this.answer = entry.answer;
    this.callbacks = callbacks;
    this.box = element("section", { class: "feedback", "aria-labelledby": "feedback-heading" });
    this.draw();
  }

  /** @param {string} [focus] selector of the element to focus, unless the user has moved the focus elsewhere */
  draw(focus) {
    this.callbacks.save();
    if (this.box.hasChildNodes() && !this.box.isConnected) return this.callbacks.redraw(); // replaced by a newer box
    const { state } = this.answer;
    const failure = failures.get(this.answer);
    const free = document.activeElement === document.body || this.box.contains(document.activeElement);
    const next = button("next", t("feedback.next"), this.callbacks.next, state === "thanked" ? "primary" : "");
    this.box.dataset.state = failure ? "problem" : state;
    this.box.replaceChildren(
      ...(state === "asked" || state === "sending" ? this.question() : this.thanks()),
      failure ? problemBox(failure.problem, this.remedy(failure)) : "",
      element(
        "div",
        { class: "row" },
        element("p", { class: "hint model" }, t("verdict.model", this.entry.model)),
        next,
      ),
    );
    const target = free && focus && this.box.querySelector(focus);
    if (target instanceof HTMLElement) target.focus();
  }

  question() {
    const { answer } = this;
    const asked = element(
      "div",
      { class: "asked" },
      element("h3", { id: "feedback-heading" }, t("feedback.title")),
      element("p", { class: "hint" }, t(`feedback.${this.entry.prediction.label}`)),
    );
    const group = { class: "row", role: "group", "aria-labelledby": "feedback-heading" };
    return [
      element("div", group, asked, this.choice(true), this.choice(false)),
      answer.undone ? element("p", { class: "undone", tabindex: "-1" }, t("feedback.undone")) : "",
      answer.correct === undefined ? "" : this.details(),
    ];
  }

  /** @param {boolean} correct */
  choice(correct) {
    const name = correct ? "yes" : "no";
    const choose = () => {
      this.answer.correct = correct;
      delete this.answer.undone;
      this.draw(`[data-answer=${name}]`);
    };
    const chosen = button(name, t(`feedback.${name}`), choose);
    chosen.dataset.answer = name;
    chosen.setAttribute("aria-pressed", String(this.answer.correct === correct));
    return chosen;
  }

  details() {
    const { comment, over } = this.comment();
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      const n = codePoints(comment.value) - MAX_LENGTH;
      showError(comment, over, n > 0 ? t("feedback.tooLong", { n, most: MAX_LENGTH }) : "");
      if (n <= 0) this.send();
    };
    const sending = this.answer.state === "sending";
    const label = t(sending ? "feedback.sending" : "feedback.send");
    return element(
      "form",
      { class: "details", novalidate: true, submit },
      element("label", { for: "comment" }, t("feedback.comment")),
      comment,
      over,
      element("div", { class: "check" }, this.share(), element("label", { for: "share" }, t("feedback.share"))),
      element("p", { class: "hint", id: "share-hint" }, t("feedback.shareHint")),
      element("button", { type: "submit", class: "primary", "aria-disabled": String(sending) }, label),
    );
  }

  /** Create the comment field and the element for its error. */
  comment() {
    const over = element("p", { class: "fault", id: "comment-fault", hidden: true });
    const input = () => {
      this.answer.comment = comment.value;
      this.callbacks.save();
    };
    const comment = element("textarea", {
      id: "comment",
      rows: "2",
      dir: "auto",
      "aria-describedby": "share-hint comment-fault",
      input,
    });
    comment.value = this.answer.comment;
    return { comment, over };
  }

  share() {
    const change = () => {
      this.answer.share = share.checked;
      this.callbacks.save();
    };
    const share = element("input", { id: "share", type: "checkbox", "aria-describedby": "share-hint", change });
    share.checked = this.answer.share;
    return share;
  }

  thanks() {
    const { correct, state } = this.answer;
    const text = t(correct ? "feedback.thanks" : "feedback.thanksWrong");
    const erasing = state === "erasing";
    const undo = button("undo", t(erasing ? "feedback.undoing" : "feedback.undo"), () => this.erase(), "quiet");
    undo.setAttribute("aria-disabled", String(erasing));
    return [element("div", { class: "row" }, element("h3", { id: "feedback-heading", tabindex: "-1" }, text), undo)];
  }

  async send() {
    const { answer, entry } = this;
    if (answer.state === "sending") return; // ignore further clicks
    answer.state = "sending";
    failures.delete(answer);
    this.draw("[type=submit]");
    const comment = sanitize(answer.comment.trim());
    try {
      await call("POST", "api/feedback", {
        prediction_id: entry.prediction.prediction_id,
        correct: answer.correct,
        ...(comment && { comment }),
        ...(answer.share && { text: sanitize(entry.text), share_text: true }),
      });
      answer.state = "thanked";
      this.draw("#feedback-heading");
    } catch (error) {
      answer.state = "asked";
      this.failed(error, () => this.send());
    }
  }

  /** Erase the feedback: sent from here or, after a conflict, from elsewhere. */
  async erase() {
    const { answer, entry } = this;
    const before = answer.state;
    if (before === "erasing") return;
    answer.state = "erasing";
    failures.delete(answer);
    this.draw("[name=undo]");
    try {
      await call("DELETE", `api/feedback/${encodeURIComponent(entry.prediction.prediction_id)}`);
      Object.assign(answer, { state: "asked", undone: true });
      if (before === "thanked") delete answer.correct;
      this.draw(".undone");
      announce(t("feedback.undone"));
    } catch (error) {
      answer.state = before;
      this.failed(error, () => this.erase());
    }
  }

  /**
   * @param {unknown} error
   * @param {() => void} again
   */
  failed(error, again) {
    if (!(error instanceof Problem)) throw error;
    failures.set(this.answer, { problem: error, again });
    this.draw("[type=submit], [name=undo]");
    if (error.kind === "key") askForKey("feedback", again, true);
  }

  /** @param {{ problem: Problem, again: () => void }} failure */
  remedy({ problem: { kind }, again }) {
    if (kind === "key" || kind === "invalid") return undefined;
    if (kind === "conflict") return { label: t("problem.erase"), act: () => this.erase() };
    if (kind === "expired" || kind === "foreign") return { label: t("problem.analyse"), act: this.callbacks.again };
    return { label: t("problem.again"), act: again };
  }
}
