export { type Place, type Problem, ProblemError } from "./problem/index.ts";
