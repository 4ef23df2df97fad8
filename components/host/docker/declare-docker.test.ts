/** What a stack on Docker declares, by Pulumi's mocks: no engine is asked. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import type { MailStackArgs } from "../../mail-stack-args.ts";
import type { DockerHostArgs } from "./docker-args.ts";
import { dockerHostConfig } from "./docker-config.ts";

const directory = mkdtempSync(join(tmpdir(), "declare-docker-"));
const cwd = process.cwd();
// Made-up passwords are kept below the project's directory.
before(() => process.chdir(directory));
after(() => {
  process.chdir(cwd);
  rmSync(directory, { recursive: true, force: true });
});

const digest = `ghcr.io/mailkeep/mailkeep@sha256:${"0".repeat(64)}`;
const dockerHost: DockerHostArgs = { type: "docker", directory: "/srv/mail", image: { reference: digest } };

interface Created {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
}

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
  "docker:index/remoteImage:RemoteImage": { imageId: `sha256:${"1".repeat(64)}${digest}` },
};

/** Everything a stack creates, in order. */
async function declare(args: Partial<MailStackArgs> = {}, host: Partial<DockerHostArgs> = {}) {
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
    "production",
    false,
  );
  const { MailStack } = await import("../../mail-stack.ts");
  const stack = new MailStack("mail", {
    domains: ["example.org"],
    mailboxes: ["anna@example.org"],
    passwords: { "anna@example.org": "a secret" },
    ...args,
    host: { ...dockerHost, ...host } as DockerHostArgs,
  });
  await new Promise((resolve) => stack.endpoints.apply(resolve));
  // Accounts come after the server.
  await new Promise((resolve) => setTimeout(resolve, 50));
  const of = (name: string) => created.find((one) => one.name === name)?.inputs;
  return { created, of, order: created.map(({ name }) => name) };
}

test("directories, keys and files come before the container, and accounts after it", async () => {
  const { order } = await declare();
  const at = (name: string) => {
    const index = order.indexOf(name);
    assert.ok(index >= 0, `${name} is not among ${order.join(", ")}`);
    return index;
  };
  for (const before of ["mail-directories", "mail-dkim-example.org", "mail-certificate", "mail-settings"])
    assert.ok(at(before) < at("mail-container"), before);
  assert.ok(at("mail-image") < at("mail-directories"));
  assert.ok(at("mail-container") < at("mail-server"));
  assert.ok(at("mail-server") < at("mail-anna@example.org"));
});

test("the container has a read-only root, few capabilities and no environment", async () => {
  const container = (await declare()).of("mail-container")!;
  assert.equal(container.name, "mailkeep-production");
  assert.equal(container.image, `sha256:${"1".repeat(64)}`);
  assert.equal(container.readOnly, true);
  assert.deepEqual((container.capabilities as { drops: string[] }).drops, ["ALL"]);
  assert.equal(container.envs, undefined);
  assert.equal(container.uploads, undefined);
  assert.deepEqual(
    (container.volumes as { hostPath: string }[]).map(({ hostPath }) => hostPath),
    ["/srv/mail/config", "/srv/mail/mail", "/srv/mail/state", "/srv/mail/log"],
  );
  const ports = (container.ports as { internal: number; external: number }[]).map(({ external }) => external);
  for (const port of [25, 465, 587, 143, 993]) assert.ok(ports.includes(port), String(port));
});

test("no change of settings, domains or mailboxes changes the container; ports and the image do", async () => {
  const container = async (...args: Parameters<typeof declare>) =>
    (await declare(...args)).of("mail-container");
  const first = await container();
  const changed = await container({
    domains: ["example.org", "example.net"],
    mailboxes: ["anna@example.org", { address: "ben@example.net", quota: "1G" }],
    passwords: { "anna@example.org": "a secret", "ben@example.net": "another" },
    filtering: { junkScore: 4 },
    server: { messageSizeLimit: "50M" },
  });
  assert.deepEqual(changed, first);
  assert.notDeepEqual(await container({ server: { ports: { smtp: 2525 } } }), first);
  const limited = await container({}, { memoryLimit: "1G" });
  assert.deepEqual({ ...limited, memory: undefined }, { ...first, memory: undefined });
  assert.equal(limited?.memory, 1024);
});

test("a sidecar is one switch: its container on the server's loopback, its memory, and the server's settings", async () => {
  const { of } = await declare(
    {},
    { sidecars: { rspamd: true, clamav: { image: "clamav:mine" }, unbound: true } },
  );
  const rspamd = of("mail-rspamd")!;
  assert.equal(rspamd.networkMode, "container:mail-container-id");
  assert.equal(rspamd.memory, 512);
  assert.equal(of("mail-clamav-image")?.name, "clamav:mine");
  assert.deepEqual(of("mail-clamav")?.volumes, [
    { volumeName: "mailkeep-production-clamav", containerPath: "/var/lib/clamav" },
  ]);
  const { settings } = of("mail-settings") as {
    settings: { engines: { list: { type: string }[] }; dns: object };
  };
  assert.deepEqual(
    settings.engines.list.map(({ type }) => type),
    ["rspamd", "clamd"],
  );
  assert.deepEqual(settings.dns, { servers: ["127.0.0.1:53"], authenticData: "loopback" });
  assert.equal(of("mail-host")?.memoryBytes, (256 + 512 + 3072 + 128) * 2 ** 20);
  const without = await declare();
  assert.equal(without.of("mail-rspamd"), undefined);
});

test("an image that is to be built needs the files it is built of", async () => {
  await assert.rejects(
    declare({}, { image: { base: "debian:bookworm-slim", context: directory } }),
    /has no dist-image; run 'npm run build:image' there/,
  );
});

test("a key in the docker host's configuration is refused with the target that takes one", () => {
  const refusal = (more: object) =>
    dockerHostConfig.safeParse({ ...dockerHost, ...more }).error?.issues[0]?.message;
  assert.equal(refusal({}), undefined);
  assert.equal(refusal({ address: "ssh://root@mail.example.org" }), undefined);
  for (const name of ["privateKey", "key", "auth", "password"])
    assert.match(refusal({ [name]: "-----BEGIN" })!, /is not for the docker target.* type "ssh"/);
  assert.match(refusal({ address: "tcp://10.0.0.5:2376" })!, /only TLS keeps strangers out/);
  assert.match(refusal({ directory: "mail" })!, /no absolute path on the engine's host/);
});
