import { defineProblems } from "../../problem/index.ts";

export const problems = defineProblems({
  option_value: {
    message: "{option} {value}: {reason}",
    hint: "{expected}",
    exit: 2,
  },
  option_device_twice: {
    message: "--dev {name} is given twice",
    hint: "give each device one --dev; options that follow it belong to it",
    exit: 2,
  },
});
