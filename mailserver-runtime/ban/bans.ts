/**
 * Self-defence: what fail2ban does for a mail server, without reading a log.
 *
 * The servers report offences as typed events (`offence.ts`); each jail counts them by client, an IPv4 address or
 * an IPv6 /64 (`offence-counter.ts`), and when they are too many within `findtime` the client is banned for
 * `bantime`, longer each time (`policy.ts`). Listeners ask `refusal` for every connection before they read a byte
 * of it, and where it may be used nftables does before there is a connection (`nftables/`). Bans outlive the process
 * (`ban-file.ts`), and may be shared with other hosts (`shared-bans.ts`).
 *
 * It promises: memory is bounded whatever comes (MOST_* below); reporting an offence and asking for a refusal take
 * microseconds and never fail; who is declared, the own gateway and the only client there is are never banned
 * automatically. It never reads what a client sends, and never touches a connection that is open already.
 */
import { mkdirSync } from "node:fs";
import { stat } from "node:fs/promises";
import { readIfPresent } from "../config/durable-file.ts";
import { normalAddress } from "../net/address.ts";
import type { Log } from "../net/log.ts";
import { LogFile } from "../net/log-file.ts";
import { ownAddresses } from "../net/own-addresses.ts";
import type { Directories } from "../settings/directories.ts";
import type { Settings } from "../settings/schema.ts";
import { BanFile, readBans } from "./ban-file.ts";
import { AROUND, type Ban, BanList, FOR_EVER } from "./ban-list.ts";
import { ClientSight } from "./client-sight.ts";
import { emptyJailFile, JAIL_FILE, type JailFile, parseJailFile } from "./jail-file.ts";
import { clientNetwork, type Network, networkText, parseNetwork, widened } from "./network.ts";
import { ownGateways, type Spared, sparing } from "./never-banned.ts";
import { type Enforcement, Nftables, type TableFacts } from "./nftables/nftables.ts";
import { type Jail, jails, type Offence, offenceKinds } from "./offence.ts";
import { OffenceCounter } from "./offence-counter.ts";
import { offenceLine } from "./offence-lines.ts";
import { type BanPolicy, banPolicy, term } from "./policy.ts";
import { SharedBans } from "./shared-bans.ts";

export interface BansOptions {
  readonly directories: Pick<Directories, "config" | "state" | "log">;
  /** This host's name among those that share bans, and in the lines for fail2ban. */
  readonly hostname: () => string;
  /** The settings in force; asked for at every decision. */
  readonly settings: () => Settings["ban"];
  /** Addresses that speak for others (proxies): never banned. */
  readonly trusted?: () => readonly string[];
  readonly log: Log;
  readonly now?: () => number;
  readonly isOwn?: (address: string) => boolean;
  readonly gateways?: () => ReadonlySet<string>;
}

export interface Bans {
  /** Counts an offence; may ban its client. */
  offend(offence: Offence): void;
  /** What to do with a connection from this address; undefined: serve it. */
  refusal(address: string): "drop" | "reject" | undefined;
  /** Whether a ban is in force for this address. */
  isBanned(address: string): boolean;
  /** Bans by hand. Durable when it resolves; undefined where the network is banned by hand already, or as long. */
  ban(network: Network, seconds: number | undefined, reason: string): Promise<Ban | undefined>;
  /** Ends the bans of this network, and of the clients in it; durable when it resolves. */
  lift(network: Network): Promise<Ban[]>;
  report(): BanReport;
  /** Keeps banned clients from these TCP ports by nftables, where it may be used. Resolves when that is so, or is known not to be. */
  arm(ports: readonly number[]): Promise<void>;
  /** Reads the jail file again, and opens `offences.log` anew. */
  reload(): Promise<void>;
  /** Looks for what other hosts told, which otherwise happens every few seconds. */
  look(): Promise<void>;
  problems(): readonly { readonly file: string; readonly line: number; readonly reason: string }[];
  close(): Promise<void>;
}
export interface BanReport {
  readonly enabled: boolean;
  /** Where bans are enforced. */
  readonly enforcement: Enforcement;
  readonly jails: readonly JailReport[];
  /** In force now, oldest first. */
  readonly bans: readonly Ban[];
  /** Clients that offended enough and were not banned, with the reason; the newest last. */
  readonly withheld: readonly { readonly network: string; readonly reason: string }[];
}
export interface JailReport {
  readonly name: Jail;
  /** Clients whose offences are counted, and all offences since the start. */
  readonly counted: number;
  readonly offences: number;
  /** Bans since the start. */
  readonly bansSet: number;
}

