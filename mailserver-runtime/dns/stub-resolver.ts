/**
 * The resolver of the runtime: a stub (RFC 1034 §5.3.1) that asks the servers it is given, in order, each with a time
 * limit and twice over, keeps answers, and lets equal questions that are under way share one exchange.
 */
import { readFile } from "node:fs/promises";
import net from "node:net";
import { MAX_CHAIN, readAnswer } from "./answer.ts";
import { AnswerCache, type CacheLimits } from "./answer-cache.ts";
import { ask, type ServerAddress } from "./exchange.ts";
import { queryName, type RecordOf, type RecordType } from "./records.ts";
import type { Answer, ResolveOptions, Resolver } from "./resolver.ts";

export interface StubResolverOptions {
  /** `address`, `address:port` or `[address]:port`; empty or absent: the servers of /etc/resolv.conf. */
  readonly servers?: readonly string[];
  /**
   * Whether the servers' AD bit is believed. `"loopback"` (default): when every server is on the loopback, since
   * nobody can forge answers on that way (RFC 6840 §5.7, RFC 7672 §2.2.1).
   */
  readonly trustAuthenticData?: "always" | "never" | "loopback";
  /** Milliseconds for one try at one server, and the double in the second round; 1500 when absent. */
  readonly timeoutMs?: number;
  /** Milliseconds for a whole look-up; 10000 when absent. */
  readonly deadlineMs?: number;
  readonly cache?: CacheLimits;
}

export interface StubResolver extends Resolver {
  /** Forgets every answer. */
  flush(): void;
  /** Ends what is under way (as `tempfail`) and answers nothing more. */
  close(): void;
}

/** A name server given in the settings that cannot be one; the message names it. */
export class InvalidServer extends RangeError {
  override name = "InvalidServer";
}

const ROUNDS = 2;
const MAX_CONCURRENT_EXCHANGES = 256;
const MAX_WAITING = 10_000;
const DEFAULT_CACHE: CacheLimits = { entries: 20_000, bytes: 16 * 1024 * 1024 };
/** Failures are remembered for a moment, so that a burst of mail does not hammer a broken zone (RFC 9520 §3.2). */
const FAILURE_TTL = 1;
/** A server that did not answer is asked last for this long. */
const PENALTY_MS = 30_000;
const RESOLV_CONF = "/etc/resolv.conf";
const RESOLV_CONF_FRESH_MS = 30_000;

/**
 * Makes a resolver. It holds no socket between questions and keeps no process alive.
 *
 * @throws {InvalidServer}
 */
export function createResolver(options: StubResolverOptions = {}): StubResolver {
  const servers = serverSource(options.servers ?? []);
  const timeoutMs = options.timeoutMs ?? 1500;
  const deadlineMs = options.deadlineMs ?? 10_000;
  const cache = new AnswerCache(options.cache ?? DEFAULT_CACHE, () => performance.now());
  const underWay = new Map<string, Promise<Answer>>();
  const penalties = new Map<string, number>();
  const slots = new Slots(MAX_CONCURRENT_EXCHANGES, MAX_WAITING);
  const lookUps = new Set<AbortController>();
  let closed = false;

  return {
    async resolve<T extends RecordType>(asked: string, type: T, { signal }: ResolveOptions = {}) {
      let name: string;
      try {
        name = queryName(asked);
      } catch (error) {
        return { status: "nxdomain", records: [], ttl: 0, secure: false, reason: (error as Error).message };
      }
      if (signal?.aborted || closed) return tempfail("given up");
      const answer = await orAborted(share(name, type), signal);
      // lookUp filters by `type`; the cache is keyed by it.
      return answer as Answer<RecordOf<T>>;
    },
    flush: () => cache.clear(),
    close() {
      closed = true;
      for (const lookUp of lookUps) lookUp.abort();
    },
  };

  /** The kept answer, the one under way, or a new one. */
  function share(name: string, type: RecordType): Promise<Answer> | Answer {
    const key = `${name} ${type}`;
    const kept = cache.get(key);
    if (kept !== undefined) return kept;
    const shared = underWay.get(key);
    if (shared !== undefined) return shared;
    const started = limited((signal) => lookUp(name, type, signal))
      .then(({ answer, size }) => {
        cache.set(key, answer, answer.status === "tempfail" ? FAILURE_TTL : answer.ttl, size);
        return answer;
      })
      .finally(() => underWay.delete(key));
    underWay.set(key, started);
    return started;
  }

  /** Runs a look-up with a signal that ends it at its deadline and at `close`. */
  async function limited<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), deadlineMs);
    lookUps.add(controller);
    try {
      return await run(controller.signal);
    } finally {
      clearTimeout(timer);
      lookUps.delete(controller);
    }
  }

  /** Follows an alias chain over as many exchanges as it takes. */
  async function lookUp(
    name: string,
    type: RecordType,
    signal: AbortSignal,
  ): Promise<{ answer: Answer; size: number }> {
    const aliases: string[] = [];
    let ttl = Number.POSITIVE_INFINITY;
    let secure = true;
    let size = 0;
    for (let at = name; ; ) {
      const outcome = await askServers(at, type, signal);
      if ("failure" in outcome) return { answer: tempfail(`${at} ${type}: ${outcome.failure}`), size: 0 };
      const { reading } = outcome;
      size += outcome.size;
      secure &&= outcome.secure;
      ttl = Math.min(ttl, reading.ttl);
      aliases.push(...reading.aliases);
      const cname = aliases.at(-1);
      if (aliases.length > MAX_CHAIN)
        return { answer: tempfail(`${name} ${type}: more than ${MAX_CHAIN} aliases in a row`), size: 0 };
      if (reading.continueAt === undefined) {
        const { status, records } = reading;
        return { answer: { status, records, ttl, secure, ...(cname === undefined ? {} : { cname }) }, size };
      }
      at = reading.continueAt;
    }
  }

  /** Tries every server, in two rounds, until one gives a usable answer. */
  async function askServers(name: string, type: RecordType, signal: AbortSignal) {
    const failures = new Set<string>();
    const list = await servers.list();
    for (let round = 1; round <= ROUNDS; round++) {
      for (const server of byPenalty(list)) {
        const where = serverText(server);
        if (!(await slots.take(signal)))
          return { failure: failureText(failures, "the resolver is overloaded or closing") };
        const result = await ask({ server, name, type, timeoutMs: timeoutMs * round, signal }).finally(() =>
          slots.give(),
        );
        if (signal.aborted) return { failure: failureText(failures, `${where}: no answer in time`) };
        if ("failure" in result) {
          penalties.set(where, performance.now() + PENALTY_MS);
          failures.add(`${where}: ${result.failure}`);
          continue;
        }
        penalties.delete(where);
        const reading = readAnswer(result.message, name, type);
        if (reading.status !== "tempfail")
          return { reading, size: result.size, secure: result.message.authenticData && trusted(list) };
        failures.add(`${where}: ${reading.reason}`);
      }
    }
    return { failure: failureText(failures, "there is no name server to ask") };
  }

  function byPenalty(list: readonly ServerAddress[]): readonly ServerAddress[] {
    const now = performance.now();
    const waits = (server: ServerAddress) => ((penalties.get(serverText(server)) ?? 0) > now ? 1 : 0);
    return [...list].sort((a, b) => waits(a) - waits(b));
  }

  function trusted(list: readonly ServerAddress[]): boolean {
    const trust = options.trustAuthenticData ?? "loopback";
    return trust === "always" || (trust === "loopback" && list.every((server) => isLoopback(server.address)));
  }
}

