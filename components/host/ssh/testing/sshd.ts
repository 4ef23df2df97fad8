/** A real sshd for tests: OpenSSH on a free port of loopback, with keys of its own, for the user who runs the tests. */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { freePort } from "../../../../test/support/loopback.ts";

export interface Sshd {
  readonly port: number;
  readonly user: string;
  /** Private keys in files; sshd takes the login of `key` and of `encryptedKey`, whose passphrase is "open sesame". */
  readonly key: string;
  readonly encryptedKey: string;
  readonly foreignKey: string;
  /** Public key line and fingerprint of the host key, by type. */
  readonly hostKeys: Readonly<Record<"ed25519" | "ecdsa" | "rsa", { line: string; fingerprint: string }>>;
  /** Ends it and every session of it. */
  stop(): Promise<void>;
}

const SSHD = "/usr/sbin/sshd";
const keyTypes = ["ed25519", "ecdsa", "rsa"] as const;

/** `lines` are added to sshd_config; `hostKeyTypes` are those it has. */
export async function startSshd({
  lines = [],
  hostKeyTypes = keyTypes,
}: {
  lines?: readonly string[];
  hostKeyTypes?: readonly (typeof keyTypes)[number][];
} = {}): Promise<Sshd> {
  const directory = mkdtempSync(join(tmpdir(), "sshd-"));
  const port = await freePort();
  // Its privilege separation wants this place, as the package's own service makes it.
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  const makeKey = (name: string, type: string, passphrase = "") => {
    const file = join(directory, name);
    execFileSync("ssh-keygen", ["-q", "-t", type, "-N", passphrase, "-f", file]);
    return file;
  };
  const key = makeKey("key", "ed25519");
  const encryptedKey = makeKey("encrypted", "ed25519", "open sesame");
  const foreignKey = makeKey("foreign", "ed25519");
  const hostKeys = Object.fromEntries(
    keyTypes.map((type) => {
      const file = makeKey(`host_${type}`, type);
      const line = readFileSync(`${file}.pub`, "utf8").split(" ").slice(0, 2).join(" ");
      const print = execFileSync("ssh-keygen", ["-lf", `${file}.pub`], { encoding: "utf8" });
      return [type, { line, fingerprint: print.split(" ")[1] ?? "" }];
    }),
  ) as Sshd["hostKeys"];
  writeFileSync(
    join(directory, "authorized_keys"),
    [key, encryptedKey].map((file) => readFileSync(`${file}.pub`, "utf8")).join(""),
    { mode: 0o600 },
  );
  const config = [
    ...lines,
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `AuthorizedKeysFile ${join(directory, "authorized_keys")}`,
    "StrictModes no",
    "PermitRootLogin yes",
    "UsePAM no",
    "PidFile none",
    ...hostKeyTypes.map((type) => `HostKey ${join(directory, `host_${type}`)}`),
  ];
  writeFileSync(join(directory, "sshd_config"), `${config.join("\n")}\n`);
  const child = spawn(SSHD, ["-D", "-e", "-f", join(directory, "sshd_config")], {
    stdio: ["ignore", "ignore", "pipe"],
    detached: true,
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  for (let tries = 0; !(await answers(port)); tries++) {
    if (child.exitCode !== null || tries > 200) throw new Error(`sshd does not start:\n${said}`);
    await wait(25);
  }
  return {
    port,
    user: userInfo().username,
    key,
    encryptedKey,
    foreignKey,
    hostKeys,
    async stop() {
      // Its sessions are in its process group.
      try {
        process.kill(-(child.pid as number), "SIGKILL");
      } catch {
        // It has ended already.
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
