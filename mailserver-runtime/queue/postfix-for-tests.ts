/** A Postfix that receives, for tests that deliver to a server others have written. */
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { until } from "./queue-for-tests.ts";

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}
/** Whether something greets there. */
export const answers = (port: number, host = "127.0.0.1"): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once("error", () => resolve(false));
    socket.once("data", () => {
      socket.destroy();
      resolve(true);
    });
  });

export const has = (command: string): boolean =>
  spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;

/** Missing tools skip a test with the reason, but not where everything is meant to be installed. */
export const skipWithout = (met: boolean, reason: string): string | false =>
  met || process.env.CI !== undefined ? false : reason;

const noPostfix = (): string =>
  has("postfix")
    ? `Postfix can only be started by root, and this is ${userInfo().username}`
    : "Postfix is not installed";
/** The reason why a test with Postfix cannot run here; false when it can. */
export const skipWithoutPostfix: string | false = skipWithout(
  has("postfix") && process.getuid?.() === 0,
  noPostfix(),
);

export interface PostfixOptions {
  /** Domains it takes mail for: bob and jürgen live in each. */
  readonly domains?: readonly string[];
  /** PEM; by default self-signed for mx.test. */
  readonly certificate?: { readonly key: string; readonly cert: string };
  /** Lines of main.cf in the place of the usual ones, and beside them. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** Lines of master.cf besides the usual ones. */
  readonly services?: readonly string[];
}

/** Starts one on a loopback port: everything is discarded, STARTTLS with its own certificate. */
export async function startPostfix(context: TestContext, options: PostfixOptions = {}): Promise<number> {
  const { domains = ["sink.test"], certificate } = options;
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), "mailkeep-postfix-"));
  chmodSync(directory, 0o755);
  const at = (name: string): string => join(directory, name);
  for (const name of ["config", "queue", "data"]) mkdirSync(at(name));
  const owner = Number(execFileSync("id", ["-u", "postfix"], { encoding: "utf8" }));
  chownSync(at("data"), owner, 0);
  if (certificate !== undefined) {
    writeFileSync(at("key"), certificate.key);
    writeFileSync(at("cert"), certificate.cert);
  } else selfSigned(at("key"), at("cert"));
  const settings = {
    compatibility_level: "3.6",
    queue_directory: at("queue"),
    data_directory: at("data"),
    maillog_file: at("maillog"),
    maillog_file_prefixes: tmpdir(),
    inet_interfaces: "127.0.0.1",
    inet_protocols: "ipv4",
    myhostname: "mx.test",
    mydestination: "",
    mynetworks: "127.0.0.2/32",
    alias_maps: "",
    virtual_mailbox_domains: domains.join(" "),
    virtual_mailbox_maps: `inline:{${domains.flatMap((domain) => [`bob@${domain}=x`, `jürgen@${domain}=x`]).join(", ")}}`,
    virtual_transport: "discard",
    smtpd_relay_restrictions: "reject_unauth_destination",
    smtpd_tls_security_level: "may",
    smtpd_tls_key_file: at("key"),
    smtpd_tls_cert_file: at("cert"),
    ...options.parameters,
  };
  writeFileSync(
    at("config/main.cf"),
    Object.entries(settings)
      .map((entry) => `${entry.join(" = ")}\n`)
      .join(""),
  );
  const services = [
    `127.0.0.1:${port} inet n - n - - smtpd`,
    "cleanup unix n - n - 0 cleanup",
    "qmgr unix n - n 300 1 qmgr",
    "rewrite unix - - n - - trivial-rewrite",
    "bounce unix - - n - 0 bounce",
    "defer unix - - n - 0 bounce",
    "trace unix - - n - 0 bounce",
    "proxymap unix - - n - - proxymap",
    "tlsmgr unix - - n 1000? 1 tlsmgr",
    "discard unix - - n - - discard",
    "error unix - - n - - error",
    "retry unix - - n - - error",
    "anvil unix - - n - 1 anvil",
    "postlog unix-dgram n - n - 1 postlogd",
    ...(options.services ?? []),
  ];
  writeFileSync(at("config/master.cf"), services.map((line) => `${line}\n`).join(""));
  const postfix = (command: string): void => {
    execFileSync("postfix", ["-c", at("config"), command], { stdio: "ignore", timeout: 20_000 });
  };
  context.after(() => {
    try {
      postfix("abort");
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
  postfix("start");
  await until(() => answers(port), "Postfix");
  return port;
}

function selfSigned(key: string, cert: string): void {
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  execFileSync("openssl", ["req", ...kind, "-subj", "/CN=mx.test", "-keyout", key, "-out", cert], {
    stdio: "ignore",
  });
}
