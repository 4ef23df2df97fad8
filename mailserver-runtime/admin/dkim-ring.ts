/**
 * A domain's DKIM keys as one thing that rotates (dkim-rotation/rotation.ts). The ring's file says which selector has which role;
 * what signs follows from it, so that a change that was killed half way is finished by the next.
 */
import { mailDomain } from "../config/address.ts";
import { readStackObject, removeStackObject, writeStackObject } from "../config/stack/files.ts";
import { dkimName } from "../config/stack/objects.ts";
import { ensureDkimKey, readDkimKey, renewDkimKey } from "../dkim-rotation/key-file.ts";
import { domainsWithRings, readRing, writeRing } from "../dkim-rotation/ring-file.ts";
import {
  advanced,
  begun,
  type Lane,
  outlook,
  type Ring,
  rolesOf,
  signsNext,
  type Visibility,
} from "../dkim-rotation/rotation.ts";
import { visibilityOf } from "../dkim-rotation/visible-keys.ts";
import { createResolver } from "../dns/resolver.ts";
import { dkimSelectors } from "../settings/dkim-selectors.ts";
import { type AdminContext, OperationError, type Performers } from "./context.ts";
import type { OperationAnswer, OperationRequest } from "./contract.ts";
import { currentSnapshot } from "./current-snapshot.ts";
import { dkimStatusLines } from "./dkim-status-lines.ts";

type Names =
  | "dkim.ring.put"
  | "dkim.ring.read"
  | "dkim.ring.remove"
  | "dkim.status"
  | "dkim.rotate"
  | "dkim.advance";
type RingKey = OperationAnswer<"dkim.ring.read">["keys"][number];
type DomainStatus = OperationAnswer<"dkim.status">["domains"][number];

/** Selectors of the first keys where nothing else is declared. */
const FIRST = { current: "mk1", next: "mk2" };

export const dkimRingOperations: Performers<Names> = {
  "dkim.ring.put": {
    effect: "changes",
    async perform({ domain: text, algorithms, first, owner }, { directories }) {
      const domain = mailDomain(text);
      const { state } = directories;
      const before = await readRing(state, domain);
      const lanes = lanesOf(algorithms, first ?? FIRST, before);
      for (const { algorithm, current, next } of lanes)
        for (const selector of [current, next]) await ensureDkimKey(state, domain, selector, algorithm);
      const ring: Ring = before
        ? { ...before, lanes }
        : { lanes, phase: "idle", since: Date.now(), due: undefined };
      await writeRing(state, domain, ring);
      await putIntoForce(directories, domain, ring, owner, before);
      return { keys: await keysOf(state, domain, ring), outlook: outlook(ring) };
    },
  },
  "dkim.ring.read": {
    effect: "reads",
    async perform({ domain: text }, { directories }) {
      const domain = mailDomain(text);
      const ring = await readRing(directories.state, domain);
      const owner = ring && (await ownerOf(directories.config, domain, ring));
      if (ring === undefined || owner === undefined) return { exists: false, algorithms: [], keys: [] };
      return {
        exists: true,
        algorithms: ring.lanes.map(({ algorithm }) => algorithm),
        keys: await keysOf(directories.state, domain, ring),
        outlook: outlook(ring),
        owner,
      };
    },
  },
  "dkim.ring.remove": {
    effect: "changes",
    async perform({ domain: text, owner }, { directories }) {
      const domain = mailDomain(text);
      const ring = await readRing(directories.state, domain);
      if (ring === undefined || (await ownerOf(directories.config, domain, ring)) !== owner)
        return { removed: false };
      for (const { selector } of rolesOf(ring))
        await removeStackObject(directories.config, "dkim", dkimName(domain, selector));
      return { removed: true };
    },
  },
  "dkim.status": {
    effect: "reads",
    async perform({ domain: text }, context) {
      const snapshot = await currentSnapshot(context);
      const asked = text === undefined ? [...snapshot.domains()].map(({ name }) => name) : [mailDomain(text)];
      const domains = await withResolver(context, (resolver) =>
        Promise.all(asked.map((domain) => statusOf(context, resolver, domain))),
      );
      return { domains, lines: dkimStatusLines(domains) };
    },
  },
  "dkim.rotate": {
    effect: "changes",
    perform: ({ domain }, context) => stepped(context, mailDomain(domain), begun),
  },
  "dkim.advance": {
    effect: "changes",
    async perform(_request, context) {
      const lines: string[] = [];
      for (const domain of await domainsWithRings(context.directories.state)) {
        const { changed, lines: said } = await stepped(context, domain, (ring) => ring);
        if (changed) lines.push(...said);
      }
      return { lines };
    },
  },
};

/** One phase at most, with what is said of it. */
async function stepped(
  context: AdminContext,
  domain: string,
  first: (ring: Ring, now: number) => Ring,
): Promise<OperationAnswer<"dkim.rotate">> {
  const { directories } = context;
  const { state, config } = directories;
  const before = await readRing(state, domain);
  const owner = before && (await ownerOf(config, domain, before));
  if (before === undefined || owner === undefined) throw await noRing(context, domain);
  const now = Date.now();
  const asked = first(before, now);
  const visibility = await withResolver(context, (resolver) =>
    visibilityOfNext(state, resolver, domain, asked),
  );
  const { delivery } = (await currentSnapshot(context)).settings;
  const queueLifetimeMs = delivery.lifetimeSeconds * 1000;
  if (visibility.kind === "seen" && signsNext(asked, now)) await renewSpares(state, domain, asked);
  const ring = advanced(asked, { now, visibility, queueLifetimeMs });
  if (ring !== before) await writeRing(state, domain, ring);
  await putIntoForce(directories, domain, ring, owner, before);
  const status = await statusWith(context, domain, ring, visibility);
  return { changed: ring !== before, lines: dkimStatusLines([status]) };
}

