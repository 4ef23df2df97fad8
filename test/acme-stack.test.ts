/**
 * A whole stack whose certificates an authority makes: pebble as the authority, the embedded engine, a real server process.
 * What a person sees when it works, when the authority cannot see the proof, when it is down, and when `up` is interrupted.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { freePort } from "../mailserver-runtime/dns/test-support.ts";
import { startPebble } from "../mailserver-runtime/tls/acme/pebble-for-tests.ts";
import { TestProject } from "./support/project.ts";

const HOST = "mail.green.test";

async function stack(t: TestContext) {
  const project = await TestProject.create();
  t.after(() => project.close());
  return project;
}

function declare(project: TestProject, certificate: object) {
  return project.configure({
    domains: [{ name: "green.test", mtaSts: { mode: "testing" } }],
    mailboxes: ["anna@green.test"],
    certificate,
  });
}

async function session(t: TestContext, port: number, servername: string): Promise<TLSSocket> {
  const socket = connect({ port, host: "127.0.0.1", servername, rejectUnauthorized: false });
  t.after(() => socket.destroy());
  await once(socket, "secureConnect");
  return socket;
}
const issuerOf = async (t: TestContext, port: number, servername: string) =>
  (await session(t, port, servername)).getPeerX509Certificate()?.issuer ?? "";

test("up waits for the certificates, every port serves them, and the next up has nothing to do", async (t) => {
  const project = await stack(t);
  const pebble = await startPebble(t, { httpPort: project.portBase + 80, nonceReject: 10 });
  if (pebble === undefined) return;
  const { directory, frontAuthority } = pebble;
  await declare(project, {
    type: "acme",
    directory,
    email: "op@green.test",
    directoryAuthorities: frontAuthority,
    keyTypes: ["ecdsa", "rsa"],
  });
  const up = await project.mailkeep("up", "--yes");
  assert.equal(up.code, 0, up.stdout + up.stderr);
  const { portBase } = project;
  for (const [port, name] of [
    [993, HOST],
    [465, HOST],
    [443, "mta-sts.green.test"],
    [443, "autoconfig.green.test"],
  ] as const)
    assert.match(await issuerOf(t, portBase + port, name), /Pebble/, `${name} at ${port}`);

  const again = await project.mailkeep("preview", "--expect-no-changes");
  assert.equal(again.code, 0, again.stdout);
  const refreshed = await project.mailkeep("refresh");
  assert.equal(refreshed.code, 0, refreshed.stdout + refreshed.stderr);
  assert.equal((await project.mailkeep("preview", "--expect-no-changes")).code, 0);

  const status = await project.mailkeep("tls", "status");
  assert.match(status.stdout, /^imaps \d+ mail\.green\.test: until \d{4}-.*by .*Pebble/m, status.stdout);
  assert.match(status.stdout, /^smtp \d+ mail\.green\.test: .*rsa 2048/m, "the other kind of key too");
  assert.match(status.stdout, /^declared mail\.green\.test: by https:.*issued; next order/m);

  // A renewal is the host's own business: no session notices.
  const open = await session(t, portBase + 993, HOST);
  const before = open.getPeerX509Certificate()?.serialNumber;
  assert.match((await project.mailkeep("tls", "renew", HOST)).stdout, /is ordered anew/);
  const deadline = Date.now() + 60_000;
  let serial = before;
  while (serial === before && Date.now() < deadline)
    serial = (await session(t, portBase + 993, HOST)).getPeerX509Certificate()?.serialNumber;
  assert.notEqual(serial, before);
  open.write("a NOOP\r\n");
  let heard = "";
  for await (const chunk of open as AsyncIterable<Buffer>) {
    heard += chunk;
    if (heard.includes("a OK")) break;
  }
  assert.match(heard, /a OK/);
});

test("a proof that the authority cannot see, and one that is down, fail up with the reason and leave mail running; the next up orders at once", async (t) => {
  const project = await stack(t);
  const pebble = await startPebble(t, { httpPort: await freePort() });
  if (pebble === undefined) return;
  const acme = { type: "acme", directory: pebble.directory, directoryAuthorities: pebble.frontAuthority };
  await declare(project, acme);
  const blind = await project.mailkeep("up", "--yes");
  assert.equal(blind.code, 1, blind.stdout);
  const said = blind.stdout + blind.stderr;
  assert.match(said, /mail\.green\.test: https:.* has not issued its certificate\. challenge: .*by http-01/);
  assert.match(said, /orders again at 20.*'up' orders at once/);
  assert.match(await issuerOf(t, project.portBase + 993, HOST), /mailkeep local authority/);

  await declare(project, { ...acme, directory: `https://127.0.0.1:${await freePort()}/dir` });
  const down = await project.mailkeep("up", "--yes");
  assert.equal(down.code, 1, down.stdout);
  assert.match(down.stdout + down.stderr, /unreachable: .*ECONNREFUSED/);

  const seeing = await startPebble(t, { httpPort: project.portBase + 80 });
  assert.ok(seeing);
  await declare(project, {
    ...acme,
    directory: seeing.directory,
    directoryAuthorities: seeing.frontAuthority,
  });
  const mended = await project.mailkeep("up", "--yes");
  assert.equal(mended.code, 0, mended.stdout + mended.stderr);
  assert.match(await issuerOf(t, project.portBase + 993, HOST), /Pebble/);
});
