import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { dmsVariables, environmentSettings, mergedSettings } from "./environment.ts";
import { nearest } from "./nearest.ts";
import { parseSettings, parseSettingsText } from "./parse.ts";
import { settingsReference } from "./reference.ts";
import { settingRows } from "./rows.ts";
import { unsupportedVariables } from "./unsupported-variables.ts";

const noFiles = () => undefined;

test("Settings with only a hostname have every default of the schema", () => {
  const parsed = parseSettings({ hostname: "mail.example.org" });
  assert.ok(parsed.ok);
  assert.equal(parsed.settings.message.sizeLimit, 10_240_000);
  assert.equal(parsed.settings.tls.level, "modern");
  assert.equal(parsed.settings.listeners.length, 5);
});

test("A mistake names its key, and an unknown key the nearest known one", () => {
  const reasons = (value: unknown) => {
    const parsed = parseSettings(value);
    return parsed.ok ? [] : parsed.problems.map(({ key, reason }) => `${key} | ${reason}`);
  };
  assert.match(reasons({ hostname: "a", mesage: {} })[0]!, /^mesage \| .*did you mean "message"\?/);
  assert.match(
    reasons({ hostname: "a", message: { sizelimt: 1 } })[0]!,
    /^message\.sizelimt \| .*did you mean "message\.sizeLimit"\?/,
  );
  assert.match(
    reasons({ hostname: "a", listeners: [{ protocol: "imap", port: 1, adress: "::" }] })[0]!,
    /^listeners\.0\.adress \| .*did you mean "listeners\.address"\?/,
  );
  assert.match(reasons({})[0]!, /^hostname \| hostname must be given/);
  assert.match(reasons({ hostname: "a", message: { sizeLimit: "1" } })[0]!, /^message\.sizeLimit \| /);
  assert.match(reasons("nonsense")[0]!, /^settings \| /);
  assert.equal(nearest("zzzzzzzz", ["message", "tls"]), undefined);
});

test("No text makes the parser throw", () => {
  fc.assert(fc.property(fc.string(), (text) => void parseSettingsText(text)));
  fc.assert(fc.property(fc.jsonValue(), (value) => void parseSettings(value)));
});

test("Each DMS variable of the schema sets its setting, converted by its type", () => {
  const { values, problems } = environmentSettings(
    {
      OVERRIDE_HOSTNAME: "mail.example.org",
      SPOOF_PROTECTION: "0",
      POSTFIX_MESSAGE_SIZE_LIMIT: "25M",
      POSTFIX_MAILBOX_SIZE_LIMIT: "0",
      TLS_LEVEL: "intermediate",
      LOG_LEVEL: "",
      ENABLE_CLAMAV: "1",
    },
    noFiles,
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(values, {
    hostname: "mail.example.org",
    submission: { spoofProtection: false },
    message: { sizeLimit: 26_214_400 },
    mailbox: { sizeLimit: 0 },
    tls: { level: "intermediate" },
    engines: { clamd: true },
  });
  assert.ok(parseSettings(values).ok);
});

test("A DMS value that cannot be understood is named with its variable and left out", () => {
  const { values, problems } = environmentSettings(
    { TLS_LEVEL: "ancient", POSTFIX_MESSAGE_SIZE_LIMIT: "12", SPOOF_PROTECTION: "maybe" },
    noFiles,
  );
  assert.deepEqual(values, {});
  assert.deepEqual(problems.map(({ variable }) => variable).sort(), [
    "POSTFIX_MESSAGE_SIZE_LIMIT",
    "SPOOF_PROTECTION",
    "TLS_LEVEL",
  ]);
  assert.match(problems.find(({ variable }) => variable === "TLS_LEVEL")!.reason, /modern, intermediate/);
});

test("<VAR>__FILE supplies a variable unless it is set, and a missing file is a problem", () => {
  const readFile = (path: string) => (path === "/run/secrets/host" ? "mail.example.org\n" : undefined);
  assert.equal(
    environmentSettings({ OVERRIDE_HOSTNAME__FILE: "/run/secrets/host" }, readFile).values.hostname,
    "mail.example.org",
  );
  const both = environmentSettings(
    { OVERRIDE_HOSTNAME: "other.example.org", OVERRIDE_HOSTNAME__FILE: "/run/secrets/host" },
    readFile,
  );
  assert.equal(both.values.hostname, "other.example.org");
  assert.equal(both.problems.length, 1);
  assert.match(
    environmentSettings({ OVERRIDE_HOSTNAME__FILE: "/nowhere" }, readFile).problems[0]!.reason,
    /\/nowhere/,
  );
});

test("Settings are laid over others group by group, and no key reaches a prototype", () => {
  assert.deepEqual(mergedSettings({ a: { b: 1, c: 2 }, l: [1, 2] }, { a: { b: 3 }, l: [9] }), {
    a: { b: 3, c: 2 },
    l: [9],
  });
  mergedSettings({}, JSON.parse('{"__proto__":{"polluted":true}}'));
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
});

test("Every setting has a description, and no variable is named twice", () => {
  for (const row of settingRows) assert.ok(row.description !== "", row.key);
  const named = settingRows.filter((row) => row.dms !== undefined);
  assert.equal(named.length, dmsVariables.size);
});

test("docs/reference/settings.md is what the schema says", () => {
  const file = new URL("../../docs/reference/settings.md", import.meta.url);
  assert.equal(
    readFileSync(file, "utf8"),
    settingsReference(),
    "run: node mailserver-runtime/settings/write-reference.ts",
  );
});

test("SpamAssassin's thresholds of DMS are the filter's, with their fractions (SA_TAG, SA_TAG2, SA_KILL)", () => {
  const { values, problems } = environmentSettings(
    { SA_TAG: "-100000.0", SA_TAG2: "6.31", SA_KILL: "10.0", OVERRIDE_HOSTNAME: "mail.example.org" },
    noFiles,
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(values.filter, { tagScore: -100_000, junkScore: 6.31, rejectScore: 10 });
  assert.ok(parseSettings(values).ok);
  assert.match(environmentSettings({ SA_TAG2: "high" }, noFiles).problems[0]!.reason, /not a number/);
});

test("a variable of docker-mailserver either sets something or is named with what to do, never both", () => {
  for (const { name } of unsupportedVariables) assert.ok(!dmsVariables.has(name), `${name} sets something`);
  const { problems } = environmentSettings(
    {
      SRS_SENDER_CLASSES: "envelope_sender,header_sender",
      POSTSCREEN_ACTION: "enforce",
      SMTP_ONLY: "1",
      LOGWATCH_SENDER: "",
    },
    () => undefined,
  );
  assert.deepEqual(
    problems.map(({ variable }) => variable),
    ["SRS_SENDER_CLASSES", "SMTP_ONLY"],
  );
});
