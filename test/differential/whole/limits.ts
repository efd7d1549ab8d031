/** Functions behind a program; programs behind a PROG_ARRAY. */
export const FUNCTIONS = 2;
export const TAIL_PROGRAMS = 2;
