/**
 * A double of the `cloudflare` plugin for the embedded engine, which runs no plugins: for DnsRecord and the data sources a mail
 * stack uses it makes the very requests that the real one (6.22) makes, with its retries, and keeps what that keeps in state.
 */
import { setTimeout as wait } from "node:timers/promises";
import type { PropertyMap, ResourceProvider } from "../../../components/engine/provider.ts";
import { containsUnknown, plainMap } from "../../../components/engine/wire.ts";

const RETRIED = [408, 409, 429];
const MOST_RETRIES = 10;
/** Inputs that the API takes; nulls are left out of a request. */
const FIELDS = ["comment", "content", "data", "name", "priority", "proxied", "tags", "ttl", "type"] as const;
/** Outputs that follow from what the API answers. */
const COMPUTED = ["proxiable", "settings", "meta", "tags"] as const;
const REPLACING = ["type", "zoneId"];

export interface DoubleOptions {
  /** Milliseconds of the first pause between tries; the real plugin's is 2000. */
  readonly pauseMs?: number;
}

/** Makes a provider for the embedded engine's table. */
export function cloudflareDouble({ pauseMs = 50 }: DoubleOptions = {}): ResourceProvider {
  let config: { apiToken?: string; baseUrl?: string } = {};

  async function request(
    method: string,
    path: string,
    body?: object,
  ): Promise<{ status: number; result: unknown }> {
    const base = (config.baseUrl ?? process.env.CLOUDFLARE_BASE_URL ?? "").replace(/\/+$/, "");
    if (base === "") throw new Error("the double talks to the emulator alone: give a baseUrl");
    const token = config.apiToken ?? process.env.CLOUDFLARE_API_TOKEN ?? "";
    for (let attempt = 0; ; attempt++) {
      const response = await fetch(`${base}${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        ...(body && { body: JSON.stringify(body) }),
      });
      const again = RETRIED.includes(response.status) || response.status >= 500;
      if (again && attempt < MOST_RETRIES) {
        const asked = Number(response.headers.get("retry-after"));
        await response.body?.cancel();
        await wait(asked > 0 ? asked * 1000 : pauseMs * 2 ** attempt);
        continue;
      }
      const text = await response.text();
      if (response.ok)
        return { status: response.status, result: (JSON.parse(text) as { result: unknown }).result };
      if (response.status === 404 && method === "GET") return { status: 404, result: undefined };
      throw new Error(`${method} "${base}${path}": ${response.status} ${response.statusText} ${text}`);
    }
  }

  const bodyOf = (inputs: PropertyMap) => {
    const values = plainMap(inputs);
    const body: Record<string, unknown> = { proxied: false };
    for (const field of FIELDS)
      if (values[field] !== undefined && values[field] !== null)
        body[field] = field === "data" ? snakeCase(values[field] as Record<string, unknown>) : values[field];
    return body;
  };
  const outputsOf = (inputs: PropertyMap, answered: Record<string, unknown>): PropertyMap => ({
    ...inputs,
    content: inputs.content ?? answered.content,
    createdOn: answered.created_on,
    modifiedOn: answered.modified_on,
    ...Object.fromEntries(COMPUTED.map((field) => [field, answered[field]])),
  });

  return {
    async checkConfig({ news }) {
      const { apiToken } = plainMap(news) as { apiToken?: string };
      const bad = apiToken !== undefined && !/^[0-9A-Za-z_-]{40,80}$/.test(apiToken);
      return {
        inputs: news,
        failures: bad ? [{ property: "apiToken", reason: "must match the pattern of API tokens" }] : [],
      };
    },
    async diffConfig({ oldInputs, news }) {
      const same = JSON.stringify(oldInputs) === JSON.stringify(news);
      return { changes: same ? "none" : "some", replaces: [], deleteBeforeReplace: false, detailedDiff: {} };
    },
    async configure({ inputs }) {
      config = plainMap(inputs) as typeof config;
    },
    async check({ news }) {
      const failures = ["name", "ttl", "type", "zoneId"]
        .filter((property) => news[property] === undefined || news[property] === null)
        .map((property) => ({ property, reason: "is required" }));
      return {
        inputs: Object.fromEntries(Object.entries(news).filter(([, value]) => value !== undefined)),
        failures,
      };
    },
    async diff({ oldInputs, news }) {
      const keys = [...new Set([...Object.keys(oldInputs), ...Object.keys(news)])];
      const changed = keys.filter(
        (key) => JSON.stringify(sorted(oldInputs[key])) !== JSON.stringify(sorted(news[key])),
      );
      const replaces = changed.filter((key) => REPLACING.includes(key) && !containsUnknown(news[key]));
      const detailedDiff = Object.fromEntries(
        changed.map((key) => [
          key,
          {
            kind: replaces.includes(key) ? ("update-replace" as const) : ("update" as const),
            inputDiff: true,
          },
        ]),
      );
      return {
        changes: changed.length > 0 ? "some" : "none",
        replaces,
        deleteBeforeReplace: false,
        detailedDiff,
      };
    },
    async create({ inputs, preview }) {
      if (preview) return { id: "", outputs: inputs };
      const { zoneId } = plainMap(inputs);
      const { result } = await request("POST", `/zones/${zoneId}/dns_records`, bodyOf(inputs));
      const answered = result as Record<string, unknown>;
      return { id: String(answered.id), outputs: outputsOf(inputs, answered) };
    },
    async update({ id, news, preview }) {
      if (preview) return { outputs: news };
      const { zoneId } = plainMap(news);
      const { result } = await request("PUT", `/zones/${zoneId}/dns_records/${id}`, {
        ...bodyOf(news),
        settings: {},
        tags: [],
      });
      return { outputs: outputsOf(news, result as Record<string, unknown>) };
    },
    async read({ id, inputs, state }) {
      // An import names zone and record; a refresh has the zone in its state.
      const [zone, record] = id.includes("/") ? id.split("/") : [plainMap(state).zoneId, id];
      const { status, result } = await request("GET", `/zones/${zone}/dns_records/${record}`);
      if (status === 404) return { id: "", inputs: {}, outputs: {} };
      const found = result as Record<string, unknown>;
      const known = Object.keys(inputs).length > 0;
      const read: PropertyMap = {
        zoneId: zone,
        name: found.name,
        type: found.type,
        ttl: found.ttl,
        proxied: found.proxied,
      };
      if (found.comment !== null) read.comment = found.comment;
      if (found.priority !== undefined) read.priority = found.priority;
      if (found.data === undefined || (known && inputs.content !== undefined)) read.content = found.content;
      if (found.data !== undefined) read.data = camelCase(found.data as Record<string, unknown>);
      return { id: String(record), inputs: read, outputs: outputsOf(read, found) };
    },
    async delete({ id, state }) {
      // The real plugin takes 404 for an error.
      await request("DELETE", `/zones/${plainMap(state).zoneId}/dns_records/${id}`);
    },
    async invoke({ token, args }) {
      const { zoneId, filter } = plainMap(args) as { zoneId?: string; filter?: { name?: string } };
      switch (token) {
        case "cloudflare:index/getZone:getZone": {
          let id = zoneId;
          if (id === undefined) {
            const { result } = await request("GET", `/zones?name=${encodeURIComponent(filter?.name ?? "")}`);
            const [zone, more] = result as { id: string }[];
            if (zone === undefined || more !== undefined)
              throw new Error("found no result, or more than exactly one result");
            id = zone.id;
          }
          const { status, result } = await request("GET", `/zones/${id}`);
          if (status === 404) throw new Error("zone not found");
          const zone = result as Record<string, unknown>;
          return { ...zone, zoneId: zone.id, nameServers: zone.name_servers };
        }
        case "cloudflare:index/getDnsRecords:getDnsRecords": {
          const results: PropertyMap[] = [];
          for (let page = 1; ; page++) {
            const { result } = await request("GET", `/zones/${zoneId}/dns_records?page=${page}`);
            const found = result as Record<string, unknown>[];
            if (found.length === 0) return { zoneId, results };
            for (const record of found)
              results.push({
                ...Object.fromEntries(Object.entries(record).filter(([, value]) => value !== null)),
                ...(record.data !== undefined && { data: camelCase(record.data as Record<string, unknown>) }),
              });
          }
        }
        case "cloudflare:index/getZoneDnssec:getZoneDnssec": {
          const { status, result } = await request("GET", `/zones/${zoneId}/dnssec`);
          if (status === 404) throw new Error("404 Not Found");
          return { zoneId, ...(result as PropertyMap) };
        }
        default:
          throw new Error(`the double has no function ${token}`);
      }
    },
    async cancel() {},
  };
}

const renamed = (data: Record<string, unknown>, rename: (key: string) => string) =>
  Object.fromEntries(Object.entries(data).map(([key, value]) => [rename(key), value]));
const snakeCase = (data: Record<string, unknown>) =>
  renamed(data, (key) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
const camelCase = (data: Record<string, unknown>) =>
  renamed(data, (key) => key.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()));

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
