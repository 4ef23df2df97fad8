import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import os from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { needs, run } from "../../test/support/tools.ts";
import { perform } from "../admin/operations.ts";
import { startServer } from "../server.ts";
import { directoriesBelow } from "../settings/directories.ts";
import { writeHttpProof } from "../tls/acme/proof-files.ts";

const version = "0.0.0-test";
const owner = "test";
const POLICY = "version: STSv1\r\nmode: enforce\r\nmx: mail.green.test\r\nmax_age: 604800\r\n";
const NAMES = ["mail.green.test", "mta-sts.green.test", "autoconfig.green.test", "autodiscover.green.test"];

async function started(t: TestContext, web: object = {}, proxyProtocol: string[] = []) {
  const root = await mkdtemp(path.join(os.tmpdir(), "mailkeep-http-"));
  t.after(() => rm(root, { recursive: true, force: true }));
  const directories = directoriesBelow(root);
  const at = { address: "127.0.0.1", port: 0 };
  const settings = {
    hostname: NAMES[0]!,
    listeners: [
      { protocol: "http" as const, ...at, proxyProtocol },
      { protocol: "https" as const, ...at },
      { protocol: "imaps" as const, ...at },
      { protocol: "submissions" as const, ...at },
    ],
    dns: { servers: ["127.0.0.1:9"] },
    workers: { most: 1 },
    web: { mtaSts: { "green.test": POLICY }, ...web },
  };
  await perform("settings.put", { settings, owner }, { directories, version });
  await perform("domain.put", { domain: "green.test", owner }, { directories, version });
  await perform(
    "certificate.put",
    { names: NAMES, issuer: { type: "local-ca" }, owner },
    { directories, version },
  );
  const server = await startServer({
    directories,
    env: {},
    version,
    logToStdout: false,
    onStopRequested: () => {},
  });
  t.after(() => server.stop(500));
  const port = (protocol: string) => server.listeners().find((one) => one.protocol === protocol)?.port ?? 0;
  /** Status, type and body of what curl gets; names lead to the loopback, certificates are checked. */
  const curl = async (url: string, ...more: string[]) => {
    const { hostname, protocol } = new URL(url);
    const listener = port(protocol.slice(0, -1));
    const ran = await run("curl", [
      "-sS",
      "--max-time",
      "20",
      "--cacert",
      path.join(directories.config, "ca.pem"),
      "--connect-to",
      `${hostname}::127.0.0.1:${listener}`,
      "-w",
      "\n%{http_code} %{content_type}",
      ...more,
      url,
    ]);
    const [, body = "", status = "", type = ""] = /^([\s\S]*)\n(\d{3}) (.*)$/.exec(ran.stdout) ?? [];
    return { status: Number(status), type, body, error: ran.stderr };
  };
  return { directories, port, curl };
}

