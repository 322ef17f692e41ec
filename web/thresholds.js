// @ts-check
/** From which probability on the model that is served says hold, and publish. */

import { call } from "./api.js";

/** @typedef {{ name: string, version: string }} Model */
/** @typedef {{ hold: number, publish: number }} Thresholds */

/** @type {(Model & { thresholds: Thresholds }) | undefined} */
let served;

/** Asks the service. Rejects with a Problem. */
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
