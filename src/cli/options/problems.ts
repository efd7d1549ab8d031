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
  option_program_choice: {
    message: "{file} holds {count} programs that fit {hook}, and none is named: {names}",
    hint: "name one, as in {file}:{first}",
    exit: 2,
  },
  option_program_missing: {
    message: "{file} has no program {name}; it has {names}",
    hint: "the name is that of the C function, or of its section",
    exit: 2,
  },
});
