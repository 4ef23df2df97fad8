/**
 * SMTP on its way out: a queue of messages that could not be delivered goes to smtp-sink when that answers again.
 *
 * Each contestant takes the same messages for a forwarded address while nothing listens at the sink's port, so that all of
 * them have failed once and wait on disk. Then the sink is started and the queue is told to try again; the time is from
 * that command to the sink's count of the last message. DNS, journals and removal are in it, TLS is not: smtp-sink has none.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import { promisify } from "node:util";
import type { Cell } from "../harness.ts";
import type { Area } from "../main.ts";
import { mailkeep } from "../peers/outbound-mailkeep.ts";
import { forwardedAddress, type OutboundPeer } from "../peers/outbound-peer.ts";
import { postfix } from "../peers/outbound-postfix.ts";
import { freePort } from "../peers/ports.ts";

const run = promisify(execFile);

export const smtpOutbound: Area = {
  async prepare({ quick, directory }) {
    const peers = [postfix].filter((peer) => peer.missing() === undefined);
    const absent = [postfix].filter((peer) => peer.missing() !== undefined);
    const messages = quick ? 500 : 1000;
    const contestant = (peer: OutboundPeer) => ({
      name: peer.name,
      measure: (round: number) => once(peer, messages, path.join(directory, `${peer.name}-${round}`)),
    });
    const cell: Cell = {
      row: `${messages} queued messages to smtp-sink, 4 KiB`,
      unit: "messages/s",
      goal: 2,
      ours: contestant(mailkeep),
      peers: peers.map(contestant),
    };
    return {
      cells: [cell],
      versions: Object.fromEntries([
        ...[mailkeep, ...peers].map((peer) => [peer.name, peer.version()]),
        ...absent.map((peer) => [peer.name, `left out: ${peer.missing()}`]),
      ]),
      async close() {},
    };
  },
};

async function once(peer: OutboundPeer, messages: number, directory: string): Promise<number> {
  await fs.mkdir(directory, { recursive: true });
  const sinkPort = await freePort();
  const server = await peer.start(directory, sinkPort);
  try {
    await run("/usr/sbin/smtp-source", [
      ...["-s", "10", "-m", String(messages), "-l", "4096", "-d", "-4", "-M", "source.bench.test"],
      ...["-f", "sender@elsewhere.test", "-t", forwardedAddress, `127.0.0.1:${server.smtpPort}`],
    ]);
    await until(async () => (await server.waiting()) === messages, `${peer.name}'s queue`);
    const sink = startSink(sinkPort);
    try {
      await until(async () => sink.answers(), "smtp-sink");
      const begin = performance.now();
      await server.flush();
      await until(async () => sink.count() === messages, `${peer.name}'s deliveries`);
      return (messages / (sink.lastAt() - begin)) * 1000;
    } finally {
      sink.stop();
    }
  } finally {
    await server.stop();
  }
}

interface Sink {
  answers(): Promise<boolean>;
  /** Messages so far, and when the last change of that count was read. */
  count(): number;
  lastAt(): number;
  stop(): void;
}
function startSink(port: number): Sink {
  const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const sink: ChildProcess = spawn("/usr/sbin/smtp-sink", [...user, "-c", `127.0.0.1:${port}`, "1000"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let count = 0;
  let lastAt = 0;
  sink.stdout?.on("data", (bytes: Buffer) => {
    const said = [...bytes.toString("latin1").matchAll(/mesg=(\d+)/g)].at(-1)?.[1];
    if (said === undefined || Number(said) === count) return;
    count = Number(said);
    lastAt = performance.now();
  });
  return {
    answers: () =>
      run("/usr/bin/bash", ["-c", `exec 3<>/dev/tcp/127.0.0.1/${port} && read -r -t 2 <&3`]).then(
        () => true,
        () => false,
      ),
    count: () => count,
    lastAt: () => lastAt,
    stop: () => void sink.kill(),
  };
}

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  for (const deadline = Date.now() + 120_000; !(await holds()); ) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
