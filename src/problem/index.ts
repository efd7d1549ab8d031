export {
  allProblems,
  defineProblems,
  failure,
  type Place,
  type Problem,
  ProblemError,
  type ProblemRow,
  type Result,
  success,
} from "./problem.ts";