test("curl reads policies and settings over checked HTTPS, each for hosted domains alone (RFC 8461 §3.3)", async (t) => {
  if (!needs(t, "curl", "xmllint")) return;
  const { curl, directories } = await started(t);
  const policy = await curl("https://mta-sts.green.test/.well-known/mta-sts.txt");
  assert.deepEqual(policy, { status: 200, type: "text/plain", body: POLICY, error: "" });
  assert.equal((await curl("https://mail.green.test/.well-known/mta-sts.txt")).status, 404);

  const xml = async (text: string, xpath: string) => {
    const ran = await run("xmllint", ["--nonet", "--xpath", `string(${xpath})`, "-"], { input: text });
    assert.equal(ran.code, 0, ran.stderr);
    return ran.stdout.trim();
  };
  for (const url of [
    "https://autoconfig.green.test/mail/config-v1.1.xml?emailaddress=ann@green.test",
    "http://autoconfig.green.test/mail/config-v1.1.xml",
    "https://mail.green.test/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=ann%40green.test",
  ]) {
    const settings = await curl(url);
    assert.equal(settings.status, 200, url);
    assert.equal(
      await xml(settings.body, "/clientConfig/emailProvider/incomingServer[@type='imap']/hostname"),
      NAMES[0],
    );
    assert.equal(await xml(settings.body, "/clientConfig/emailProvider/outgoingServer/socketType"), "SSL");
  }
  const foreign = await curl("https://mail.green.test/mail/config-v1.1.xml?emailaddress=a@other.test");
  assert.equal(foreign.status, 404);

  const post = (address: string) =>
    curl(
      "https://autodiscover.green.test/Autodiscover/Autodiscover.xml",
      "-H",
      "content-type: text/xml",
      "-d",
      `<Autodiscover><Request><EMailAddress>${address}</EMailAddress></Request></Autodiscover>`,
    );
  const outlook = (await post("ann@green.test")).body;
  const local = (name: string) => `//*[local-name()='${name}']`;
  assert.equal(await xml(outlook, local("LoginName")), "ann@green.test");
  assert.equal(await xml(outlook, `count(${local("Protocol")})`), "2");
  assert.equal(await xml((await post("x@other.test")).body, local("ErrorCode")), "500");
  const json = await curl(
    "https://autodiscover.green.test/autodiscover/autodiscover.json/v1.0/ann@green.test?Protocol=AutodiscoverV1",
  );
  assert.deepEqual(JSON.parse(json.body), {
    Protocol: "AutodiscoverV1",
    Url: "https://autodiscover.green.test/autodiscover/autodiscover.xml",
  });

  const profile = "/apple.mobileconfig?email=ann@green.test";
  const apple = await curl(`https://mail.green.test${profile}`);
  assert.equal(apple.type, "application/x-apple-aspen-config");
  assert.equal(
    await xml(apple.body, "//key[.='IncomingMailServerHostName']/following-sibling::string"),
    NAMES[0],
  );
  assert.equal((await curl(`http://mail.green.test${profile}`)).status, 403);

  const token = "a".repeat(43);
  await writeHttpProof(directories.state, token, `${token}.thumb`);
  assert.equal(
    (await curl(`http://mail.green.test/.well-known/acme-challenge/${token}`)).body,
    `${token}.thumb`,
  );
  assert.equal((await curl("http://mail.green.test/.well-known/acme-challenge/..%2f..%2fca")).status, 404);
});

test("the metrics are for allowed networks, behind a proxy for the address that it names", async (t) => {
  if (!needs(t, "curl")) return;
  const open = await started(t);
  const metrics = await open.curl("http://mail.green.test/metrics");
  assert.match(metrics.body, /^# HELP /m);
  assert.match(metrics.type, /^text\/plain; version=0\.0\.4/);
  const closed = await started(t, { metricsFrom: ["192.0.2.0/24"] });
  assert.equal((await closed.curl("http://mail.green.test/metrics")).status, 404);
  const proxied = await started(t, { behindProxy: true }, ["127.0.0.1"]);
  const statusAs = async (client: string, target: string) => {
    const request = `GET ${target} HTTP/1.1\r\nhost: mail.green.test\r\nconnection: close\r\n\r\n`;
    const answer = await exchanged(
      proxied.port("http"),
      `PROXY TCP4 ${client} 127.0.0.1 4000 80\r\n${request}`,
    );
    return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);
  };
  assert.equal(await statusAs("198.51.100.7", "/metrics"), 404);
  assert.equal(await statusAs("127.0.0.1", "/metrics"), 200);
  assert.equal((await proxied.curl("http://mail.green.test/metrics", "--haproxy-protocol")).status, 200);
  const profile = "/apple.mobileconfig?email=ann@green.test";
  assert.equal(await statusAs("198.51.100.7", profile), 200, "the proxy ended the TLS");
});

/** What a port answers to these bytes before it ends the connection. */
function exchanged(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes, "latin1"));
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
    socket.setTimeout(15_000, () => socket.destroy());
  });
}

test("requests that are too large, no HTTP or of another method are refused, and the port goes on", async (t) => {
  if (!needs(t, "curl")) return;
  const { curl, port } = await started(t);
  const large = await curl(
    "http://autodiscover.green.test/autodiscover/autodiscover.xml",
    "-H",
    "expect:",
    "-d",
    "x".repeat(100_000),
  );
  assert.equal(large.status, 413);
  assert.equal((await curl("http://mail.green.test/metrics", "-X", "DELETE")).status, 405);
  assert.equal((await curl("http://mail.green.test/", "-H", `x: ${"y".repeat(40_000)}`)).status, 400);
  for (const bytes of [
    "\u0000\u0001\u0002\r\n\r\n",
    "GET http://[ HTTP/1.1\r\nhost: x\r\n\r\n",
    "EHLO x\r\n",
  ]) {
    const answer = await exchanged(port("http"), bytes);
    assert.match(answer, /^HTTP\/1\.1 400 /, JSON.stringify(bytes));
  }
  assert.equal((await curl("https://mail.green.test/")).status, 404);
});
