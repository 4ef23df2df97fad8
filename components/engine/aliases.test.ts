import assert from "node:assert/strict";
import test from "node:test";
import { AliasTable } from "./aliases.ts";
import type { Alias } from "./goal.ts";
import type { ResourceState } from "./resource-state.ts";

const urn = (type: string, name: string) => `urn:pulumi:dev::post::${type}::${name}`;
const olds = (...urns: string[]) =>
  new Map(
    urns.map((one): [string, ResourceState] => [
      one,
      { urn: one, custom: true, type: "t", inputs: {}, outputs: {} },
    ]),
  );
const spec = (more: Partial<Exclude<Alias, { urn: string }>>): Alias => ({
  name: "",
  type: "",
  stack: "",
  project: "",
  parent: "",
  noParent: false,
  ...more,
});

/** Registers a chain of resources and gives what each was found under. */
function found(
  known: string[],
  registrations: { urn: string; type: string; name: string; parent?: string; aliases?: Alias[] }[],
) {
  const table = new AliasTable("dev", "post", olds(...known));
  const seen = new Set<string>();
  return registrations.map(({ urn: own, type, name, parent = "", aliases = [] }) => {
    seen.add(own);
    return table.find(own, { type, name, parent, aliases }, seen).old?.urn;
  });
}

test("the own URN comes before any alias", () => {
  const own = urn("t", "new");
  assert.deepEqual(
    found([own, urn("t", "old")], [{ urn: own, type: "t", name: "new", aliases: [spec({ name: "old" })] }]),
    [own],
  );
});

test("each part of an alias stands for what was different", () => {
  const cases: [string, Alias][] = [
    [urn("t", "old"), spec({ name: "old" })],
    [urn("old", "x"), spec({ type: "old" })],
    ["urn:pulumi:prod::post::t::x", spec({ stack: "prod" })],
    ["urn:pulumi:dev::letters::t::x", spec({ project: "letters" })],
    [urn("box$t", "x"), spec({ parent: urn("box", "b") })],
    [urn("anything", "at all"), { urn: urn("anything", "at all") }],
  ];
  for (const [old, alias] of cases) {
    assert.deepEqual(
      found([old], [{ urn: urn("t", "x"), type: "t", name: "x", aliases: [alias] }]),
      [old],
      old,
    );
  }
  const top = urn("t", "x");
  const below = {
    urn: urn("box$t", "x"),
    type: "t",
    name: "x",
    parent: urn("box", "b"),
    aliases: [spec({ noParent: true })],
  };
  assert.deepEqual(found([top], [below]), [top]);
});

test("a child follows its parent's old URN, with its name when that begins with the parent's", () => {
  const known = [
    urn("box", "mail"),
    urn("box$t", "mail-config"),
    urn("box$t", "other"),
    urn("box$t$u", "mail-config-deep"),
  ];
  const parent = urn("box", "mx1");
  const child = urn("box$t", "mx1-config");
  assert.deepEqual(
    found(known, [
      { urn: parent, type: "box", name: "mx1", aliases: [spec({ name: "mail" })] },
      { urn: child, type: "t", name: "mx1-config", parent },
      { urn: urn("box$t", "other2"), type: "t", name: "other2", parent, aliases: [spec({ name: "other" })] },
      { urn: urn("box$t$u", "mx1-config-deep"), type: "u", name: "mx1-config-deep", parent: child },
    ]),
    known.with(1, urn("box$t", "mail-config")),
  );
});

test("a parent's new type is no obstacle for its children", () => {
  const known = [urn("oldbox", "b"), urn("oldbox$t", "x")];
  const parent = urn("newbox", "b");
  assert.deepEqual(
    found(known, [
      { urn: parent, type: "newbox", name: "b", aliases: [spec({ type: "oldbox" })] },
      { urn: urn("newbox$t", "x"), type: "t", name: "x", parent },
    ]),
    known,
  );
});

test("a resource that was continued under another URN cannot be claimed again", () => {
  const register = () =>
    found(
      [urn("t", "old")],
      [
        { urn: urn("t", "new"), type: "t", name: "new", aliases: [spec({ name: "old" })] },
        { urn: urn("t", "old"), type: "t", name: "old" },
      ],
    );
  assert.throws(register, /already continued as .*::new/);
});
