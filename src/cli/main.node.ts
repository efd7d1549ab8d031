#!/usr/bin/env node
import { fileFault } from "../problem/fileFault.node.ts";
import { ProblemError } from "../problem/index.ts";
import { reportFailure } from "./failure.node.ts";
import { problems } from "./options/problems.ts";
import { runCommandLine } from "./run.node.ts";

// A reader that went away (`| head`) ends the run quietly; a full disk is told.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  process.exit(reportFailure(new ProblemError(problems.output_unwritable({ reason: fileFault(error) }, { file: "standard output" }))));
});

process.exitCode = await runCommandLine(process.argv);
