/**
 * The server's first process: what exists once (bans, the queue, the store, the name server, the admin socket) and the
 * ports, put together with what every process has (`foundation.ts`) and does for its clients (`serving.ts`).
 *
 * Nothing is decided here. Each room gets what it asks for; the snapshot and the certificates are asked for
 * anew by every session, so that a changed file is in force with the next command. Ports open last, when
 * everything behind them stands, and close first.
 */

import { fileURLToPath } from "node:url";
import { connectAdmin } from "./admin/client.ts";
import type { LiveServer } from "./admin/context.ts";
import { startDkimClock } from "./admin/dkim-clock.ts";
import { Metrics } from "./admin/metrics.ts";
import { type AdminServer, startAdminServer } from "./admin/server.ts";
import { createAuthenticator } from "./auth/account-authenticator.ts";
import { declaredAppPasswords } from "./auth/app-passwords.ts";
import { verifyPassword } from "./auth/password/password.ts";
import { createTokenVerifier } from "./auth/token-verifier.ts";
import { openBans } from "./ban/bans.ts";
import { guardAuthenticator } from "./ban/guarded-authenticator.ts";
import { tooManyConnections } from "./ban/offence.ts";
import { deliveryLimits } from "./config/account-quota.ts";
import { readIfPresent } from "./config/durable-file.ts";
import { versionChange } from "./config/software-version.ts";
import { degradation, syncFailures } from "./disk/sync-failures.ts";
import { startNameServer } from "./dns/server.ts";
import { learnersOf } from "./filter/engines/engine-checks.ts";
import { EngineTally } from "./filter/engines/engine-tally.ts";
import { explainMessage } from "./filter/explained-message.ts";
import { UnsignedTally } from "./filter/unsigned-tally.ts";
import { openFoundation } from "./foundation.ts";
import { openGreylist } from "./greylist/greylist.ts";
import { watchHealth } from "./health/health.ts";
import { probe } from "./health/loopback-probe.ts";
import { withProbeLogin } from "./health/probe-account.ts";
import { createWebServer } from "./http/serve.ts";
import { isWeb, webFacts } from "./http/server-facts.ts";
import { createTeacher } from "./learning/teacher.ts";
import { ownAddresses } from "./net/own-addresses.ts";
import type { OpenLog } from "./net/pino-log.ts";
import { openOwnStore } from "./open-store.ts";
import { Ports } from "./ports.ts";
import { quarantineOperator } from "./quarantine/operator.ts";
import { declaredRelays, overflowRelay } from "./queue/declared-relays.ts";
import { openQueue } from "./queue/outbound-queue.ts";
import { openPublishedTls } from "./queue/published-tls.ts";
import { queueMetrics } from "./queue/queue-metrics.ts";
import { createReentry } from "./reentry.ts";
import { openSentReports } from "./reports/sent-reports.ts";
import { routesToAccount } from "./routing/routing.ts";
import { openServing, type SharedDuties } from "./serving.ts";
import type { Directories } from "./settings/directories.ts";
import type { Protocol, Settings } from "./settings/schema.ts";
import { openSubmissionLimiter } from "./smtp/submission-limits/limiter.ts";
import { keepRetention } from "./store/maildir/retention-sweep.ts";
import { sweepAccounts } from "./store/maildir/sweep-accounts.ts";
import { proofOffer } from "./tls/acme/proof-offer.ts";
import { startRenewals } from "./tls/acme/renewals.ts";
import { openFront } from "./workers/front.ts";
import { takeLease } from "./workers/lease.ts";
import { endLeftBehind } from "./workers/left-behind.ts";

export interface ServerOptions {
  readonly directories: Directories;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The version of this software. */
  readonly version: string;
  /** Log lines go to standard output as well. */
  readonly logToStdout: boolean;
  /** Whether it sends itself a message every five minutes to see that it works (`health/`). */
  readonly probes?: boolean;
  /** Asked for by an administrator; `main.ts` ends the process then. */
  readonly onStopRequested: (graceMs: number) => void;
  /** Another server took the volume over: this process must end at once, and write nothing more. */
  readonly onLeaseLost?: (reason: string) => void;
}
export interface RunningServer {
  readonly log: OpenLog;
  /** Ports as they are bound. */
  listeners(): readonly { readonly protocol: string; readonly address: string; readonly port: number }[];
  /** Reads all files again, and opens the log file anew (SIGHUP). */
  reload(): Promise<void>;
  /** No new connections; what is under way may end within `graceMs`; everything acknowledged is on disk throughout. */
  stop(graceMs: number): Promise<void>;
}

