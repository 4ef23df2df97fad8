import assert from "node:assert/strict";
import { test } from "node:test";
import { aliasPattern } from "../config/dms/alias-pattern.ts";
import { copiesOf } from "./copies.ts";
import { snapshotOf } from "./snapshot-for-tests.ts";

const snapshot = snapshotOf({
  copies: [
    { to: "journal@example.org" },
    { sender: "Ann@example.org", to: "boss@example.org" },
    { sender: "@example.org", to: "audit@away.example" },
    { recipient: "sales@example.org", to: "crm@away.example" },
    { recipient: "bücher.example", to: "books@example.org" },
  ],
});
const copies = (from: string, ...to: string[]) =>
  copiesOf(snapshot, from, to).map((copy) => `${copy.to} ${copy.rule} ${copy.recipients.join(",")}`);

test("the nearest key of a sender counts, as in sender_bcc_maps, and every message goes to the journal", () => {
  assert.deepEqual(copies("ANN@example.org", "x@y.example"), [
    "journal@example.org always x@y.example",
    "boss@example.org sender x@y.example",
  ]);
  assert.deepEqual(copies("ann+list@example.org", "x@y.example")[1], "boss@example.org sender x@y.example");
  assert.deepEqual(copies("bob@example.org", "x@y.example")[1], "audit@away.example sender x@y.example");
  assert.deepEqual(copies("", "x@y.example"), ["journal@example.org always x@y.example"]);
});

test("a copy by recipient tells of no other recipient (RFC 5321 §7.2)", () => {
  assert.deepEqual(
    copies("eve@far.example", "secret@far.example", "sales+x@example.org", "x@bücher.example"),
    [
      "journal@example.org always secret@far.example,sales+x@example.org,x@bücher.example",
      "crm@away.example recipient sales+x@example.org",
      "books@example.org recipient x@bücher.example",
    ],
  );
});

test("patterns of a pcre: table are asked after the keys, and may use what they matched (pcre_table(5))", () => {
  const origin = { file: "bcc.cf", line: 1, owner: "setup" } as const;
  const pattern = (rule: "sender" | "recipient", source: string, to: string) =>
    ({ rule, pattern: aliasPattern(source, "i"), target: { to, origin } }) as const;
  const patterned = {
    ...snapshot,
    copies: {
      ...snapshot.copies!,
      patterns: [
        pattern("recipient", "^(.*)@team\\.example$", "$1-archive@example.org"),
        pattern("recipient", "@team\\.example$", "never@example.org"),
        pattern("sender", "^(\\w+)@.*", "by-$1@example.org"),
      ],
    },
  };
  const found = copiesOf(patterned, "eve@far.example", ["Bob@team.example", "sales@example.org"]);
  assert.deepEqual(
    found.map(({ to, rule, recipients }) => `${to} ${rule} ${recipients.join(",")}`),
    [
      "journal@example.org always Bob@team.example,sales@example.org",
      "by-eve@example.org sender Bob@team.example,sales@example.org",
      "bob-archive@example.org recipient Bob@team.example",
      "crm@away.example recipient sales@example.org",
    ],
  );
});

test("who is named by several rules gets one copy", () => {
  const twice = snapshotOf({
    copies: [
      { recipient: "a@example.org", to: "j@example.org" },
      { recipient: "b@example.org", to: "j@example.org" },
    ],
  });
  assert.deepEqual(
    copiesOf(twice, "x@y.example", ["a@example.org", "b@example.org", "c@example.org"]).map(
      ({ recipients }) => recipients,
    ),
    [["a@example.org", "b@example.org"]],
  );
});

test("a rule that names nobody who could be written to is a problem and no rule", () => {
  const broken = snapshotOf({
    copies: [{ to: "nobody" }, { sender: "a@b.example", recipient: "c@d.example", to: "x@example.org" }],
  });
  assert.equal(broken.problems.length, 2);
  assert.deepEqual(copiesOf(broken, "a@b.example", ["c@d.example"]), []);
});
