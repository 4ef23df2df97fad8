/**
 * What every process of the server opens for itself, whatever it serves: the log, the configuration, the resolver,
 * the certificates and the routes.
 *
 * All of it is read only, and of the same files; so each process may have its own, and none of it needs to travel.
 * What must exist once (bans, the queue's schedule, the store's writers) is not here: see `server.ts`.
 */
import { createSaslOffer, type SaslOffer } from "./auth/sasl-offer.ts";
import { loadScramSecret } from "./auth/scram-secret.ts";
import { takesTokens } from "./auth/token-verifier.ts";
import { openConfiguration } from "./config/configuration.ts";
import type { Configuration, Snapshot } from "./config/snapshot.ts";
import { type FreeSpace, watchFreeSpace } from "./disk/free-space.ts";
import { fullDisk } from "./disk/full-disk.ts";
import { syncFailures } from "./disk/sync-failures.ts";
import { createResolver, type StubResolver } from "./dns/stub-resolver.ts";
import type { Log } from "./net/log.ts";
import { type OpenLog, openLog } from "./net/pino-log.ts";
import type { Route } from "./routing/route.ts";
import { routeRecipient } from "./routing/routing.ts";
import { loadSrsSecrets, type Srs } from "./routing/srs.ts";
import { srsBySettings } from "./routing/srs-settings.ts";
import type { Directories } from "./settings/directories.ts";
import type { Settings } from "./settings/schema.ts";
import { type LoadedTls, loadTlsContexts } from "./tls/contexts.ts";

export interface FoundationOptions {
  readonly directories: Directories;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Log lines go to standard output as well. */
  readonly logToStdout: boolean;
  /** A worker's number: it stands in each log line, and files are read again when the first process says so. */
  readonly worker?: number;
}
export interface Foundation {
  readonly directories: Directories;
  readonly output: OpenLog;
  readonly log: Log;
  readonly configuration: Configuration;
  snapshot(): Snapshot;
  settings(): Settings;
  readonly resolver: StubResolver;
  readonly tls: LoadedTls;
  /** Rewrites the senders of what is forwarded, as the settings of a snapshot want it. */
  srs(snapshot: Snapshot): Srs;
  /** SASL mechanisms that clients may log in with. */
  readonly sasl: SaslOffer;
  /** How full the volumes are that take mail. */
  readonly freeSpace: FreeSpace;
  /** Where mail to an address goes. */
  routeRecipient(snapshot: Snapshot, address: string): readonly Route[];
  /** In the opposite order of opening; the log last, flushed. */
  close(): Promise<void>;
}

/** Opens all of it; rejects with the first thing that cannot be had, and leaves nothing open then. */
export async function openFoundation(options: FoundationOptions): Promise<Foundation> {
  const { directories, env } = options;
  const closers: (() => Promise<unknown> | unknown)[] = [];
  const close = async () => {
    for (const one of closers.splice(0).reverse()) await one();
  };
  try {
    const output = openLog({ directory: directories.log, level: "info", stdout: options.logToStdout });
    const isWorker = options.worker !== undefined;
    const log = isWorker ? output.log.child({ worker: options.worker }) : output.log;
    closers.push(() => output.flush());
    syncFailures.tellTo(log);
    fullDisk.tellTo(log);
    const configuration = await openConfiguration(directories, { log, env, watch: !isWorker });
    closers.push(() => configuration.close());
    const snapshot = () => configuration.current();
    const settings = () => snapshot().settings;
    output.setLevel(settings().logLevel);
    configuration.onChange((next) => output.setLevel(next.settings.logLevel));
    const { servers, authenticData } = settings().dns;
    const resolver = createResolver({ servers, trustAuthenticData: authenticData });
    closers.push(() => resolver.close());
    const tls = await loadTlsContexts(directories, settings(), log, isWorker ? { env, pollMs: 0 } : { env });
    closers.push(() => tls.close());
    const srs = srsBySettings(await loadSrsSecrets(`${directories.state}/srs-secrets`));
    return {
      directories,
      output,
      log,
      configuration,
      snapshot,
      settings,
      resolver,
      tls,
      srs,
      sasl: createSaslOffer({
        snapshot,
        secret: await loadScramSecret(`${directories.state}/scram-secret`),
        takesTokens: () => takesTokens(settings().oauth2),
      }),
      freeSpace: watchFreeSpace({
        directories: [directories.mail, directories.state],
        reserveBytes: () => settings().disk.reserveBytes,
        log,
      }),
      routeRecipient: (at, address) => routeRecipient(at, address, { srs: srs(at) }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
