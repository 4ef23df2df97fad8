import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import type { MailStackArgs } from "./mail-stack-args.ts";

const publicKey = generateKeyPairSync("rsa", { modulusLength: 2048 })
  .publicKey.export({ type: "spki", format: "der" })
  .toString("base64");

const facts: Record<string, Record<string, unknown>> = {
  "mailkeep:index:DkimKeys": {
    keys: [{ selector: "mk1", role: "current", algorithm: "rsa-2048", publicKey }],
  },
  "mailkeep:index:Certificate": {
    spkiSha256: "aa".repeat(32),
    nextSpkiSha256: "bb".repeat(32),
    rsaSpkiSha256: "",
    nextRsaSpkiSha256: "",
    caCertificatePem: "PEM",
  },
  "mailkeep:index:MailDirectories": { config: "/data/config" },
};

interface Created {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
}

const directories: string[] = [];
after(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "mail-stack-"));
  directories.push(directory);
  return directory;
}

/** What a program that declares one MailStack creates, in the order of creation. */
async function declare(args: Omit<MailStackArgs, "host">, directory = temporary(), preview = false) {
  const created: Created[] = [];
  await pulumi.runtime.setMocks(
    {
      call: () => ({}),
      newResource({ type, name, inputs }) {
        created.push({ type, name, inputs });
        return { id: `${name}-id`, state: { ...inputs, ...facts[type] } };
      },
    },
    "mailkeep",
    "dev",
    preview,
  );
  const { MailStack } = await import("./mail-stack.ts");
  const stack = new MailStack("mail", { host: { type: "local", directory }, ...args });
  const outputs = await new Promise<Record<string, unknown>>((resolve) => {
    pulumi
      .all([
        stack.hostname,
        stack.endpoints,
        stack.logins,
        stack.secretsFile,
        stack.recordsLeftOut,
        stack.urn,
      ])
      .apply(([hostname, endpoints, logins, secretsFile, leftOut]) =>
        resolve({ hostname, endpoints, logins, secretsFile, leftOut }),
      );
  });
  // Children that nothing waits for are registered in later turns.
  const expected =
    1 +
    1 +
    1 +
    1 +
    1 +
    args.domains.length * 3 +
    (args.mailboxes?.length ?? 0) +
    Object.keys(args.aliases ?? {}).length;
  for (let turn = 0; turn < 200 && created.length < expected + 2; turn++)
    await new Promise((next) => setTimeout(next, 5));
  return { created, outputs, directory };
}

const small = {
  domains: ["green.test", "blue.test"],
  mailboxes: ["anna@green.test", "ben@blue.test"],
  aliases: { "hello@green.test": ["anna@green.test", "ben@blue.test"] },
};

test("one argument declares host, keys, certificate, zones, server and accounts", async () => {
  const { created, outputs } = await declare(small);
  const count = (type: string) =>
    created.filter((resource) => resource.type === `mailkeep:index:${type}`).length;
  assert.deepEqual(
    [
      "MailDirectories",
      "DkimKeys",
      "Certificate",
      "Settings",
      "Zone",
      "Server",
      "Domain",
      "Mailbox",
      "Alias",
    ].map((type) => [type, count(type)]),
    [
      ["MailDirectories", 1],
      ["DkimKeys", 2],
      ["Certificate", 3],
      ["Settings", 1],
      ["Zone", 3],
      ["Server", 1],
      ["Domain", 2],
      ["Mailbox", 2],
      ["Alias", 1],
    ],
  );
  assert.equal(outputs.hostname, "mail.green.test");
  assert.deepEqual(outputs.logins, ["anna@green.test", "ben@blue.test"]);
});

test("directories come first, the server after keys, settings and zones, accounts after the server", async () => {
  const { created } = await declare(small);
  const first = (type: string) => created.findIndex((resource) => resource.type === `mailkeep:index:${type}`);
  const last = (type: string) =>
    created.findLastIndex((resource) => resource.type === `mailkeep:index:${type}`);
  assert.ok(first("MailDirectories") < first("DkimKeys"));
  for (const type of ["DkimKeys", "Certificate", "Settings", "Zone"])
    assert.ok(last(type) < first("Server"), type);
  for (const type of ["Domain", "Mailbox", "Alias"]) assert.ok(first(type) > last("Server"), type);
});

test("a zone publishes the key that the host made", async () => {
  const { created } = await declare(small);
  const zones = created.filter(({ type }) => type === "mailkeep:index:Zone");
  const green = zones.find(({ inputs }) => inputs.origin === "green.test");
  const sets = green?.inputs.recordSets as Record<string, string[]>;
  assert.ok(sets["mk1._domainkey.green.test TXT"]?.join("").replaceAll('" "', "").includes(publicKey));
});

test("a password that is not declared is made up once, kept for its owner alone, and the same in the next run", async () => {
  const { created, outputs, directory } = await declare(small);
  const file = join(directory, "secrets.json");
  assert.equal(outputs.secretsFile, file);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const { passwords } = JSON.parse(readFileSync(file, "utf8")) as { passwords: Record<string, string> };
  const anna = created.find(({ name }) => name === "mail-anna@green.test");
  assert.ok(JSON.stringify(anna?.inputs.password).includes(passwords["anna@green.test"]!));
  await declare({ ...small, mailboxes: [...small.mailboxes, "cleo@blue.test"] }, directory);
  const again = JSON.parse(readFileSync(file, "utf8")) as { passwords: Record<string, string> };
  assert.equal(again.passwords["anna@green.test"], passwords["anna@green.test"]);
  assert.ok(again.passwords["cleo@blue.test"]);
});

test("a preview writes no file", async () => {
  const { directory } = await declare(small, temporary(), true);
  assert.ok(!existsSync(join(directory, "secrets.json")));
});

test("a declared password is used, stays secret, and nothing is made up for it", async () => {
  const { created, outputs } = await declare({
    ...small,
    passwords: { "anna@green.test": "first-secret", "ben@blue.test": "two" },
  });
  assert.equal(outputs.secretsFile, undefined);
  const anna = created.find(({ name }) => name === "mail-anna@green.test");
  assert.deepEqual(anna?.inputs.password, {
    "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
    value: "first-secret",
  });
  assert.ok(!JSON.stringify(outputs).includes("first-secret"));
});

test("a mistake stops the program before any resource, without a stack trace", async () => {
  const created: string[] = [];
  await pulumi.runtime.setMocks({
    call: () => ({}),
    newResource({ name, inputs }) {
      created.push(name);
      return { id: name, state: inputs };
    },
  });
  const { MailStack } = await import("./mail-stack.ts");
  assert.throws(
    () =>
      new MailStack("mail", {
        host: { type: "local" },
        domains: ["green.test"],
        mailboxes: ["anna@blue.test"],
      }),
    (error) =>
      pulumi.RunError.isInstance(error) &&
      /mailboxes\[0\]: .*blue\.test, which is not declared/.test(error.message),
  );
  assert.deepEqual(
    created.filter((name) => name !== "mail"),
    [],
  );
});
