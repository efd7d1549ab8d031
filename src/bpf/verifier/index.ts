export { type FuelCosts, fuelCosts } from "./fuelCosts.ts";
export { type InstructionPrices, type PricedInstructions, priceInstructions } from "./prices.ts";
export type { Rejection, RejectionCode } from "./rejection.ts";
export type { VerifiedFunction, VerifiedProgram } from "./verified.ts";
export { verify } from "./verify.ts";