/** For each connection of a probe. */
const PROBE_TIMEOUT_MS = 8_000;
/** How often quarantined messages are looked at for their expiry. */
const QUARANTINE_SWEEP_MS = 600_000;

/** Starts everything; rejects with the first thing that cannot be had, and leaves nothing running then. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { directories, version } = options;
  const closers: (() => Promise<unknown> | unknown)[] = [];
  const startedAt = new Date();
  await refuseSecondServer(directories);
  try {
    const foundation = await openFoundation(options);
    closers.push(() => foundation.close());
    const { log, output, configuration, snapshot, settings, resolver, tls } = foundation;
    const onLost = (reason: string) => {
      log.error({ event: "lease-lost", reason }, "another server has this one's volume; it ends");
      options.onLeaseLost?.(reason);
    };
    const stateLease = await takeLease({ directory: directories.state, name: "lease", log, onLost });
    closers.push(() => stateLease.release());
    await endLeftBehind(directories, log);
    const changed = await versionChange(directories.state, version, () =>
      readIfPresent(fileURLToPath(new URL("../CHANGELOG.md", import.meta.url))),
    );
    if (changed !== undefined)
      log.warn(
        { event: "version-changed", ...changed },
        "another version used these files before; `mailkeep docs changelog` says what changed",
      );

    const { authoritative } = settings().dns;
    const nameServer =
      authoritative &&
      (await startNameServer({ ...authoritative, zoneDirectory: `${directories.config}/zones`, log }));
    closers.push(() => nameServer?.close());

    const ownStore = await openOwnStore(foundation);
    closers.push(() => ownStore.close());
    const mailLease = await takeLease({ directory: directories.mail, name: ".mailkeep-lease", log, onLost });
    closers.push(() => mailLease.release());
    const bans = await openBans({
      directories,
      hostname: () => settings().hostname,
      settings: () => settings().ban,
      trusted: proxiesOf(settings),
      log,
    });
    closers.push(() => bans.close());
    const isOwn = ownAddresses();
    const { authenticator, secret: probeSecret } = withProbeLogin(
      guardAuthenticator({
        authenticator: createAuthenticator({
          snapshot,
          verifyPassword,
          masterHash: (name) => snapshot().masters?.get(name)?.passwordHash,
          tokens: createTokenVerifier({ settings: () => settings().oauth2, log }),
          appPasswords: declaredAppPasswords(snapshot),
          log,
        }),
        bans,
        settings: () => settings().ban,
        log,
      }),
      isOwn,
    );
    closers.push(() => authenticator.close());
    const limiter = await openSubmissionLimiter({ path: `${directories.state}/submission-limits`, log });
    closers.push(() => limiter.close());
    const greylist = await openGreylist({ path: `${directories.state}/greylist`, log });
    closers.push(() => greylist.close());
    const ports = new Ports();
    const engineTally = new EngineTally();
    const unsignedTally = new UnsignedTally(log);
    const front = await openFront({
      foundation,
      env: options.env,
      logToStdout: options.logToStdout,
      store: ownStore,
      authenticator,
      limiter,
      greylist,
      bans,
      engineAsked: (asked) => engineTally.note(asked),
      unsigned: (domain) => unsignedTally.note(domain),
      queue: () => queue,
      connections: () => ports.connections,
    });
    const { member, pool } = front;
    closers.push(
      () => member.close(),
      () => pool.close(),
    );
    const { store } = member;
    const { routeRecipient } = foundation;
    const enter = createReentry({ snapshot, routeRecipient, store, queue: () => queue, log });
    const relays = declaredRelays(snapshot);
    const publishedTls = await openPublishedTls({ directory: directories.state, resolver, settings, log });
    closers.push(() => publishedTls.close());
    const reports = openSentReports({
      directory: directories.state,
      resolver,
      snapshot,
      submit: enter,
      log,
    });
    closers.push(() => reports.close());
    // A copy that waited is for its account alone: an alias of the same name has sent the others already.
    const toAccount = createReentry({
      snapshot,
      routeRecipient: (at, address) => routesToAccount(routeRecipient(at, address), address),
      limits: deliveryLimits,
      store,
      queue: () => queue,
      log,
    });
    const queue = await openQueue({
      ...publishedTls,
      onTls: reports.onTls,
      directory: `${directories.state}/queue`,
      resolver,
      settings,
      log,
      report: async (submission) => void (await enter(submission)),
      local: {
        hosts: (domain) =>
          settings().submission.hostedDomains === "direct" && snapshot().domain(domain) !== undefined,
        deliver: toAccount,
      },
      relayFor: (from, recipient) => relays(from, recipient).relay,
      overflowRelay: () => overflowRelay(snapshot()),
      warmUpFile: `${directories.state}/warm-up`,
      // Mail of a hosted domain that takes the MX's way is meant to come back.
      isOurself: (domain, host, at) => {
        const { hostname, listeners } = settings();
        if (snapshot().domain(domain) !== undefined) return false;
        if (at === undefined) return host.toLowerCase() === hostname.toLowerCase();
        return (
          listeners.some(({ protocol, port }) => protocol === "smtp" && port === at.port) && isOwn(at.address)
        );
      },
    });
    closers.push(() => queue.close(0));
    const metrics = new Metrics();
    metrics.add(...queueMetrics(queue, Date.now), ...engineTally.families(), unsignedTally.family());

    const shared: SharedDuties = {
      store,
      queue,
      authenticator,
      offend: bans.offend,
      limiter,
      greylist: {
        ask: async (question) => greylist.ask(question),
        knows: async (question) => greylist.knows(question),
      },
      reenter: enter,
      hasMet: async (account, address) => limiter.hasMet(account, address),
      engineAsked: (asked) => engineTally.note(asked),
      unsigned: (domain) => unsignedTally.note(domain),
      elsewhere: (...session) => member.elsewhere(...session),
    };
    const serving = await openServing(foundation, shared, {
      spoolDirectory: `${directories.state}/incoming`,
      move: (connection, state) => pool.move(() => ports.giveAway(connection), state),
    });
    closers.push(() => serving.close());
    const teacher = createTeacher({
      directory: `${directories.state}/learning`,
      classifier: serving.classifier,
      learners: () => learnersOf(settings().engines),
      log,
    });
    teacher.start();
    closers.push(() => teacher.close());
    const expiring = setInterval(() => void expire(), QUARANTINE_SWEEP_MS).unref();
    closers.push(() => clearInterval(expiring));
    const expire = async () => {
      await serving.quarantine.expire().catch((error: unknown) => {
        log.error({ event: "quarantine-sweep-failed", error: String(error) });
      });
    };
    void expire();
    member.serve(serving.resume);
    await pool.startLeast();
    const web = createWebServer(
      webFacts({ directories, snapshot, listeners: () => ports.list(), metrics }),
      log,
    );
    const serve = { ...serving.serve, http: web, https: web };
    await ports.open(
      settings().listeners,
      { ...serving, serve },
      {
        tls: tls.contexts,
        refuses: bans.refusal,
        onTooMany: (client, protocol) => bans.offend({ kind: tooManyConnections(protocol), client }),
        // The metrics, and what an authority looks for, are this process's.
        handOver: (socket, accepted) => !isWeb(accepted.listener.protocol) && pool.handOver(socket, accepted),
        tlsProof: (hello) => proofOffer(directories.state, hello),
        log,
      },
    );
    closers.push(() => ports.close(0));
    void bans.arm(ports.reachedDirectly());

    const renewals = startRenewals({
      directories,
      log,
      resolver,
      onIssued: () => Promise.all([tls.reload(), front.reload("files")]),
    });
    closers.push(() => renewals.close());

    const problems = () => [
      ...[...(nameServer?.problems() ?? []), ...bans.problems()].map((one) => ({ ...one })),
      ...foundation.freeSpace.problems(),
      ...renewals.problems(),
      ...syncFailures.list().map(degradation),
    ];
    const watch =
      options.probes === true
        ? watchHealth({
            probe: () =>
              probe({
                listeners: ports.list().map((port, index) => ({
                  ...port,
                  protocol: port.protocol as Protocol,
                  behindProxy: (settings().listeners[index]?.proxyProtocol.length ?? 0) > 0,
                })),
                secret: probeSecret,
                canLogIn: tls.status().some(({ names }) => names.length > 0),
                timeoutMs: PROBE_TIMEOUT_MS,
              }),
            problems: () =>
              [...snapshot().problems, ...problems()].map(
                ({ file, line, reason }) => `${file}${line > 0 ? `:${line}` : ""}: ${reason}`,
              ),
            log,
          })
        : undefined;
    closers.push(() => watch?.close());

    async function reloadFiles(): Promise<void> {
      await Promise.all([tls.reload(), nameServer?.reload(), bans.reload(), front.reload("files")]);
      void renewals.look();
      // Zones served here may say something else now; what is asked elsewhere is only asked once more.
      resolver.flush();
    }
    async function reload(): Promise<void> {
      output.reopen();
      await configuration.reload();
      await Promise.all([reloadFiles(), front.reload("files and log")]);
    }
    const stopSweeping = new AbortController();
    closers.push(() => stopSweeping.abort());
    void sweepAccounts({ directories, log, signal: stopSweeping.signal });
    void keepRetention({
      directories,
      log,
      signal: stopSweeping.signal,
      settings: () => settings().mailbox,
      isActive: (address) => snapshot().account(address) !== undefined,
      expire: (address) => store.expire(address),
    });
    const live: LiveServer = {
      configuration: {
        ...configuration,
        // An answer means that the change is in force everywhere.
        async reload() {
          const read = await configuration.reload();
          await front.reload("files");
          return read;
        },
      },
      startedAt,
      listeners: () => ports.list(),
      problems,
      ...(watch && { health: watch.health }),
      bans,
      queue: queue.operator,
      quarantine: quarantineOperator({
        quarantine: serving.quarantine,
        toAccount,
        forward: enter,
        forwardSender: (from) => (settings().srs.enabled ? foundation.srs(snapshot()).forward(from) : from),
        learn: async (content, user) => void (await teacher.teach(content, "ham", user)),
      }),
      explainMessage: (content, said) => explainMessage(content, said, serving.filter, new Date()),
      learning: { teacher, store },
      metrics,
      explainTls: publishedTls.explainTls,
      forgetMail: (address) => store.forget(address),
      examineMail: (address, how) => store.examine(address, how),
      expungedMail: store,
      reload: reloadFiles,
      stop: options.onStopRequested,
    };
    const admin: AdminServer = await startAdminServer({ directories, version, live, log });
    const dkimClock = startDkimClock({ directories, version, live }, log);
    closers.push(() => dkimClock.stop());
    log.info({
      event: "started",
      version,
      pid: process.pid,
      listeners: ports.list(),
      accounts: snapshot().accountCount,
    });

    return {
      log: output,
      listeners: () => ports.list(),
      reload,
      async stop(graceMs) {
        log.info({ event: "stopping", graceMs });
        clearInterval(expiring);
        stopSweeping.abort();
        renewals.close();
        dkimClock.stop();
        watch?.close();
        await admin.close();
        await Promise.all([
          ports.close(graceMs),
          member.drain(graceMs),
          pool.drain(graceMs),
          queue.close(graceMs),
        ]);
        await pool.close();
        await member.close();
        await authenticator.close();
        await bans.close();
        await limiter.close();
        await greylist.close();
        await teacher.close();
        await serving.close();
        await ownStore.close();
        await reports.close();
        publishedTls.close();
        await nameServer?.close();
        await Promise.all([mailLease.release(), stateLease.release()]);
        log.info({ event: "stopped" });
        await foundation.close();
      },
    };
  } catch (error) {
    for (const close of closers.reverse()) await close();
    throw error;
  }
}

/** Before anything of another server's is touched: its queue would be sent twice, its messages under way swept away. */
async function refuseSecondServer({ run }: Directories): Promise<void> {
  const other = await connectAdmin(run);
  if (!other) return;
  other.close();
  throw new Error(`another server runs on ${run}; stop it first`);
}

/** Proxies speak for their clients, who are judged by their own addresses; the list stays one object while the listeners do. */
function proxiesOf(settings: () => Settings): () => readonly string[] {
  let of: Settings["listeners"] | undefined;
  let proxies: readonly string[] = [];
  return () => {
    const { listeners } = settings();
    if (listeners !== of) proxies = listeners.flatMap(({ proxyProtocol }) => proxyProtocol);
    of = listeners;
    return proxies;
  };
}
