import Table from "cli-table3";

/** A column: its heading, and whether its cells are numbers (set to the right). */
export interface Column {
  readonly heading: string;
  readonly right?: boolean;
}

const noBorders = Object.fromEntries(
  ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"]
    .concat(["left", "left-mid", "mid", "mid-mid", "right", "right-mid", "middle"])
    .map((name) => [name, ""]),
);

/** Rows under their headings, without borders, one space before each line; lines end with a newline, without trailing spaces. */
export function plainTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    chars: noBorders,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 3, compact: true },
    colAligns: columns.map((column) => (column.right ? "right" : "left")),
  });
  table.push(
    columns.map((column) => column.heading),
    ...rows.map((row) => [...row]),
  );
  return `${table
    .toString()
    .split("\n")
    .map((line) => ` ${line}`.trimEnd())
    .join("\n")}\n`;
}