/** Reads `address`, `address:port` or `[address]:port`; the port is 53 when it is not said. @throws {InvalidServer} */
export function serverAddress(text: string): ServerAddress {
  const match = /^\[([^\]]+)\](?::([0-9]{1,5}))?$/.exec(text) ?? /^([0-9.]+)(?::([0-9]{1,5}))?$/.exec(text);
  const address = match?.[1] ?? text;
  const port = Number(match?.[2] ?? 53);
  if (net.isIP(address) === 0 || port < 1 || port > 65_535)
    throw new InvalidServer(
      `"${text}" is no name server: write an address, address:port or [IPv6 address]:port`,
    );
  return { address, port };
}

/** The servers of a resolv.conf (resolv.conf(5)); without any the loopback, as the C library does. */
export function resolvConfServers(text: string): ServerAddress[] {
  const servers = [...text.matchAll(/^[ \t]*nameserver[ \t]+([^\s#;]+)/gm)].flatMap(([, address = ""]) =>
    // A link-local address with a zone is taken as it is: the socket understands it.
    net.isIP(address.replace(/%.*/, "")) === 0 ? [] : [{ address, port: 53 }],
  );
  return servers.length === 0 ? [{ address: "127.0.0.1", port: 53 }] : servers.slice(0, 3);
}

interface ServerSource {
  list(): Promise<readonly ServerAddress[]>;
}

/** Fixed servers, or those of /etc/resolv.conf read again now and then: networks change under a long-lived server. */
function serverSource(servers: readonly string[]): ServerSource {
  if (servers.length > 0) {
    const fixed = servers.map(serverAddress);
    return { list: async () => fixed };
  }
  let read: Promise<readonly ServerAddress[]> | undefined;
  let readAt = 0;
  return {
    list() {
      if (read === undefined || performance.now() - readAt > RESOLV_CONF_FRESH_MS) {
        readAt = performance.now();
        read = readFile(RESOLV_CONF, "utf8").then(resolvConfServers, () => resolvConfServers(""));
      }
      return read;
    },
  };
}

/** A counted number of places, with a bounded line before them. */
class Slots {
  #free: number;
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number, maxWaiting: number) {
    this.#free = count;
    this.#maxWaiting = maxWaiting;
  }

  /** True with a place taken; false when aborted or when the line is full. */
  take(signal: AbortSignal): Promise<boolean> | boolean {
    if (signal.aborted) return false;
    if (this.#free > 0) {
      this.#free--;
      return true;
    }
    if (this.#waiting.length >= this.#maxWaiting) return false;
    return new Promise((resolve) => {
      const abort = () => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        resolve(false);
      };
      const enter = () => {
        signal.removeEventListener("abort", abort);
        resolve(true);
      };
      this.#waiting.push(enter);
      signal.addEventListener("abort", abort, { once: true });
    });
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}

function orAborted(
  answer: Promise<Answer> | Answer,
  signal: AbortSignal | undefined,
): Promise<Answer> | Answer {
  if (signal === undefined || !(answer instanceof Promise)) return answer;
  return new Promise((resolve, reject) => {
    const abort = () => resolve(tempfail("given up"));
    signal.addEventListener("abort", abort, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

function tempfail(reason: string): Answer<never> {
  return { status: "tempfail", records: [], ttl: 0, secure: false, reason };
}

function failureText(failures: ReadonlySet<string>, otherwise: string): string {
  return failures.size === 0 ? otherwise : [...failures].join("; ");
}

function serverText(server: ServerAddress): string {
  return net.isIPv6(server.address)
    ? `[${server.address}]:${server.port}`
    : `${server.address}:${server.port}`;
}

/** Docker's own forwarder looks local and passes on what came over the network, AD bit included. */
const DOCKER_FORWARDER = "127.0.0.11";

function isLoopback(address: string): boolean {
  return address === "::1" || (address.startsWith("127.") && address !== DOCKER_FORWARDER);
}