const MOST_BANS = 100_000;
/** In each jail that counts. */
const MOST_CLIENTS = 100_000;
const MOST_WITHHELD = 20;
const LARGEST_JAIL_FILE = 1024 * 1024;
const SWEEP_MS = 60_000;
/** Beside mail.log: offences as Postfix and Dovecot would log them. */
const OFFENCES_LOG = "offences.log";
const nobody: readonly string[] = [];

/** Reads bans and jail file. A broken file is said and does not keep the server from starting. */
export async function openBans(options: BansOptions): Promise<Bans> {
  const { directories, log, now = Date.now, isOwn = ownAddresses(), gateways = ownGateways() } = options;
  const path = `${directories.state}/bans.jsonl`;
  const list = new BanList(MOST_BANS);
  const file = new BanFile(
    path,
    () => list.all(),
    (error) => log.error({ event: "bans-not-kept", err: error }, `${path} cannot be written`),
  );
  const counters = new Map(
    jails.map((name) => [name, { counter: new OffenceCounter(MOST_CLIENTS), offences: 0, bansSet: 0 }]),
  );
  const withheld = new Map<string, string>();
  const clients = new ClientSight();
  let jailFile: JailFile = emptyJailFile;
  let jailFileUnread: string | undefined;
  let inForce: Force | undefined;
  let kernel: Nftables | undefined;
  let offences: LogFile | undefined;

  /** The policy of the settings in force; made anew only when they change. */
  function force(): Force {
    const settings = options.settings();
    const trusted = options.trusted?.() ?? nobody;
    if (inForce?.settings === settings && inForce.trusted === trusted && inForce.jailFile === jailFile)
      return inForce;
    const policy = banPolicy(settings, jailFile);
    const spared = sparing({ declared: [...policy.ignored, ...trusted], isOwn, gateways });
    inForce = { settings, trusted, jailFile, policy, spared };
    return inForce;
  }

  function find(address: string): Ban | undefined {
    const ban = list.find(address, now());
    return ban !== undefined && force().spared(normalAddress(address)) === undefined ? ban : undefined;
  }

  function offend(offence: Offence): void {
    const { kind, client } = offence;
    const { policy, spared } = force();
    const { jail, weight, title } = offenceKinds[kind];
    const rules = policy.jail(jail);
    const network = clientNetwork(client);
    if (!policy.enabled || !rules.enabled || network === undefined) return;
    // What still comes over an open connection must not shorten the way to the next ban.
    if (list.find(client, now()) !== undefined) return;
    const counted = counters.get(jail)!;
    const name = networkText(network);
    const points = counted.counter.add(name, weight, rules.findMs, now());
    counted.offences++;
    offences?.write(offenceLine(offence, { hostname: options.hostname(), pid: process.pid, now: now() }));
    if (points < rules.maxRetry) return;
    counted.counter.forget(name);
    const why = spared(normalAddress(client)) ?? clients.aloneIs(name);
    if (why !== undefined) {
      withhold(name, why);
      return;
    }
    const reason = `${points} points of offences in ${rules.findMs / 1000} s, the last one ${title}`;
    set(network, jail, reason, rules.banMs);
    const around = widened(network, AROUND[network.family]);
    if (policy.networkAfter > 0 && list.within(around) >= policy.networkAfter)
      set(around, jail, `${list.within(around)} clients of this network were banned`, rules.banMs);
  }

  function withhold(name: string, reason: string): void {
    if (!withheld.has(name)) log.warn({ event: "ban-withheld", network: name, reason }, "not banned");
    withheld.delete(name);
    withheld.set(name, reason);
    const [oldest] = withheld.keys();
    if (withheld.size > MOST_WITHHELD && oldest !== undefined) withheld.delete(oldest);
  }

  function set(network: Network, jail: Jail, reason: string, banMs: number): Ban {
    const name = networkText(network);
    const ban: Ban = {
      network: name,
      jail,
      reason,
      ...term(banMs, force().policy, list.get(network), now()),
    };
    install(network, ban);
    shared.put(ban);
    counters.get(jail)!.bansSet++;
    log.warn({ event: "ban", network: name, jail, reason, until: ending(ban), times: ban.times }, "banned");
    return ban;
  }

  function install(network: Network, ban: Ban): void {
    file.put(ban);
    kernel?.put(ban);
    for (const { network: gone } of list.put(network, ban)) {
      file.lift(gone);
      kernel?.lift(gone);
      shared.lift(gone);
    }
  }

  /** Another host's ban; the one that ends later counts. */
  function hear(ban: Ban, host: string): void {
    const network = parseNetwork(ban.network);
    if (network === undefined || ban.until <= now()) return;
    const before = list.get(network);
    if (before !== undefined && before.until >= ban.until) return;
    install(network, { ...ban, from: host });
    log.warn({ event: "ban", ...ban, until: ending(ban), from: host }, "banned by another host");
  }
  function hearLifted(text: string, host: string): void {
    const network = parseNetwork(text);
    if (network === undefined || list.get(network)?.from !== host) return;
    list.remove(network);
    file.lift(text);
    kernel?.lift(text);
    log.info({ event: "unban", network: text, from: host }, "ban lifted by another host");
  }

  /** What the table of nftables says beside its bans. */
  function tableFacts(ports: readonly number[]): TableFacts {
    const { settings, policy, trusted } = force();
    const isUsed = policy.enabled && settings.nftables === "auto";
    return {
      ports: isUsed ? ports : [],
      blockType: settings.blockType,
      spared: [...policy.ignored, ...trusted, ...gateways()],
    };
  }

  /** Opens it, or opens it anew after logrotate moved it away; a log that cannot be written stops nothing. */
  function openOffencesLog(): void {
    try {
      if (!options.settings().offencesLog) offences = undefined;
      else if (offences !== undefined) offences.reopen();
      else {
        mkdirSync(directories.log, { recursive: true });
        offences = new LogFile(`${directories.log}/${OFFENCES_LOG}`);
      }
    } catch (error) {
      log.warn({ event: "offences-log-unwritable", err: error }, `${OFFENCES_LOG} cannot be opened`);
    }
  }

  async function reload(): Promise<void> {
    openOffencesLog();
    const at = `${directories.config}/${JAIL_FILE}`;
    try {
      const { size } = await stat(at).catch(absent);
      if (size > LARGEST_JAIL_FILE) throw new Error(`the file has more than ${LARGEST_JAIL_FILE} bytes`);
      jailFile = parseJailFile((await readIfPresent(at)) ?? "");
      jailFileUnread = undefined;
    } catch (error) {
      // The last good content stays.
      jailFileUnread = (error as Error).message;
    }
    for (const problem of problems()) log.warn({ ...problem }, "configuration problem");
    await kernel?.refresh();
  }

  function problems() {
    if (jailFileUnread !== undefined) return [{ file: JAIL_FILE, line: 0, reason: jailFileUnread }];
    return jailFile.problems.map((problem) => ({ file: JAIL_FILE, ...problem }));
  }

  const shared = new SharedBans({
    directory: options.settings().sharedDirectory,
    self: options.hostname(),
    most: MOST_BANS,
    own: () => [...list.all()].filter(({ from }) => from === undefined),
    put: hear,
    lift: hearLifted,
    log,
  });
  await reload();
  try {
    const { bans, broken } = await readBans(path, MOST_BANS);
    for (const ban of bans.values()) {
      const network = parseNetwork(ban.network);
      if (network !== undefined) list.put(network, ban);
    }
    list.forgetEnded(now());
    if (broken > 0) log.warn({ event: "bans-broken", lines: broken }, `${path} has lines that are no bans`);
  } catch (error) {
    log.error({ event: "bans-not-read", err: error }, `${path} cannot be read; it starts without bans`);
  }
  await shared.look();
  const sweep = setInterval(() => {
    for (const ban of list.forgetEnded(now())) {
      file.lift(ban.network);
      if (ban.from === undefined) shared.lift(ban.network);
    }
    void kernel?.refresh();
  }, SWEEP_MS);
  sweep.unref();

  return {
    offend,
    isBanned: (address) => force().policy.enabled && find(address) !== undefined,
    refusal(address) {
      const { settings, policy, spared } = force();
      if (!policy.enabled) return undefined;
      if (find(address) !== undefined) return settings.blockType;
      clients.note(address, spared);
      return undefined;
    },
    async ban(network, seconds, reason) {
      const before = list.get(network);
      const banMs = seconds === undefined ? force().policy.jail("custom").banMs : seconds * 1000;
      if (before?.jail === "custom" && before.until > now()) return undefined;
      const ban = set(network, "custom", reason, banMs);
      await file.settled();
      await kernel?.settled();
      return ban;
    },
    async lift(network) {
      const lifted = [...list.inForce(now())].filter(({ network: text }) => {
        const one = parseNetwork(text);
        return one !== undefined && covers(network, one);
      });
      for (const { network: text } of lifted) {
        const one = parseNetwork(text);
        if (one !== undefined) list.remove(one);
        for (const { counter } of counters.values()) counter.forget(text);
        file.lift(text);
        kernel?.lift(text);
        shared.lift(text);
        log.info({ event: "unban", network: text }, "ban lifted");
      }
      await file.settled();
      await kernel?.settled();
      return lifted;
    },
    async arm(ports) {
      if (options.settings().nftables === "never") return;
      kernel = new Nftables({
        state: directories.state,
        facts: () => tableFacts(ports),
        bans: () => list.inForce(now()),
        log,
        now,
      });
      await kernel.open();
    },
    report: () => ({
      enabled: force().policy.enabled,
      enforcement: kernel?.enforcement ?? {
        by: "accept",
        because: "nftables is not to be used (ban.nftables)",
      },
      jails: [...counters].map(([name, { counter, offences, bansSet }]) => ({
        name,
        counted: counter.size,
        offences,
        bansSet,
      })),
      bans: [...list.inForce(now())],
      withheld: [...withheld].map(([network, reason]) => ({ network, reason })),
    }),
    reload,
    look: () => shared.look(),
    problems,
    async close() {
      clearInterval(sweep);
      offences?.flush();
      await shared.close();
      await kernel?.close();
      await file.close();
    },
  };
}

interface Force {
  readonly settings: Settings["ban"];
  readonly trusted: readonly string[];
  readonly jailFile: JailFile;
  readonly policy: BanPolicy;
  readonly spared: Spared;
}

function covers(wide: Network, one: Network): boolean {
  if (wide.family !== one.family) return false;
  // A client's own address stands for the /64 it was banned by.
  const prefix = wide.family === 6 ? Math.min(wide.prefix, 64) : wide.prefix;
  return one.prefix >= prefix && widened(one, prefix).bits === widened(wide, prefix).bits;
}

/** When a ban ends, for a person; undefined: never. */
export function ending({ until }: Pick<Ban, "until">): string | undefined {
  return until === FOR_EVER ? undefined : new Date(until).toISOString();
}

function absent(error: unknown): { size: number } {
  if ((error as NodeJS.ErrnoException).code === "ENOENT") return { size: 0 };
  throw error;
}
