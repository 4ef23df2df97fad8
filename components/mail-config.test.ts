import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { readMailConfig } from "./mail-config.ts";

function read(values: Record<string, unknown>) {
  const config = Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      `mailkeep:${key}`,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );
  pulumi.runtime.setAllConfig(config, ["mailkeep:passwords"]);
  return readMailConfig();
}

function refusal(values: Record<string, unknown>): string {
  try {
    read(values);
  } catch (error) {
    assert.ok(pulumi.RunError.isInstance(error), String(error));
    return error.message;
  }
  return assert.fail("nothing was refused");
}

test("the short form is a list of domains; the host is this machine", () => {
  assert.deepEqual(read({ mail: { domains: ["green.test"] } }), {
    domains: ["green.test"],
    host: { type: "local" },
  });
});

test("passwords come from their own key, as secrets", async () => {
  const args = read({
    mail: { domains: ["green.test"], mailboxes: ["a@green.test"] },
    passwords: { "a@green.test": "x" },
  });
  const password = args.passwords?.["a@green.test"];
  assert.ok(pulumi.Output.isInstance(password));
  assert.equal(await pulumi.isSecret(password as pulumi.Output<string>), true);
});

test("a stack without mailkeep:mail is told what is missing", () => {
  assert.match(refusal({}), /mailkeep:mail is missing/);
});

test("an unknown key is told with its place and the nearest known one", () => {
  assert.equal(
    refusal({ mail: { domains: ["green.test"], server: { portbase: 1 } } }),
    'mailkeep:mail.server.portbase is not known here; did you mean "portBase"?',
  );
  assert.match(
    refusal({ mail: { domain: ["green.test"] } }),
    /mailkeep:mail\.domain is not known here; did you mean "domains"\?/,
  );
  assert.match(
    refusal({ mail: { domains: [{ name: "green.test", dmark: {} }] } }),
    /mailkeep:mail\.domains\[0\]\.dmark is not known here; did you mean "dmarc"\?/,
  );
});

test("a wrong type is told with its place and without its value", () => {
  const message = refusal({ mail: { domains: "hunter2" } });
  assert.match(message, /mailkeep:mail\.domains must be a list/);
  assert.ok(!message.includes("hunter2"));
});

test("a secret in the plain key is refused with the command for its own key, and not shown", () => {
  const message = refusal({
    mail: { domains: ["green.test"], mailboxes: [{ address: "a@green.test", password: "hunter2" }] },
  });
  assert.match(message, /mailkeep:mail\.mailboxes\[0\]\.password is a secret/);
  assert.match(message, /config set --secret --path 'mailkeep:passwords\["a@green\.test"\]'/);
  assert.ok(!message.includes("hunter2"));
});

test("an empty password is told with the command that sets it", () => {
  const message = refusal({ mail: { domains: ["green.test"] }, passwords: { "a@green.test": "" } });
  assert.match(message, /mailkeep:passwords\["a@green\.test"\] is empty; set it: pulumi config set --secret/);
});

test("a key that is no map is told without its value", () => {
  const message = refusal({ mail: { domains: ["green.test"] }, passwords: "hunter2" });
  assert.match(message, /mailkeep:passwords is not a map/);
  assert.ok(!message.includes("hunter2"));
});

test("an unknown way to publish, and a value of the wrong kind in a list, are told with what there is", () => {
  assert.equal(
    refusal({ mail: { domains: ["green.test"], dns: { type: "carrier-pigeon" } } }),
    'mailkeep:mail.dns.type must be one of "host", "local", "cloudflare", "rfc2136", "zone-file", "manual"',
  );
  assert.match(refusal({ mail: { domains: [5] } }), /mailkeep:mail\.domains\[0\] must be a string/);
});

test("banning is read as it is declared, and a wrong field is told with its place", () => {
  const banning = { enabled: false, neverBanned: ["192.0.2.1"] };
  assert.deepEqual(read({ mail: { domains: ["green.test"], banning } }).banning, banning);
  assert.match(
    refusal({ mail: { domains: ["green.test"], banning: { maxretry: 3 } } }),
    /mailkeep:mail\.banning\.maxretry is not known here; did you mean "maxRetry"\?/,
  );
});
