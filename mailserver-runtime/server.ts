/**
 * The whole server in one process: the rooms put together, in the order in which they depend on each other.
 *
 * Nothing is decided here. Each room gets what it asks for; the snapshot and the certificates are asked for
 * anew by every session, so that a changed file is in force with the next command. Ports open last, when
 * everything behind them stands, and close first.
 */
import { connectAdmin } from "./admin/client.ts";
import type { LiveServer } from "./admin/context.ts";
import { type AdminServer, startAdminServer } from "./admin/server.ts";
import { createAuthenticator } from "./auth/account-authenticator.ts";
import { verifyPassword } from "./auth/password/password.ts";
import { openBans } from "./ban/bans.ts";
import { guardAuthenticator } from "./ban/guarded-authenticator.ts";
import { openConfiguration } from "./config/configuration.ts";
import type { Snapshot } from "./config/snapshot.ts";
import { toMailauthResolver } from "./dns/mailauth-resolver.ts";
import { startNameServer } from "./dns/server.ts";
import { createResolver } from "./dns/stub-resolver.ts";
import { openClassifier } from "./filter/bayes/classifier.ts";
import { createInboundFilter } from "./filter/inbound-filter.ts";
import { loadRules } from "./filter/rules/load-rules.ts";
import { createSigner } from "./filter/signer.ts";
import { serveImap } from "./imap/serve.ts";
import { clearSpool } from "./message/spooled-content.ts";
import type { Connection } from "./net/connection.ts";
import { type Listening, listen } from "./net/listen.ts";
import { ownAddresses } from "./net/own-addresses.ts";
import { type OpenLog, openLog } from "./net/pino-log.ts";
import { declaredRelays } from "./queue/declared-relays.ts";
import { openQueue } from "./queue/outbound-queue.ts";
import type { QueueEntry } from "./queue/queue.ts";
import { createReentry } from "./reentry.ts";
import { hostDomain } from "./routing/host-domain.ts";
import { routeRecipient, senderRefusal } from "./routing/routing.ts";
import { createSrs, loadSrsSecrets } from "./routing/srs.ts";
import type { Directories } from "./settings/directories.ts";
import type { Listener, Protocol, Settings } from "./settings/schema.ts";
import { connectionRefusal, serveSmtp } from "./smtp/serve.ts";
import type { SmtpServices } from "./smtp/services.ts";
import type { SmtpMode } from "./smtp/session.ts";
import { openMaildirStore } from "./store/maildir/store.ts";
import { loadTlsContexts } from "./tls/contexts.ts";

