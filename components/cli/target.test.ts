import assert from "node:assert/strict";
import test from "node:test";
import { EngineError } from "../engine/errors.ts";
import { assertStateSurvives, targetOf } from "./target.ts";

test("the target is the declared host's type, and this machine where none is declared", () => {
  assert.deepEqual(
    [undefined, "{}", '{"host":"docker"}', '{"host":{"type":"ssh","address":"mx1"}}'].map(targetOf),
    ["local", "local", "docker", "ssh"],
  );
});

test("in CI a state inside the checkout is refused for every target but the local one", () => {
  const check = (target: string, backend: string, inCI: boolean) => () =>
    assertStateSurvives({ target, stack: "prod", backend, checkout: "/srv/project", inCI });
  const isRefusal = (error: unknown) =>
    error instanceof EngineError && error.code === "config" && /PULUMI_BACKEND_URL/.test(error.message);
  assert.throws(check("ssh", "/srv/project/.mailkeep", true), isRefusal);
  assert.throws(check("docker", "/srv/project", true), isRefusal);
  for (const [target, backend, inCI] of [
    ["local", "/srv/project/.mailkeep", true],
    ["ssh", "/srv/state", true],
    ["ssh", "/srv/project-state", true],
    ["ssh", "/srv/project/.mailkeep", false],
  ] as const) {
    assert.doesNotThrow(check(target, backend, inCI), `${target} ${backend} ${inCI}`);
  }
});
