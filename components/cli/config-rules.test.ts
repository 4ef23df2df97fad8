import assert from "node:assert/strict";
import test from "node:test";
import type { Project } from "../engine/config/project.ts";
import { EngineError } from "../engine/errors.ts";
import { checkConfigRules } from "./config-rules.ts";

const project: Project = {
  name: "mailkeep",
  directory: "/project",
  main: "/project/index.ts",
  schema: {
    "mailkeep:mail": { type: "object" },
    "mailkeep:passwords": { type: "object" },
    "mailkeep:tokens": {},
    "mailkeep:ssh": {},
  },
};
const check = (raw: Record<string, unknown>) => checkConfigRules(project, "dev", raw);
const refused = (raw: Record<string, unknown>, expected: RegExp) =>
  assert.throws(
    () => check(raw),
    (error) => error instanceof EngineError && error.code === "config" && expected.test(error.message),
  );

test("a secret inside mailkeep:mail is refused with the key to move it to", () => {
  refused(
    { "mailkeep:mail": { mailboxes: [{ address: "anna@example.org", password: { secure: "v1:a:b" } }] } },
    /mailkeep:mail holds a secret at 'mailboxes\[0\]\.password'.*move it to mailkeep:passwords with 'mailkeep config set --secret/,
  );
  refused(
    { "mailkeep:mail": { dns: { type: "cloudflare", apiToken: "plain" } } },
    /'dns\.apiToken'.*move it to mailkeep:tokens/,
  );
  refused(
    { "mailkeep:mail": { host: { type: "ssh", privateKey: "-----BEGIN" } } },
    /'host\.privateKey'.*move it to mailkeep:ssh/,
  );
  refused({ "mailkeep:mail": { secure: "v1:a:b" } }, /mailkeep:mail holds a secret/);
});

test("structure without secrets passes, and secrets in their own keys do", () => {
  check({
    "mailkeep:mail": {
      domains: ["example.org"],
      mailboxes: ["anna@example.org", { address: "ben@example.org", quota: "1G" }],
    },
    "mailkeep:passwords": { "anna@example.org": { secure: "v1:a:b" } },
    "other:key": 1,
  });
});

test("a setting nobody knows is refused with the nearest known one", () => {
  refused(
    { "mailkeep:pasword": {} },
    /unknown setting 'mailkeep:pasword'; did you mean 'mailkeep:passwords'\?/,
  );
});