export interface ServerOptions {
  readonly directories: Directories;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The version of this software. */
  readonly version: string;
  /** Log lines go to standard output as well. */
  readonly logToStdout: boolean;
  /** Asked for by an administrator; `main.ts` ends the process then. */
  readonly onStopRequested: (graceMs: number) => void;
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

/** Starts everything; rejects with the first thing that cannot be had, and leaves nothing running then. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { directories, env, version } = options;
  const closers: (() => Promise<unknown> | unknown)[] = [];
  const startedAt = new Date();
  await refuseSecondServer(directories);
  try {
    const output = openLog({ directory: directories.log, level: "info", stdout: options.logToStdout });
    const { log } = output;
    closers.push(() => output.flush());
    const configuration = await openConfiguration(directories, { log, env });
    closers.push(() => configuration.close());
    const snapshot = () => configuration.current();
    const settings = () => snapshot().settings;
    output.setLevel(settings().logLevel);
    configuration.onChange((next) => output.setLevel(next.settings.logLevel));

    const { authoritative } = settings().dns;
    const nameServer =
      authoritative &&
      (await startNameServer({ ...authoritative, zoneDirectory: `${directories.config}/zones`, log }));
    closers.push(() => nameServer?.close());
    const resolver = createResolver({ servers: settings().dns.servers });
    closers.push(() => resolver.close());

    const spool = { directory: `${directories.state}/incoming` };
    const [tls, store] = await Promise.all([
      loadTlsContexts(directories, settings(), log, { env }),
      openMaildirStore({ directories, log }),
      clearSpool(spool.directory),
    ]);
    closers.push(
      () => tls.close(),
      () => store.close(),
    );
    const bans = await openBans({
      directories,
      settings: () => settings().ban,
      trusted: proxiesOf(settings),
      log,
    });
    closers.push(() => bans.close());
    const authenticator = guardAuthenticator({
      authenticator: createAuthenticator({
        snapshot,
        verifyPassword,
        masterHash: (name) => snapshot().masters?.get(name)?.passwordHash,
        log,
      }),
      bans,
      settings: () => settings().ban,
      log,
    });
    closers.push(() => authenticator.close());
    const srs = createSrs({
      secrets: await loadSrsSecrets(`${directories.state}/srs-secrets`),
      domain: hostDomain(snapshot()),
      isOurs: (domain) => snapshot().domain(domain) !== undefined,
    });
    const route = (at: Snapshot, address: string) => routeRecipient(at, address, { srs });
    const enter = createReentry({ snapshot, routeRecipient: route, store, queue: () => queue, log });
    const isOwn = ownAddresses();
    const queue = await openQueue({
      directory: `${directories.state}/queue`,
      resolver,
      settings,
      log,
      report: async (submission) => void (await enter(submission)),
      local: {
        hosts: (domain) =>
          settings().submission.hostedDomains === "direct" && snapshot().domain(domain) !== undefined,
        deliver: enter,
      },
      relayFor: declaredRelays(snapshot),
      isOurself: (address, port) =>
        settings().submission.hostedDomains === "direct" &&
        settings().listeners.some((listener) => listener.protocol === "smtp" && listener.port === port) &&
        isOwn(address),
    });
    closers.push(() => queue.close(0));

    const classifier = openClassifier({ directory: `${directories.state}/classifier`, log });
    closers.push(() => classifier.close());
    const rules = await loadRules(`${directories.config}/spamassassin-rules.cf`, log);

    const services: SmtpServices = {
      snapshot,
      routeRecipient: route,
      forwardSender: (reversePath) => srs.forward(reversePath),
      senderRefusal,
      store,
      queue,
      filter: createInboundFilter({
        hostname: () => settings().hostname,
        resolver: toMailauthResolver(resolver),
        policy: () => settings().filter,
        classifier,
        rules: () => rules,
        log,
      }),
      signer: createSigner(snapshot, log),
      authenticator,
      offersTls: tls.status().length > 0,
      deliversDirectly: (senderDomain, route) =>
        settings().submission.hostedDomains === "direct" || route.account.endsWith(`@${senderDomain}`),
      offend: bans.offend,
      spool,
      log,
    };
    const smtp = (mode: SmtpMode) => (connection: Connection) => serveSmtp(connection, { ...services, mode });
    const imap = (connection: Connection) =>
      serveImap(connection, {
        store,
        authenticator,
        hostname: settings().hostname,
        log,
        startTls: tls.status().length > 0,
        limits: { message: settings().message.sizeLimit },
        spool,
        quota: (account) => ({
          bytes: snapshot().account(account)?.quotaBytes || settings().mailbox.sizeLimit,
        }),
        offend: bans.offend,
      });
    const served: Partial<Readonly<Record<Protocol, (connection: Connection) => Promise<void>>>> = {
      smtp: smtp("mx"),
      submission: smtp("submission"),
      submissions: smtp("submission"),
      lmtp: smtp("lmtp"),
      imap,
      imaps: imap,
    };

    const open: { readonly listener: Listener; readonly listening: Listening }[] = [];
    closers.push(() => Promise.all(open.map(({ listening }) => listening.close(0))));
    for (const listener of settings().listeners) {
      const onConnection = served[listener.protocol];
      if (!onConnection) {
        log.error({ event: "listener-unknown", protocol: listener.protocol, port: listener.port });
        continue;
      }
      const refusal = listener.protocol === "smtp" ? connectionRefusal : undefined;
      const listening = await listen({
        listener,
        tls: tls.contexts,
        onConnection,
        refuses: bans.refusal,
        refusal,
        log,
      });
      open.push({ listener, listening });
    }
    const listeners = () =>
      open.map(({ listener: { protocol, address }, listening }) => ({
        protocol,
        address,
        port: listening.port,
      }));

    async function reloadFiles(): Promise<void> {
      await Promise.all([tls.reload(), nameServer?.reload(), bans.reload()]);
      // Zones served here may say something else now; what is asked elsewhere is only asked once more.
      resolver.flush();
    }
    async function reload(): Promise<void> {
      output.reopen();
      await configuration.reload();
      await reloadFiles();
    }
    const live: LiveServer = {
      configuration,
      startedAt,
      listeners,
      problems: () => [...(nameServer?.problems() ?? []), ...bans.problems()].map((one) => ({ ...one })),
      bans,
      queueList: async () => ({ entries: (await queue.list()).map(told) }),
      queueShow: async (id) => {
        const found = await queue.show(id);
        if (!found) return { transcript: [] };
        return { entry: told(found), transcript: [...found.transcript] };
      },
      queueHold: (id, held) => (held ? queue.hold(id) : queue.release(id)),
      queueDelete: (id) => queue.remove(id),
      queueRetry: async (id) => ({ retried: await queue.retry(id) }),
      forgetMail: (address) => store.forget(address),
      reload: reloadFiles,
      stop: options.onStopRequested,
    };
    const admin: AdminServer = await startAdminServer({ directories, version, live, log });
    log.info({
      event: "started",
      version,
      pid: process.pid,
      listeners: listeners(),
      accounts: snapshot().accountCount,
    });

    return {
      log: output,
      listeners,
      reload,
      async stop(graceMs) {
        log.info({ event: "stopping", graceMs });
        await admin.close();
        await Promise.all([...open.map(({ listening }) => listening.close(graceMs)), queue.close(graceMs)]);
        await authenticator.close();
        await bans.close();
        await classifier.close();
        await store.close();
        resolver.close();
        tls.close();
        await nameServer?.close();
        await configuration.close();
        log.info({ event: "stopped" });
        output.flush();
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

/** A queue entry as the admin contract has it: nothing that the queue's own entries may carry besides. */
function told({
  recipients,
  id,
  from,
  size,
  queuedAt,
  nextAttemptAt,
  attempts,
  held,
  heldBecause,
}: QueueEntry) {
  const to = recipients.map(({ address, status, lastReply }) => ({ address, status, lastReply }));
  return { id, from, recipients: to, size, queuedAt, nextAttemptAt, attempts, held, heldBecause };
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
