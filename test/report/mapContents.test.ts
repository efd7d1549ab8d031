import { expect, test } from "vitest";
import { mapContentsText } from "../../src/report/mapContents.ts";

test("map contents take one line an entry and stay JSON", () => {
  const maps = {
    hits: [
      { key: 0, value: 2n ** 60n },
      { key: 1, value: { list: [1, 2] } },
    ],
    none: [],
  };
  const text = mapContentsText(maps);
  expect(text.split("\n")).toEqual([
    "{",
    '  "hits": [',
    '    {"key":0,"value":"1152921504606846976"},',
    '    {"key":1,"value":{"list":[1,2]}}',
    "  ],",
    '  "none": []',
    "}",
    "",
  ]);
  expect(JSON.parse(text)).toEqual({ hits: [{ key: 0, value: String(2n ** 60n) }, maps.hits[1]], none: [] });
  expect(mapContentsText({})).toBe("{}\n");
});
