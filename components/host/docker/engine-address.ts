/**
 * Where a Docker engine is reached: its socket file, TCP with TLS, or ssh as the operator's own `ssh` program does it. The
 * words are those of DOCKER_HOST, so an address that works for `docker` works here.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { HostError } from "../host-error.ts";

export const DEFAULT_ADDRESS = "unix:///var/run/docker.sock";

export interface EngineAddress {
  /** `unix:///path`, `tcp://host:port` or `ssh://[user@]host[:port]`. */
  readonly address: string;
  /** Directory with ca.pem, cert.pem and key.pem, for `tcp`: without it the connection would be open to everybody. */
  readonly certificates?: string;
}

/** Opens a connection to the engine; an error of it comes as the stream's. */
export type Dial = () => Duplex;

/** What is wrong with an address, in one sentence; undefined where nothing is. */
export function addressProblem({ address, certificates }: EngineAddress): string | undefined {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  switch (url?.protocol) {
    case "unix:":
      return url.pathname.length > 1 ? undefined : "names no socket file, as in unix:///var/run/docker.sock";
    case "tcp:":
    case "https:":
      return certificates === undefined
        ? "is reached over TCP, where only TLS keeps strangers out: name the directory with ca.pem, cert.pem and key.pem in `certificates`"
        : undefined;
    case "ssh:":
      if (url.password !== "")
        return "has a password in it; ssh takes a key from its agent or its configuration";
      return url.hostname === "" ? "names no host, as in ssh://root@mail.example.org" : undefined;
    default:
      return "is no address of a Docker engine: unix:///path, tcp://host:2376 or ssh://user@host";
  }
}

/** @throws {HostError} `invalid` for an address that is none */
export function dialer(engine: EngineAddress): Dial {
  const problem = addressProblem(engine);
  if (problem !== undefined)
    throw new HostError("invalid", `The Docker address "${engine.address}" ${problem}.`);
  const url = new URL(engine.address);
  switch (url.protocol) {
    case "unix:":
      return () => connect({ path: decodeURIComponent(url.pathname) });
    case "ssh:":
      return () => dialBySsh(url);
    default:
      return () => {
        const file = (name: string) => readFileSync(join(engine.certificates!, name));
        const host = url.hostname.replace(/^\[|\]$/g, "");
        return connectTls({
          host,
          port: Number(url.port || 2376),
          servername: /^[\d.:]+$/.test(host) ? undefined : host,
          ca: file("ca.pem"),
          cert: file("cert.pem"),
          key: file("key.pem"),
        });
      };
  }
}

/** As the docker client does it: the engine's own program joins its socket to ssh's standard streams. */
function dialBySsh(url: URL): Duplex {
  const args = [
    ...(url.username === "" ? [] : ["-l", decodeURIComponent(url.username)]),
    ...(url.port === "" ? [] : ["-p", url.port]),
    // A question that nobody can answer must fail, not wait.
    ...["-o", "BatchMode=yes", "-o", "ConnectTimeout=15"],
    ...["--", url.hostname.replace(/^\[|\]$/g, ""), "docker", "system", "dial-stdio"],
  ];
  const child = spawn("ssh", args, { stdio: ["pipe", "pipe", "pipe"] });
  const stream = Duplex.from({ writable: child.stdin, readable: child.stdout });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-1000);
  });
  child.on("error", (error) => stream.destroy(new Error(`ssh cannot be started: ${error.message}`)));
  child.on("close", (code) => {
    if (code !== 0) stream.destroy(new Error(said.trim() || `ssh ended with code ${code}`));
  });
  stream.on("close", () => child.kill());
  return stream;
}
