/**
 * Cloudflare's API (v4) as its Pulumi plugin uses it, for tests: real HTTP on loopback with the API's envelopes, errors,
 * pages, checks and rate limit. What is written here goes to whoever is behind it, a real name server for instance, so that
 * what a program publishes can be resolved.
 */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { DnsRecord } from "../../../mailserver-runtime/dns/records.ts";
import { recordOf, refusalOf } from "./record-rules.ts";

export type Right = "zone:read" | "dns:read" | "dns:edit";

export interface EmulatedZone {
  readonly name: string;
  readonly id?: string;
  readonly status?: string;
  /** As /dnssec tells it; `disabled` when absent. */
  readonly dnssec?: "active" | "pending" | "disabled";
}

export interface EmulatorOptions {
  readonly zones: readonly EmulatedZone[];
  /** API tokens with their rights for all zones. */
  readonly tokens: Readonly<Record<string, readonly Right[]>>;
  /** Puts a change into force where names are resolved. */
  readonly publish?: (zone: string, change: { create: DnsRecord[]; remove: DnsRecord[] }) => Promise<void>;
  /** Records of a page in lists. */
  readonly perPage?: number;
}

/** A record as the API answers it. */
export interface ApiRecord {
  id: string;
  name: string;
  type: string;
  content: string;
  ttl: number;
  proxied: boolean;
  proxiable: boolean;
  priority?: number;
  data?: Record<string, unknown>;
  comment: string | null;
  tags: string[];
  settings: Record<string, unknown>;
  meta: Record<string, unknown>;
  created_on: string;
  modified_on: string;
}

interface Answer {
  readonly status: number;
  readonly result?: unknown;
  readonly errors?: readonly { code: number; message: string }[];
  readonly info?: object;
  readonly headers?: Record<string, string>;
}

interface Request {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Record<string, unknown>;
  readonly rights: readonly Right[];
}

const failed = (status: number, code: number, message: string, headers?: Record<string, string>): Answer => ({
  status,
  errors: [{ code, message }],
  ...(headers && { headers }),
});
const NO_RIGHT = failed(403, 10000, "Authentication error");

export class CloudflareEmulator {
  /** Requests in their order: "POST /zones/…/dns_records". */
  readonly log: string[] = [];
  /** Answers given in the place of the next ones to requests that match. */
  readonly instead: { readonly match: RegExp; readonly answer: Answer; times: number }[] = [];
  readonly #options: EmulatorOptions;
  readonly #zones = new Map<string, EmulatedZone & { id: string; records: Map<string, ApiRecord> }>();
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  /** Changes of one zone follow each other, as the name server behind takes them. */
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(options: EmulatorOptions) {
    this.#options = options;
    for (const zone of options.zones) {
      const id = zone.id ?? randomBytes(16).toString("hex");
      this.#zones.set(id, { ...zone, id, records: new Map() });
    }
  }

