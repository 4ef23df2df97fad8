import assert from "node:assert/strict";
import { test } from "node:test";
import { logLine } from "./log-line.ts";
import { stepLine } from "./proof.ts";
import { welcome } from "./welcome.ts";

test("a log line is shown with its time, level, event and fields, the telling ones first", () => {
  const line = JSON.stringify({
    level: "info",
    time: 0,
    size: 3,
    event: "accepted",
    client: "192.0.2.1",
    to: ["a@b"],
  });
  assert.equal(logLine(line), '1970-01-01 00:00:00.000 info  accepted client=192.0.2.1 to=["a@b"] size=3');
});

test("what a client brought into the log cannot speak to the terminal", () => {
  const hostile = JSON.stringify({ time: 0, level: "warn", event: "refused", from: "\u001b[2J\u202eevil" });
  const shown = logLine(hostile);
  assert.ok(!shown.includes("\u001b") && !shown.includes("\u202e"), shown);
  assert.ok(!logLine("\u001b]0;title\u0007 no JSON").includes("\u001b"));
});

test("a step's line says whether it held, its time and its detail", () => {
  assert.equal(
    stepLine({ name: "fetch", ok: true, ms: 8.25, detail: "ok" }),
    "  ✓ fetch          8.3 ms  ok",
  );
  assert.match(stepLine({ name: "SPF", ok: false, detail: "none" }), /^ {2}✗ SPF\s+none$/);
});

test("the welcome names endpoints, logins, where made-up passwords are, and three things to try, and no password", () => {
  const text = welcome(
    {
      name: "dev",
      hostname: "mail.green.test",
      endpoints: [{ service: "imaps", address: "127.0.0.1", port: 20993, security: "tls" }],
      logins: ["anna@green.test"],
      secretsFile: "/p/.mailkeep/dev/secrets.json",
      caCertificateFile: "/p/.mailkeep/dev/config/ca.pem",
    },
    { "anna@green.test": "hunter2" },
    "/p",
  );
  assert.match(text, /imaps {2}127\.0\.0\.1:20993 {2}TLS {2}reading/);
  assert.match(text, /\.mailkeep\/dev\/secrets\.json/);
  assert.match(text, /curl --cacert \.mailkeep\/dev\/config\/ca\.pem/);
  assert.ok(!text.includes("hunter2"));
});
