import assert from "node:assert/strict";
import { test } from "node:test";
import { Metrics } from "./metrics.ts";

test("metrics are written in Prometheus' text format, with everything escaped that ends a line or a label", () => {
  const metrics = new Metrics();
  metrics.add({
    name: "mailkeep_test_total",
    help: "Back\\slash and\nline end.",
    type: "counter",
    read: () => [
      { value: 3 },
      { labels: { a: 'quote " \\ \n end', b: "2" }, value: Number.POSITIVE_INFINITY },
    ],
  });
  assert.equal(
    metrics.text(),
    "# HELP mailkeep_test_total Back\\\\slash and\\nline end.\n" +
      "# TYPE mailkeep_test_total counter\n" +
      "mailkeep_test_total 3\n" +
      'mailkeep_test_total{a="quote \\" \\\\ \\n end",b="2"} +Inf\n',
  );
});

test("a name is a metric's, and there once", () => {
  const metrics = new Metrics();
  const family = { name: "mailkeep_x", help: "", type: "gauge", read: () => [] } as const;
  metrics.add(family);
  assert.throws(() => metrics.add(family), /there is a metric mailkeep_x already/);
  assert.throws(() => metrics.add({ ...family, name: "mail keep" }), RangeError);
});