  static async start(options: EmulatorOptions): Promise<CloudflareEmulator> {
    const emulator = new CloudflareEmulator(options);
    await new Promise<void>((resolve) => emulator.#server.listen(0, "127.0.0.1", resolve));
    return emulator;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/client/v4`;
  }

  zoneId(name: string): string {
    return this.#zoneNamed(name).id;
  }

  records(zone: string): ApiRecord[] {
    return [...this.#zoneNamed(zone).records.values()];
  }

  /** Puts a record there as its owner would in the dashboard. */
  async enter(zone: string, record: Record<string, unknown>): Promise<ApiRecord> {
    const { status, result, errors } = await this.#create(this.#zoneNamed(zone).id, record);
    if (status !== 200) throw new Error(JSON.stringify(errors));
    return result as ApiRecord;
  }

  /** Takes records away behind everybody's back. */
  async lose(zone: string, lost: (record: ApiRecord) => boolean): Promise<void> {
    for (const record of this.records(zone).filter(lost))
      await this.#delete(this.#zoneNamed(zone).id, record.id);
  }

  /** Answers the next `times` requests that match with this. */
  answer(
    match: RegExp,
    status: number,
    code: number,
    message: string,
    times = 1,
    headers?: Record<string, string>,
  ) {
    this.instead.push({ match, answer: failed(status, code, message, headers), times });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #zoneNamed(name: string) {
    const zone = [...this.#zones.values()].find((each) => each.name === name);
    if (zone === undefined) throw new Error(`the emulator has no zone ${name}`);
    return zone;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = await this.#answer(request).catch((error: Error) => failed(500, 1, error.message));
    const text = JSON.stringify({
      success: answer.status < 400,
      errors: answer.errors ?? [],
      messages: [],
      result: answer.result ?? null,
      ...(answer.info && { result_info: answer.info }),
    });
    response.writeHead(answer.status, { "content-type": "application/json", ...answer.headers }).end(text);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const url = new URL(request.url ?? "/", "http://localhost");
    const path = url.pathname.replace(/^\/client\/v4/, "");
    const method = request.method ?? "GET";
    const line = `${method} ${path}${url.search}`;
    this.log.push(line);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const prepared = this.instead.find(({ match, times }) => times > 0 && match.test(line));
    if (prepared !== undefined) {
      prepared.times--;
      return prepared.answer;
    }
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
    if (token === undefined) return failed(400, 6003, "Invalid request headers");
    const rights = this.#options.tokens[token];
    if (rights === undefined) return failed(401, 1000, "Invalid API Token");
    const text = Buffer.concat(chunks).toString("utf8");
    const body = text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
    const asked: Request = { method, path, query: url.searchParams, body, rights };
    for (const { method: of, pattern, right, run } of this.#routes) {
      const found = of === method ? pattern.exec(path) : null;
      if (found === null) continue;
      if (!rights.includes(right)) return NO_RIGHT;
      return run(asked, found[1] ?? "", found[2] ?? "");
    }
    return failed(404, 7003, `Could not route to ${path}, perhaps your object identifier is invalid?`);
  }

  readonly #routes: readonly {
    method: string;
    pattern: RegExp;
    right: Right;
    run(request: Request, zone: string, record: string): Promise<Answer>;
  }[] = [
    { method: "GET", pattern: /^\/zones$/, right: "zone:read", run: (request) => this.#listZones(request) },
    {
      method: "GET",
      pattern: /^\/zones\/(\w+)$/,
      right: "zone:read",
      run: async (request, zone) => this.#zone(request, zone),
    },
    {
      method: "GET",
      pattern: /^\/zones\/(\w+)\/dnssec$/,
      right: "dns:read",
      run: async (_, zone) => this.#dnssec(zone),
    },
    {
      method: "GET",
      pattern: /^\/zones\/(\w+)\/dns_records$/,
      right: "dns:read",
      run: async (request, zone) => this.#list(request, zone),
    },
    {
      method: "GET",
      pattern: /^\/zones\/(\w+)\/dns_records\/(\w+)$/,
      right: "dns:read",
      run: async (_, zone, record) => this.#record(zone, record),
    },
    {
      method: "POST",
      pattern: /^\/zones\/(\w+)\/dns_records$/,
      right: "dns:edit",
      run: ({ body }, zone) => this.#create(zone, body),
    },
    {
      method: "PUT",
      pattern: /^\/zones\/(\w+)\/dns_records\/(\w+)$/,
      right: "dns:edit",
      run: ({ body }, zone, record) => this.#update(zone, record, body),
    },
    {
      method: "DELETE",
      pattern: /^\/zones\/(\w+)\/dns_records\/(\w+)$/,
      right: "dns:edit",
      run: (_, zone, record) => this.#delete(zone, record),
    },
  ];

  async #listZones({ query, rights }: Request): Promise<Answer> {
    const name = query.get("name");
    const found = [...this.#zones.values()].filter((zone) => name === null || zone.name === name);
    return this.#page(
      query,
      found.map((zone) => shownZone(zone, rights)),
    );
  }

  #zone({ rights }: Request, id: string): Answer {
    const zone = this.#zones.get(id);
    return zone === undefined
      ? failed(403, 9109, "Unauthorized to access requested resource")
      : { status: 200, result: shownZone(zone, rights) };
  }

  #dnssec(id: string): Answer {
    const zone = this.#zones.get(id);
    if (zone === undefined) return failed(404, 1001, "zone not found");
    const status = zone.dnssec ?? "disabled";
    const ds = status === "disabled" ? null : `${zone.name}. 3600 IN DS 2371 13 2 ${"ab".repeat(32)}`;
    return {
      status: 200,
      result: {
        status,
        ds,
        flags: 257,
        algorithm: "13",
        key_tag: 2371,
        modified_on: new Date().toISOString(),
      },
    };
  }

  #list({ query }: Request, id: string): Answer {
    const zone = this.#zones.get(id);
    if (zone === undefined) return failed(404, 7003, "zone not found");
    const [name, type] = [query.get("name.exact") ?? query.get("name"), query.get("type")];
    const found = [...zone.records.values()].filter(
      (record) => (name === null || record.name === name) && (type === null || record.type === type),
    );
    return this.#page(query, found);
  }

  /** Past the last page there is an empty one: the plugin asks until then. */
  #page(query: URLSearchParams, all: readonly unknown[]): Answer {
    const page = Number(query.get("page") ?? 1);
    const size = Number(query.get("per_page") ?? this.#options.perPage ?? 100);
    const result = all.slice((page - 1) * size, page * size);
    const info = {
      page,
      per_page: size,
      count: result.length,
      total_count: all.length,
      total_pages: Math.ceil(all.length / size),
    };
    return { status: 200, result, info };
  }

  #record(zone: string, id: string): Answer {
    const record = this.#zones.get(zone)?.records.get(id);
    return record === undefined
      ? failed(404, 81044, "Record does not exist.")
      : { status: 200, result: record };
  }

  #create(zone: string, body: Record<string, unknown>): Promise<Answer> {
    return this.#inTurn(async () => this.#write(zone, undefined, body));
  }

  #update(zone: string, id: string, body: Record<string, unknown>): Promise<Answer> {
    return this.#inTurn(async () => this.#write(zone, id, body));
  }

  #delete(zoneId: string, id: string): Promise<Answer> {
    return this.#inTurn(async () => {
      const zone = this.#zones.get(zoneId);
      const record = zone?.records.get(id);
      if (zone === undefined || record === undefined) return failed(404, 81044, "Record does not exist.");
      await this.#options.publish?.(zone.name, { create: [], remove: [recordOf(record)] });
      zone.records.delete(id);
      return { status: 200, result: { id } };
    });
  }

  async #write(zoneId: string, id: string | undefined, body: Record<string, unknown>): Promise<Answer> {
    const zone = this.#zones.get(zoneId);
    if (zone === undefined) return failed(404, 7003, "zone not found");
    const before = id === undefined ? undefined : zone.records.get(id);
    if (id !== undefined && before === undefined) return failed(404, 81044, "Record does not exist.");
    const others = [...zone.records.values()].filter((record) => record !== before);
    const written = asWritten(body, before);
    const refusal = refusalOf(written, zone.name, others);
    if (refusal !== undefined) return failed(400, refusal.code, refusal.message);
    await this.#options.publish?.(zone.name, {
      remove: before === undefined ? [] : [recordOf(before)],
      create: [recordOf(written)],
    });
    zone.records.set(written.id, written);
    return { status: 200, result: written };
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined);
    return result;
  }
}

/** `data` wins over `content`, which a PUT of the plugin repeats from its state. */
function asWritten(body: Record<string, unknown>, before: ApiRecord | undefined): ApiRecord {
  const now = new Date().toISOString();
  const type = String(body.type);
  const data = body.data as Record<string, unknown> | undefined;
  const content = data === undefined ? String(body.content ?? "") : contentOf(type, data);
  return {
    id: before?.id ?? randomBytes(16).toString("hex"),
    name: String(body.name).toLowerCase().replace(/\.$/, ""),
    type,
    content,
    proxiable: ["A", "AAAA", "CNAME"].includes(type),
    proxied: body.proxied === true,
    ttl: Number(body.ttl ?? 1),
    settings: {},
    meta: {},
    comment: (body.comment as string | undefined) ?? null,
    tags: [],
    created_on: before?.created_on ?? now,
    modified_on: now,
    ...(body.priority !== undefined && body.priority !== null && { priority: Number(body.priority) }),
    ...(data && { data }),
  };
}

function contentOf(type: string, data: Record<string, unknown>): string {
  switch (type) {
    case "SRV":
      return `${data.weight} ${data.port} ${data.target}`;
    case "CAA":
      return `${data.flags} ${data.tag} "${data.value}"`;
    case "TLSA":
      return `${data.usage} ${data.selector} ${data.matching_type} ${data.certificate}`;
    default:
      return "";
  }
}

function shownZone({ id, name, status = "active" }: EmulatedZone & { id: string }, rights: readonly Right[]) {
  const permissions = rights.map(
    (right) =>
      ({ "zone:read": "#zone:read", "dns:read": "#dns_records:read", "dns:edit": "#dns_records:edit" })[
        right
      ],
  );
  return {
    id,
    name,
    status,
    paused: false,
    type: "full",
    development_mode: 0,
    name_servers: ["ada.ns.cloudflare.test", "bob.ns.cloudflare.test"],
    original_name_servers: [],
    activated_on: "2026-01-01T00:00:00Z",
    created_on: "2026-01-01T00:00:00Z",
    modified_on: "2026-01-01T00:00:00Z",
    account: { id: "a".repeat(32), name: "test" },
    meta: {},
    owner: { id: null, type: "user", email: null },
    permissions,
    plan: { id: "free", name: "Free" },
  };
}
