/**
 * A mail host in memory that keeps the admin contract's promises: puts take over, removes by another owner do nothing, a removed
 * mailbox is a tombstone. For tests of the provider alone; the same tests run against the real files in
 * `provider-on-files.test.ts`.
 */
import type {
  OperationAnswer,
  OperationName,
  OperationRequest,
} from "../../../mailserver-runtime/admin/contract.ts";
import { directoriesBelow } from "../../../mailserver-runtime/settings/directories.ts";
import type { Host, Limit, ServerState, StartServer } from "../../host/connection.ts";

interface Stored {
  owner: string;
  [field: string]: unknown;
}

type Performers = {
  [N in OperationName]?: (request: OperationRequest<N>) => OperationAnswer<N>;
};

export class MemoryHost implements Host {
  readonly description = "a host in memory";
  readonly directories = directoriesBelow("/nowhere");
  readonly patienceMs = 1_000;
  /** What was asked, in order. */
  readonly asked: { operation: OperationName; request: unknown }[] = [];
  readonly objects = new Map<string, Stored>();
  state: ServerState = { kind: "stopped" };
  version = "1.0.0+aaaaaaaaaaaa";
  prepared = false;
  starts = 0;
  stops = 0;
  /** What a key's public part is. */
  publicKeyOf = (domain: string, selector: string): string => `public-${selector}-${domain}`;
  /** What a domain's keys are. */
  ringOf = (_domain: string): OperationAnswer<"dkim.ring.put">["keys"] => [];
  /** Thrown by the next operations, first one first. */
  readonly failures: Error[] = [];

  async perform<N extends OperationName>(
    operation: N,
    request: OperationRequest<N>,
    _limit: Limit,
  ): Promise<OperationAnswer<N>> {
    this.asked.push({ operation, request });
    const failure = this.failures.shift();
    if (failure) throw failure;
    const perform = this.#performers[operation] as
      | ((request: OperationRequest<N>) => OperationAnswer<N>)
      | undefined;
    if (!perform) throw new Error(`The host in memory has no ${operation}.`);
    return perform(request);
  }

  async makeDirectories(): Promise<void> {
    this.prepared = true;
  }

  async hasDirectories(): Promise<boolean> {
    return this.prepared;
  }

  async runtimeVersion(): Promise<string> {
    return this.version;
  }

  async serverState(): Promise<ServerState> {
    return this.state;
  }

  async startServer({ version, owner }: StartServer): Promise<void> {
    this.starts++;
    this.state = { kind: "running", version, owner };
  }

  async stopServer(): Promise<void> {
    this.stops++;
    this.state = { kind: "stopped" };
  }

  async close(): Promise<void> {}

