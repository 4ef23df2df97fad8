/** SpamAssassin's spamd with its stock rules, taught by sa-learn; what needs the network is off. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import * as fs from "node:fs";
import { connect } from "node:net";
import * as path from "node:path";
import { promisify } from "node:util";
import { version } from "../harness.ts";
import { endWithBench } from "./end-with-bench.ts";
import { freePort } from "./ports.ts";
import type { SpamJudge } from "./spam-judge.ts";

const run = promisify(execFile);
const programs = ["/usr/sbin/spamd", "/usr/bin/sa-learn"];

export const spamd: SpamJudge = {
  name: "spamd",
  missing() {
    const absent = programs.filter((program) => !fs.existsSync(program));
    return absent.length === 0 ? undefined : `${absent.join(" and ")} not installed`;
  },
  version: () => version("/usr/bin/sa-learn", "--version"),
  async start(directory) {
    const site = path.join(directory, "site");
    const temporary = path.join(directory, "tmp");
    for (const folder of [site, temporary]) fs.mkdirSync(folder);
    // Started as root it judges as nobody, who goes through these and writes what it keeps.
    fs.chmodSync(path.dirname(directory), 0o755);
    for (const folder of [directory, temporary]) fs.chmodSync(folder, 0o777);
    for (const name of fs.readdirSync("/etc/spamassassin").filter((one) => one.endsWith(".pre")))
      fs.copyFileSync(path.join("/etc/spamassassin", name), path.join(site, name));
    fs.writeFileSync(
      path.join(site, "local.cf"),
      `use_bayes 1\nbayes_auto_learn 0\nbayes_path ${directory}/bayes\nbayes_file_mode 0777\nskip_rbl_checks 1\ndns_available no\n`,
    );
    const port = await freePort();
    const arguments_ = ["--siteconfigpath", site, "--local", "--nouser-config", "--port", String(port)];
    const daemon = spawn(
      "/usr/sbin/spamd",
      [
        ...arguments_,
        "--listen",
        "127.0.0.1",
        "--max-children",
        "2",
        "--syslog",
        path.join(directory, "log"),
      ],
      { stdio: "ignore", env: { ...process.env, TMPDIR: temporary } },
    );
    const stop = endedWithBench(daemon);
    await answering(() => ask(port, "PING", Buffer.alloc(0)));
    return {
      async learn(messages) {
        for (const kind of ["spam", "ham"]) {
          const folder = path.join(directory, kind);
          fs.mkdirSync(folder);
          for (const [index, { spam, bytes }] of messages.entries())
            if (spam === (kind === "spam"))
              fs.writeFileSync(path.join(folder, String(index).padStart(6, "0")), bytes);
          await run("/usr/bin/sa-learn", [
            ...["--siteconfigpath", site, "--prefspath", "/dev/null"],
            ...["--local", "--no-sync", `--${kind}`, folder],
          ]);
        }
        await run("/usr/bin/sa-learn", ["--siteconfigpath", site, "--prefspath", "/dev/null", "--sync"]);
      },
      async isSpam(bytes) {
        const answer = await ask(port, "CHECK", bytes);
        const verdict = /^Spam: (True|False)/m.exec(answer)?.[1];
        if (verdict === undefined) throw new Error(`spamd answered ${answer.slice(0, 200)}`);
        return verdict === "True";
      },
      stop,
    };
  },
};

/** One command of the SPAMC protocol, version 1.5: the answer whole. */
function ask(port: number, command: string, message: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(`${command} SPAMC/1.5\r\nContent-length: ${message.length}\r\n\r\n`);
      socket.end(message);
    });
    socket.on("data", (piece: Buffer) => pieces.push(piece));
    socket.once("error", reject);
    socket.once("end", () => resolve(Buffer.concat(pieces).toString("latin1")));
  });
}

/** A way to end a process, which ends with the bench in any case. */
export function endedWithBench(child: ChildProcess): () => Promise<void> {
  if (child.pid === undefined) throw new Error(`${child.spawnfile} did not start`);
  const guarded = endWithBench([child.pid]);
  const exit = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return async () => {
    child.kill();
    await exit;
    guarded();
  };
}

/** Resolves once `attempt` succeeds, within ten minutes: on a busy machine rspamd compiles its patterns for several. */
export async function answering(attempt: () => Promise<unknown>): Promise<void> {
  const deadline = Date.now() + 600_000;
  for (;;) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
