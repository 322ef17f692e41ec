// @ts-check
/** What the model that is served says of texts, and from which probability on it says hold, and publish. */

import { call, Problem } from "./api.js";

/** @typedef {{ name: string, version: string }} Model */
/** @typedef {{ hold: number, publish: number }} Thresholds */
/**
 * @typedef {{ prediction_id: string, label: string, probability: number, decision: "publish" | "review" | "hold",
 *   warnings: string[], explanation?: import("./tweet.js").Part[] }} Prediction
 */

/** @type {(Model & { thresholds: Thresholds }) | undefined} */
let served;

/**
 * One prediction a text, in their order. Rejects with a Problem.
 * @param {string[]} texts fit to be sent
 * @param {boolean} explain whether to say which words moved the score
 * @param {AbortSignal} cancel
 * @returns {Promise<{ predictions: Prediction[], model: Model }>}
 */
export async function predict(texts, explain, cancel) {
  const answer = await call("POST", "api/predict", { texts, explain }, cancel);
  if (answer?.predictions?.length !== texts.length) throw new Problem("failed"); // an API of another age
  return answer;
}

/** Asks for the thresholds. Rejects with a Problem. */
export async function ask() {
  served = (await call("GET", "api/models")).served;
}

/**
 * Those of the model that gave a verdict, if it is the one that was asked about.
 * @param {Model} model
 * @returns {Thresholds | undefined}
 */
export function thresholdsOf(model) {
  return served?.name === model.name && served.version === model.version ? served.thresholds : undefined;
}