  readonly #performers: Performers = {
    status: () => ({
      running: this.state.kind === "running",
      version: "1.0.0",
      machineId: "machine-1",
      listeners: [],
      accounts: 0,
      problems: [],
    }),
    "settings.put": ({ settings, owner }) => {
      this.objects.set("settings", { settings, owner });
      return { restartNeeded: [] };
    },
    "settings.read": () => (this.objects.get("settings") ?? {}) as OperationAnswer<"settings.read">,
    "domain.put": ({ domain, owner }) => ({ domain, created: this.#put(`domain ${domain}`, { owner }) }),
    "domain.read": ({ domain }) => {
      const found = this.objects.get(`domain ${domain}`);
      return { exists: found !== undefined, owner: found?.owner };
    },
    "domain.remove": ({ domain, owner }) => ({ removed: this.#remove(`domain ${domain}`, owner) }),
    "mailbox.put": ({ address, owner, password, passwordHash, quotaBytes = 0, displayName }) => {
      const key = `mailbox ${address}`;
      const before = this.objects.get(key);
      const sets = password && (password.policy === "enforced" || before?.secret === undefined);
      const secret = passwordHash ?? (sets ? password.text : before?.secret);
      this.objects.set(key, { owner, enabled: true, quotaBytes, displayName, secret });
      return { address, created: before === undefined };
    },
    "mailbox.read": ({ address, password }) => {
      const found = this.objects.get(`mailbox ${address}`);
      return {
        exists: found !== undefined,
        enabled: found?.enabled === true,
        owner: found?.owner,
        quotaBytes: Number(found?.quotaBytes ?? 0),
        displayName: found?.displayName as string | undefined,
        ...(password !== undefined && { passwordMatches: found?.secret === password }),
      };
    },
    "mailbox.remove": ({ address, owner }) => {
      const found = this.objects.get(`mailbox ${address}`);
      const removed = found?.owner === owner && found.enabled === true;
      if (removed) found.enabled = false;
      return { removed, mailDirectory: `/nowhere/mail/${address}` };
    },
    "alias.put": ({ address, targets, owner }) => ({
      created: this.#put(`alias ${address}`, { owner, targets }),
    }),
    "alias.read": ({ address }) => {
      const found = this.objects.get(`alias ${address}`);
      return {
        exists: found !== undefined,
        targets: (found?.targets as string[]) ?? [],
        owner: found?.owner,
      };
    },
    "alias.remove": ({ address, owner }) => ({ removed: this.#remove(`alias ${address}`, owner) }),
    "dkim.put": ({ domain, selector, ...rest }) => ({
      publicKey: this.publicKeyOf(domain, selector),
      created: this.#put(`dkim ${selector} ${domain}`, rest),
    }),
    "dkim.read": ({ domain, selector }) => {
      const found = this.objects.get(`dkim ${selector} ${domain}`);
      if (found === undefined) return { exists: false };
      const { owner, algorithm, active } = found as Stored & { algorithm: string; active: boolean };
      return { exists: true, publicKey: this.publicKeyOf(domain, selector), algorithm, active, owner };
    },
    "dkim.remove": ({ domain, selector, owner }) => ({
      removed: this.#remove(`dkim ${selector} ${domain}`, owner),
    }),
    "dkim.ring.put": ({ domain, owner }) => {
      this.#put(`ring ${domain}`, { owner });
      return { keys: this.ringOf(domain), outlook: "no rotation is under way" };
    },
    "dkim.ring.read": ({ domain }) => {
      const found = this.objects.get(`ring ${domain}`);
      const keys = this.ringOf(domain);
      return {
        exists: found !== undefined,
        algorithms: keys.length > 0 ? ["rsa-2048"] : [],
        keys,
        owner: found?.owner,
      };
    },
    "dkim.ring.remove": ({ domain, owner }) => ({ removed: this.#remove(`ring ${domain}`, owner) }),
    "certificate.put": ({ names, owner }) => ({
      ...certificateFacts,
      created: this.#put(`certificate ${names[0]}`, { owner, names }),
    }),
    "certificate.read": ({ names }) => {
      const found = this.objects.get(`certificate ${names[0]}`);
      return { exists: found !== undefined, ...(found && { ...certificateFacts, owner: found.owner }) };
    },
    "certificate.remove": ({ names, owner }) => ({ removed: this.#remove(`certificate ${names[0]}`, owner) }),
    "relay.put": ({ name, owner, relay, match }) => ({
      created: this.#put(`relay ${name}`, { owner, relay, match }),
    }),
    "relay.remove": ({ name, owner }) => ({ removed: this.#remove(`relay ${name}`, owner) }),
    "settings.remove": ({ owner }) => ({ removed: this.#remove("settings", owner) }),
    "dynamic-zone.put": ({ zone, recordSets }) => {
      this.objects.set(`dynamic-zone ${zone}`, { owner: "", recordSets });
      return { changed: Object.keys(recordSets).length };
    },
    "dynamic-zone.remove": ({ zone }) => ({ changed: this.objects.delete(`dynamic-zone ${zone}`) ? 1 : 0 }),
    "dns.check": () => ({ ok: true, sets: [], reverse: [], zones: [], spf: [], lines: [] }),
    "zone.put": ({ origin, text, owner }) => ({
      serial: 7,
      changed: this.#put(`zone ${origin}`, { owner, text }),
    }),
    "zone.read": ({ origin }) => {
      const found = this.objects.get(`zone ${origin}`);
      return { exists: found !== undefined, text: found?.text as string | undefined, owner: found?.owner };
    },
    "zone.remove": ({ origin, owner }) => ({ removed: this.#remove(`zone ${origin}`, owner) }),
  };

  #put(key: string, object: Stored): boolean {
    const created = !this.objects.has(key);
    this.objects.set(key, object);
    return created;
  }

  #remove(key: string, owner: string): boolean {
    return this.objects.get(key)?.owner === owner && this.objects.delete(key);
  }
}

const certificateFacts = {
  notAfter: "2030-01-01T00:00:00.000Z",
  spkiSha256: "aa".repeat(32),
  nextSpkiSha256: "bb".repeat(32),
  fingerprint: "cc".repeat(32),
  caCertificatePem: "-----BEGIN CERTIFICATE-----\n",
};
