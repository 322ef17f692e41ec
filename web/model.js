// @ts-check
/** Predictions and thresholds of the served model. */

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
 * Return one prediction per text, in order. Rejects with a Problem.
 * @param {string[]} texts sanitized
 * @param {boolean} explain whether to include the weight of each word
 * @param {AbortSignal} cancel
 * @returns {Promise<{ predictions: Prediction[], model: Model }>}
 */
export async function predict(texts, explain, cancel) {
  const answer = await call("POST", "api/predict", { texts, explain }, cancel);
  if (answer?.predictions?.length !== texts.length) throw new Problem("failed"); // an older API
  return answer;
}

/** Load the thresholds of the served model. Rejects with a Problem. */
export async function loadThresholds() {
  served = (await call("GET", "api/models")).served;
}

/**
 * Return the thresholds of a model, if they are loaded.
 * @param {Model} model
 * @returns {Thresholds | undefined}
 */
export function thresholdsOf(model) {
  return served?.name === model.name && served.version === model.version ? served.thresholds : undefined;
}
