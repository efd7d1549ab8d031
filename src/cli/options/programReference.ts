/** A program as the command line names it: `OBJ` or `OBJ:PROGRAM`. */
export interface ProgramReference {
  readonly path: string;
  readonly program?: string;
}

/**
 * Splits `OBJ[:PROGRAM]` at the last colon that no slash or backslash follows, so that `C:\x.o` and `./a:b/x.o` stay paths and
 * `C:\x.o:main` names a program.
 */
export function parseProgramReference(text: string): ProgramReference {
  const colon = text.lastIndexOf(":");
  if (colon <= 0 || colon === text.length - 1 || /[/\\]/.test(text.slice(colon + 1))) return { path: text };
  return { path: text.slice(0, colon), program: text.slice(colon + 1) };
}
