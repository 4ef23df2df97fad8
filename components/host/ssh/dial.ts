/**
 * One ssh connection, logged in, with the pinned key seen; or a `HostError` that says what stood in the way. What comes of
 * a network that may be better in a moment is `unreachable`; a wrong key or a refused login is not tried again.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import type { Duplex } from "node:stream";
import { Client, type ConnectConfig } from "ssh2";
import { HostError } from "../host-error.ts";
import type { SshAuthentication, SshEndpoint } from "./connection-schema.ts";
import {
  algorithmsFor,
  fingerprint,
  type HostKeyPin,
  keyType,
  matches,
  parseHostKeyPin,
} from "./host-key.ts";

/** A machine that went silent is given up after three unanswered questions. */
const KEEPALIVE = { keepaliveInterval: 5_000, keepaliveCountMax: 3 } as const;

export interface Dialled {
  readonly client: Client;
  /** The public key the machine proved. */
  readonly hostKey: Buffer;
}

/** Through `through` where the way leads over another machine. The caller ends the client. */
export async function dial(
  to: SshEndpoint,
  milliseconds: number,
  through: (host: string, port: number) => Promise<Duplex | undefined> = async () => undefined,
): Promise<Dialled> {
  const pin = parseHostKeyPin(to.hostKey) ?? { kind: "first-use" };
  const credentials = credentialsOf(to);
  const until = Date.now() + milliseconds;
  const seen: Buffer[] = [];
  for (;;) {
    const algorithms = algorithmsFor(
      pin,
      seen.map((key) => keyType(key) ?? ""),
    );
    if (algorithms.length === 0) throw wrongKey(to, pin, seen);
    const sock = await through(to.address, to.port);
    const attempt = await connectOnce(
      {
        ...(sock ? { sock } : { host: to.address, port: to.port }),
        ...credentials,
        ...KEEPALIVE,
        username: to.user,
        readyTimeout: Math.max(1, until - Date.now()),
        algorithms: { serverHostKey: algorithms },
      },
      pin,
    );
    if (attempt.kind === "ready") return attempt;
    if (attempt.kind === "failed") {
      // The machine has no key of another type: the ones it showed are all there are.
      if (seen.length > 0) throw wrongKey(to, pin, seen);
      throw failure(to, attempt.error);
    }
    seen.push(attempt.hostKey);
    if (pin.kind === "key") throw wrongKey(to, pin, seen);
  }
}

type Attempt =
  | ({ readonly kind: "ready" } & Dialled)
  | { readonly kind: "wrong-key"; readonly hostKey: Buffer }
  | { readonly kind: "failed"; readonly error: Error & { level?: string; code?: string } };

function connectOnce(config: ConnectConfig & { password?: string }, pin: HostKeyPin): Promise<Attempt> {
  const client = new Client();
  return new Promise((resolve) => {
    let hostKey = Buffer.alloc(0);
    let refused = false;
    const hostVerifier = (key: Buffer): boolean => {
      hostKey = Buffer.from(key);
      refused = !matches(pin, hostKey);
      return !refused;
    };
    const failed = (error: Error) => {
      client.end();
      resolve(refused ? { kind: "wrong-key", hostKey } : { kind: "failed", error });
    };
    client.on("ready", () => resolve({ kind: "ready", client, hostKey }));
    client.on("error", failed);
    client.on("close", () => failed(new Error("the connection was closed before the login")));
    // PAM asks for a password in this way; whatever else it asks has no answer here.
    client.on("keyboard-interactive", (_name, _instructions, _language, prompts, answer) =>
      answer(prompts.map(() => config.password ?? "")),
    );
    try {
      client.connect({ ...config, hostVerifier });
    } catch (error) {
      failed(error instanceof Error ? error : new Error(String(error)));
    }
  });
}

function credentialsOf(
  to: SshEndpoint,
): Pick<ConnectConfig, "agent" | "privateKey" | "passphrase" | "password" | "tryKeyboard"> {
  const { auth } = to;
  switch (auth.type) {
    case "agent": {
      const agent = auth.socket ?? process.env.SSH_AUTH_SOCK;
      if (agent) return { agent };
      throw new HostError(
        "invalid",
        `There is no ssh agent to log in at ${nameOf(to)} with (SSH_AUTH_SOCK is not set): start one, or declare host.auth.`,
      );
    }
    case "key":
      return {
        privateKey: auth.privateKey ?? readKey(auth.file ?? ""),
        ...(auth.passphrase !== undefined && { passphrase: auth.passphrase }),
      };
    case "password":
      return { password: auth.password, tryKeyboard: true };
  }
}

function readKey(file: string): string {
  const path = file.startsWith("~/") ? `${homedir()}/${file.slice(2)}` : file;
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code = "unreadable" } = error as NodeJS.ErrnoException;
    throw new HostError("invalid", `The ssh key ${file} cannot be read (${code}): host.auth.file names it.`);
  }
}

/** `admin@192.0.2.1 port 2222`, without a port where it is ssh's own. */
export const nameOf = ({ user, address, port }: Pick<SshEndpoint, "user" | "address" | "port">): string =>
  `${user}@${address}${port === 22 ? "" : ` port ${port}`}`;

const means: Readonly<Record<SshAuthentication["type"], string>> = {
  agent: "the keys of the ssh agent",
  key: "the key",
  password: "the password",
};

function wrongKey(to: SshEndpoint, pin: HostKeyPin, seen: readonly Buffer[]): HostError {
  const shown = seen.map((key) => `${fingerprint(key)} (${keyType(key)})`).join(" and ");
  const pinned = pin.kind === "first-use" ? "nothing" : pin.fingerprint;
  return new HostError(
    "host-key",
    `${nameOf(to)} shows the host key ${shown || "of another type"}, but pinned is ${pinned}. Nothing was sent. Somebody may stand ` +
      "in between, or the machine was set up anew: compare with 'ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub' on its " +
      "console, and declare what that says as hostKey.",
  );
}

/** What ssh2 says, in sentences. Its messages carry no secret. */
function failure(to: SshEndpoint, error: Error & { level?: string; code?: string }): HostError {
  const name = nameOf(to);
  if (error.level === "client-authentication")
    return new HostError(
      "permission",
      `${name} does not take ${means[to.auth.type]} declared for ${to.user}. Look at its sshd's log, or declare another host.auth.`,
    );
  if (/privateKey|passphrase|private key/i.test(error.message) && error.level === undefined)
    return new HostError(
      "invalid",
      `The ssh key for ${name} cannot be used: ${/passphrase/i.test(error.message) ? "it is encrypted; its passphrase is missing or wrong" : "it is no private key in OpenSSH or PEM form"}.`,
    );
  if (error.level === "agent")
    return new HostError("invalid", `The ssh agent cannot be used to log in at ${name}: ${error.message}.`);
  if (error.level === "handshake" && /no matching/i.test(error.message))
    return new HostError(
      "host-key",
      `${name} and this machine have no algorithm in common: ${error.message}.`,
    );
  return new HostError("unreachable", `${name} cannot be reached by ssh: ${error.code ?? error.message}.`);
}