/** New keys for the selectors that are revoked; killed behind it, the next try makes others, and nobody has seen these. */
async function renewSpares(state: string, domain: string, { lanes }: Ring): Promise<void> {
  for (const { algorithm, spare } of lanes) await renewDkimKey(state, domain, spare, algorithm);
}

async function keysOf(state: string, domain: string, ring: Ring): Promise<RingKey[]> {
  const algorithms = ring.lanes.flatMap(({ algorithm }) => [algorithm, algorithm, algorithm]);
  const keys = await Promise.all(
    rolesOf(ring).map(async ({ selector, role }, index) => {
      if (role === "revoked") return [{ selector, role, algorithm: algorithms[index]!, publicKey: "" }];
      const key = await readDkimKey(state, domain, selector);
      return key === undefined ? [] : [{ selector, role, ...key }];
    }),
  );
  return keys.flat();
}

/** The lanes of a ring stay; algorithms that are new get keys, and those that are gone lose theirs. */
function lanesOf(
  algorithms: OperationRequest<"dkim.ring.put">["algorithms"],
  first: { readonly current: string; readonly next: string },
  before: Ring | undefined,
): Lane[] {
  return dkimSelectors(algorithms, first).map(
    (fresh) => before?.lanes.find(({ algorithm }) => algorithm === fresh.algorithm) ?? fresh,
  );
}

/** What signs, and what is only published, as the ring says: the files that the server reads. */
async function putIntoForce(
  { config }: AdminContext["directories"],
  domain: string,
  ring: Ring,
  owner: string,
  before: Ring | undefined,
): Promise<void> {
  for (const { algorithm, current, next } of ring.lanes) {
    // The new one signs before the old one stops: two signatures for a moment, never none.
    await writeStackObject(config, "dkim", { domain, selector: current, algorithm, active: true, owner });
    await writeStackObject(config, "dkim", { domain, selector: next, algorithm, active: false, owner });
  }
  const kept = new Set(ring.lanes.flatMap(({ current, next }) => [current, next]));
  for (const { selector } of [...rolesOf(ring), ...(before ? rolesOf(before) : [])])
    if (!kept.has(selector)) await removeStackObject(config, "dkim", dkimName(domain, selector));
}

async function ownerOf(config: string, domain: string, ring: Ring): Promise<string | undefined> {
  for (const { selector } of rolesOf(ring)) {
    const object = await readStackObject(config, "dkim", dkimName(domain, selector));
    if (object !== undefined) return object.owner;
  }
  return undefined;
}

async function visibilityOfNext(
  state: string,
  resolver: ReturnType<typeof createResolver>,
  domain: string,
  ring: Ring,
): Promise<Visibility> {
  const keys = await keysOf(state, domain, ring);
  return visibilityOf(
    resolver,
    domain,
    keys.filter(({ role }) => role === "next"),
  );
}

async function statusOf(
  context: AdminContext,
  resolver: ReturnType<typeof createResolver>,
  domain: string,
): Promise<DomainStatus> {
  const ring = await readRing(context.directories.state, domain);
  if (ring === undefined || (await ownerOf(context.directories.config, domain, ring)) === undefined) {
    const keys = (await currentSnapshot(context)).dkimKeys(domain);
    return {
      domain,
      keys: keys.map(({ selector, active, origin }) => {
        return { selector, role: active ? ("current" as const) : ("next" as const), place: origin.file };
      }),
    };
  }
  const visibility = await visibilityOfNext(context.directories.state, resolver, domain, ring);
  return statusWith(context, domain, ring, visibility);
}

async function statusWith(
  { directories }: AdminContext,
  domain: string,
  ring: Ring,
  visibility: Visibility,
): Promise<DomainStatus> {
  const { phase, due } = ring;
  return {
    domain,
    keys: await keysOf(directories.state, domain, ring),
    phase,
    ...(due !== undefined && { due: new Date(due).toISOString() }),
    outlook: outlook(ring, visibility),
  };
}

/** The server's own resolver, or one as the settings say where no server runs. */
async function withResolver<T>(
  context: AdminContext,
  work: (resolver: ReturnType<typeof createResolver>) => Promise<T>,
): Promise<T> {
  const { servers } = (await currentSnapshot(context)).settings.dns;
  const resolver = createResolver({ servers });
  try {
    return await work(resolver);
  } finally {
    resolver.close();
  }
}

async function noRing(context: AdminContext, domain: string): Promise<OperationError> {
  const snapshot = await currentSnapshot(context);
  if (snapshot.domain(domain) === undefined)
    return new OperationError("not-found", `${domain} is no domain of this host`);
  const [key] = snapshot.dkimKeys(domain);
  return new OperationError(
    "conflict",
    key === undefined
      ? `${domain} has no DKIM key: declare one in the stack, or make one with 'setup config dkim domain ${domain}'`
      : `the keys of ${domain} are kept by hand (${key.origin.file}). To change them: 'setup config dkim selector <new> domain ${domain}', publish its record, and take the old one out of ${key.origin.file} when the queue's lifetime has passed`,
  );
}
