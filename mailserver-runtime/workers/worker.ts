/**
 * What a worker is: the same foundation and the same protocols as the first process, over a store that knows whose
 * accounts are, and with the duties that exist once asked of the first process.
 */

import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { syncFailures } from "../disk/sync-failures.ts";
import { openFoundation } from "../foundation.ts";
import type { OpenLog } from "../net/pino-log.ts";
import { serveSocket } from "../net/serve-socket.ts";
import type { SocketConnection } from "../net/socket-connection.ts";
import { openOwnStore } from "../open-store.ts";
import { openSpoolWriter } from "../queue/spool-writer.ts";
import { createReentry } from "../reentry.ts";
import { openServing, type SharedDuties } from "../serving.ts";
import { joinIncarnation } from "../store/maildir/file-name.ts";
import { FRONT } from "./calls.ts";
import type { FromWorker, ToWorker } from "./lifecycle.ts";
import { SAMPLE_MS } from "./load-policy.ts";
import { resultOf, wiredAttempt } from "./login-by-wire.ts";
import { Member } from "./member.ts";
import { workerSpool } from "./worker-spool.ts";

export interface Worker {
  readonly log: OpenLog;
  /** Serves a client whose socket was handed over. */
  take(socket: Socket, message: Extract<ToWorker, { kind: "connection" | "session" }>): void;
  /** Lets its connections end; what is left after the time is destroyed. */
  drain(graceMs: number): Promise<void>;
  /** Everything on disk. */
  close(): Promise<void>;
}

export async function startWorker(
  start: Extract<ToWorker, { kind: "start" }>,
  say: (message: FromWorker) => void,
): Promise<Worker> {
  const { directories, number, logToStdout } = start;
  joinIncarnation(start.incarnation);
  const foundation = await openFoundation({
    directories,
    env: process.env,
    logToStdout,
    worker: number,
  });
  const { log, output, configuration, tls, resolver } = foundation;
  syncFailures.passTo((failure) => say({ kind: "sync-failed", failure }));
  const local = await openOwnStore(foundation);
  const member = await Member.open({
    self: number,
    directories,
    store: local,
    log,
    ownerOf: async (peers, account, purpose) =>
      (await peers.call(FRONT, "ownerOf", { account, purpose })).owner,
    answers: {
      async reload({ reopenLog }) {
        if (reopenLog) output.reopen();
        await configuration.reload();
        await tls.reload();
        resolver.flush();
        return null;
      },
    },
  });
  const ask = member.peers;
  const queue = await openSpoolWriter(
    `${directories.state}/queue`,
    {
      announced: (id) => ask.call(FRONT, "spooling", { id, stage: "announced" }),
      queued: (id) => ask.call(FRONT, "spooling", { id, stage: "queued" }),
      failed: (id) => ask.call(FRONT, "spooling", { id, stage: "failed" }),
    },
    log,
  );
  const shared: SharedDuties = {
    store: member.store,
    queue,
    authenticator: {
      verify: async (attempt) => resultOf(await ask.call(FRONT, "verify", wiredAttempt(attempt))),
      async close() {},
    },
    greylist: {
      ask: (question) => ask.call(FRONT, "greylist", question),
      knows: async (question) => (await ask.call(FRONT, "greylistKnows", question)).known,
    },
    limiter: {
      admit: (request) => ask.call(FRONT, "limit", request),
      giveBack: async (counted) => void (await ask.call(FRONT, "giveBack", counted)),
    },
    reenter: createReentry({
      snapshot: foundation.snapshot,
      routeRecipient: foundation.routeRecipient,
      store: member.store,
      queue: () => queue,
      log,
    }),
    // An offence nobody hears of is one that came while the server ended.
    offend: (offence) => void ask.call(FRONT, "offend", offence).catch(() => {}),
    hasMet: async (account, address) => (await ask.call(FRONT, "hasMet", { account, address })).met,
    unsigned: (domain) => void ask.call(FRONT, "unsigned", { domain }).catch(() => {}),
    engineAsked: (asked) => void ask.call(FRONT, "engineAsked", asked).catch(() => {}),
    elsewhere: (...session) => member.elsewhere(...session),
  };
  const serving = await openServing(foundation, shared, {
    spoolDirectory: workerSpool(directories, number),
  });
  member.serve(serving.resume);

  const open = new Map<SocketConnection, number>();
  let before = performance.eventLoopUtilization();
  const sampling = setInterval(() => {
    const after = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(after, before);
    before = after;
    say({ kind: "load", load: { utilisation: utilization, connections: open.size + member.sessions } });
  }, SAMPLE_MS).unref();

  return {
    log: output,
    take(socket, message) {
      const { protocol, connection: id } = message;
      const proxyProtocol = message.kind === "session" ? [] : [...message.proxyProtocol];
      // As the listener has it: a client that ends its side still gets its answers.
      socket.allowHalfOpen = true;
      const served = serveSocket(socket, {
        listener: { protocol, proxyProtocol },
        tls: tls.contexts,
        onConnection:
          message.kind === "session"
            ? (connection) => serving.continueSmtp(connection, protocol, message.state)
            : serving.serve[protocol]!,
        refusal: serving.refusals[protocol],
        // Without a proxy the first process has counted the client when it accepted.
        admit:
          proxyProtocol.length === 0
            ? () => undefined
            : async (address) =>
                (await ask.call(FRONT, "admit", { connection: id, address })).refused ?? undefined,
        log,
      });
      open.set(served, id);
      served.onClosed = () => {
        open.delete(served);
        say({ kind: "left", connection: id });
      };
    },
    async drain(graceMs) {
      const until = Date.now() + graceMs;
      for (const connection of open.keys()) connection.shutDown();
      await member.drain(graceMs);
      while (open.size > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
      for (const connection of open.keys()) connection.destroy();
    },
    async close() {
      clearInterval(sampling);
      await serving.close();
      await queue.close();
      await local.close();
      await member.close();
      await foundation.close();
    },
  };
}
