import assert from "node:assert/strict";
import test from "node:test";
import type { EngineEvent, StepOp, StepView } from "../../engine/events.ts";
import type { OperationResult } from "../../engine/operations.ts";
import { UNKNOWN } from "../../engine/provider.ts";
import type { ResourceState } from "../../engine/resource-state.ts";
import { secret } from "../../engine/wire.ts";
import { chooseDisplay, type OperationKind } from "./display.ts";
import { duration, showChange, showValue } from "./words.ts";

const PASSWORD = "Tr0ub4dor&3-hunter2";
const root = "urn:pulumi:dev::p::pulumi:pulumi:Stack::p-dev";
const box = "urn:pulumi:dev::p::t:index:Box::box";

const stateOf = (urn: string, inputs: Record<string, unknown>): ResourceState => ({
  urn,
  custom: true,
  type: "t:index:Mailbox",
  inputs,
  outputs: {},
});

function step(op: StepOp, urn: string, parent: string, more: Partial<StepView> = {}): StepView {
  const [type, name] = [urn.split("::")[2]!.split("$").at(-1)!, urn.split("::").at(-1)!];
  return { op, urn, type, name, parent, custom: true, changes: [], replaceKeys: [], ...more };
}

const anna = "urn:pulumi:dev::p::t:index:Box$t:index:Mailbox::anna";
const updated = step("update", anna, box, {
  old: stateOf(anna, { password: secret(PASSWORD), quota: "1G" }),
  next: stateOf(anna, { password: secret(`${PASSWORD}!`), quota: "2G" }),
  changes: [
    { path: "password", kind: "update", before: secret(PASSWORD), after: `${PASSWORD}!`, replaces: false },
    { path: "quota", kind: "update", before: "1G", after: "2G", replaces: true },
  ],
});
const created = step("create", `${anna}-new`, box, {
  next: stateOf(`${anna}-new`, { password: secret(PASSWORD), size: UNKNOWN }),
});

const EVENTS: EngineEvent[] = [
  ...[step("same", root, ""), step("same", box, root), updated, created].flatMap((view): EngineEvent[] => [
    { kind: "step-started", step: view },
    { kind: "step-done", step: view, seconds: 0.25 },
  ]),
  {
    kind: "step-failed",
    step: step("delete", "urn:pulumi:dev::p::t:index:Mailbox::ben", root),
    seconds: 1,
    message: "no",
  },
  { kind: "diagnostic", severity: "warning", urn: box, message: "careful" },
];

const RESULT: OperationResult = {
  succeeded: true,
  changed: true,
  stateChanged: true,
  seconds: 1.5,
  counts: { same: 2, update: 1, create: 1, "delete-replaced": 1 },
  outputs: { host: "mx1", password: secret(PASSWORD), nested: { deep: secret(PASSWORD) } },
};

function shown(
  kind: OperationKind,
  options: { json?: boolean; isTTY?: boolean; diff?: boolean; rows?: number },
): string {
  let text = "";
  const out = {
    write: (part: string) => (text += part),
    isTTY: options.isTTY ?? false,
    columns: 100,
    rows: options.rows ?? 40,
  };
  const display = chooseDisplay(
    { kind, stack: "dev", diff: options.diff ?? false, out },
    options.json ?? false,
  );
  for (const event of EVENTS) display.emit(event);
  display.end(RESULT);
  return text;
}

test("no display shows a secret, whatever its options", () => {
  for (const kind of ["preview", "up", "refresh", "destroy"] as const) {
    for (const options of [
      {},
      { json: true },
      { isTTY: true },
      { diff: true },
      { isTTY: true, diff: true },
    ]) {
      assert.ok(!shown(kind, options).includes("Tr0ub4dor"), `${kind} ${JSON.stringify(options)}`);
    }
  }
});

test("lines say what was done, property by property for a change, and sum up", () => {
  assert.equal(
    shown("up", {}),
    [
      "~ Mailbox anna: updated (0.3 s)",
      "    ~ password: [secret] → [secret]",
      '    ~ quota: "1G" → "2G"  (replaces)',
      "+ Mailbox anna-new: created (0.3 s)",
      "error: Mailbox ben: no",
      `warning: ${box}: careful`,
      "Outputs:",
      '    host: "mx1"',
      "    password: [secret]",
      '    nested: {"deep":"[secret]"}',
      "2 unchanged, 1 created, 1 updated (1.5 s)",
      "",
    ].join("\n"),
  );
});

test("a preview says what would be done, and with --diff every property of a new object", () => {
  const text = shown("preview", { diff: true });
  assert.match(
    text,
    /\+ Mailbox anna-new: create\n {4}\+ password: \[secret\]\n {4}\+ size: \[not known yet\]/,
  );
  assert.match(text, /2 unchanged, 1 to create, 1 to update \(1\.5 s\)/);
});

test("JSON is one object a line, with a summary at the end", () => {
  const lines = shown("up", { json: true })
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ event }) => event),
    ["step", "step", "step", "step", "step", "diagnostic", "summary"],
  );
  assert.deepEqual(lines[2].changes[1], {
    path: "quota",
    kind: "update",
    before: "1G",
    after: "2G",
    replaces: true,
  });
  assert.deepEqual(lines.at(-1).outputs, { host: "mx1", password: "[secret]", nested: { deep: "[secret]" } });
  assert.equal(lines[4].error, "no");
});

test("the tree shows what changes below its parents and leaves nothing half drawn", () => {
  const text = shown("up", { isTTY: true });
  assert.match(text, /Box box {2}unchanged\n.*~ {3}Mailbox anna {2}updated \(0\.3 s\)/);
  assert.ok(!text.includes("Stack"));
  assert.match(text.trimEnd().split("\n").at(-1)!, /^2 unchanged, 1 created, 1 updated \(1\.5 s\)$/);
});

test("values are short, secrets and unknowns are marks, times are readable", () => {
  assert.equal(showValue("x".repeat(200)).length, 80);
  assert.equal(showValue([secret("a"), UNKNOWN]), '["[secret]","[not known yet]"]');
  assert.equal(
    showChange({ path: "p", kind: "delete", before: secret("x"), replaces: false }),
    "- p: [secret]",
  );
  assert.deepEqual([0.04, 9.94, 12.4, 125].map(duration), ["0.0 s", "9.9 s", "12 s", "2 min 5 s"]);
});
