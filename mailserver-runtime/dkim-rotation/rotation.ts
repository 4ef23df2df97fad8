/**
 * The rotation of a domain's DKIM keys (RFC 6376), as a sequence of phases. A key's record has to be seen by verifiers before it
 * signs, and to stay while mail that it signed may still be under way; so a rotation takes days, and goes on where it
 * stopped, whoever comes by: the server's own clock, `dkim rotate`, the next `up`.
 *
 *     idle ─ rotate ─▶ publishing ─ seen ─▶ seen ─ due: sign ─▶ retiring ─ due: revoke ─▶ idle
 *
 * A domain has three selectors for each algorithm, which take turns: one signs, one follows, and the third has signed what may
 * still be under way, or is revoked (an empty p=, RFC 6376 §3.6.1) and waits for its next key. So the DNS always has the same
 * names, whoever publishes them, and the key that follows is made, and published, long before anybody wants it. Pure: what the DNS shows and what time it is come in; each step does one phase at most.
 */

import type { DkimAlgorithm } from "../settings/dkim-selectors.ts";

/** The keys of one algorithm, by their selectors. */
export interface Lane {
  readonly algorithm: DkimAlgorithm;
  /** Signs. */
  readonly current: string;
  /** Published, and silent. */
  readonly next: string;
  /** Signed before; revoked when nothing of it can be under way any more. */
  readonly spare: string;
}

export const phases = ["idle", "publishing", "seen", "retiring"] as const;
/**
 * - `idle`: nothing is under way.
 * - `publishing`: waits until the records of the next keys are seen.
 * - `seen`: they are; waits until no cache says otherwise any more.
 * - `retiring`: the next keys have become the current ones; waits until no mail of the old ones is under way.
 */
export type Phase = (typeof phases)[number];

export interface Ring {
  readonly lanes: readonly Lane[];
  readonly phase: Phase;
  /** When the phase began; milliseconds since the epoch. */
  readonly since: number;
  /** When it may end; undefined where that hangs on something else. */
  readonly due: number | undefined;
}

/** - `retired`: signs no more; its record stays for what is under way. - `revoked`: published without a key. */
export type Role = "current" | "next" | "retired" | "revoked";

/** What each selector is. */
export function rolesOf({ lanes, phase }: Ring): { readonly selector: string; readonly role: Role }[] {
  return lanes.flatMap(({ current, next, spare }) => [
    { selector: current, role: "current" as const },
    { selector: next, role: "next" as const },
    { selector: spare, role: phase === "retiring" ? ("retired" as const) : ("revoked" as const) },
  ]);
}

/** What the DNS says of the keys that follow. */
export type Visibility =
  /** Every record is there as it should be; a cache may have an older answer for so many seconds. */
  | { readonly kind: "seen"; readonly ttl: number }
  /** In a clause: what is missing, and where. */
  | { readonly kind: "missing"; readonly what: string };

export interface Circumstances {
  readonly now: number;
  readonly visibility: Visibility;
  /** How long a message may wait in the queue. */
  readonly queueLifetimeMs: number;
}

/** Begins a rotation; one that is under way stays as it is. */
export function begun(ring: Ring, now: number): Ring {
  return ring.phase === "idle" ? { ...ring, phase: "publishing", since: now, due: undefined } : ring;
}

/** Whether the next step puts the next keys into use, where nothing is missing; the spare selectors want new keys before. */
export function signsNext(ring: Ring, now: number): boolean {
  return ring.phase === "seen" && ring.due !== undefined && now >= ring.due;
}

type Step = (ring: Ring, circumstances: Circumstances) => Ring;

const steps: Readonly<Record<Phase, Step>> = {
  idle: (ring) => ring,
  publishing: (ring, { now, visibility }) =>
    visibility.kind === "missing"
      ? ring
      : { ...ring, phase: "seen", since: now, due: now + visibility.ttl * 1000 },
  seen(ring, { now, visibility, queueLifetimeMs }) {
    // A record that was taken away again must not sign.
    if (visibility.kind === "missing") return { ...ring, phase: "publishing", since: now, due: undefined };
    if (!signsNext(ring, now)) return ring;
    return {
      lanes: ring.lanes.map(({ algorithm, current, next, spare }) => {
        return { algorithm, current: next, next: spare, spare: current };
      }),
      phase: "retiring",
      since: now,
      due: now + queueLifetimeMs,
    };
  },
  retiring: (ring, { now }) =>
    ring.due === undefined || now >= ring.due ? { ...ring, phase: "idle", since: now, due: undefined } : ring,
};

/** Does what is due, one phase at most; the ring itself where nothing is. */
export function advanced(ring: Ring, circumstances: Circumstances): Ring {
  return steps[ring.phase](ring, circumstances);
}

/** What comes next and when, for a person: one clause. */
export function outlook({ phase, due, lanes }: Ring, visibility?: Visibility): string {
  const at = due === undefined ? "" : `, due ${new Date(due).toISOString()}`;
  const next = lanes.map((lane) => lane.next).join(", ");
  switch (phase) {
    case "idle":
      return `no rotation is under way; next key ${next}`;
    case "publishing":
      return visibility?.kind === "missing"
        ? `next phase: ${next} is seen in the DNS; ${visibility.what}`
        : `next phase: ${next} is seen in the DNS`;
    case "seen":
      return `next phase: ${next} signs${at}`;
    case "retiring":
      return `next phase: revoke ${lanes.map(({ spare }) => spare).join(", ")}${at}`;
  }
}
