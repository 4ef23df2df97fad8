/**
 * A plan as dynamic updates (RFC 2136), one for each zone: what to add and what to take away, given what this stack put
 * there before. Records of others are in neither list, so they stay. The host sends the updates; see the runtime's
 * dns/update.ts.
 */
import { type DnsRecord, recordChanges } from "../../../mailserver-runtime/dns/records.ts";
import { placeRecords } from "../zones.ts";
import type { Published, Publisher } from "./publisher.ts";

export interface DynamicUpdateOptions {
  /** The zones that the server is primary of. */
  readonly zones: readonly string[];
  /** The records of this stack's last update, from its state. */
  readonly previous: readonly DnsRecord[];
}

export interface DynamicUpdate {
  readonly zone: string;
  readonly create: readonly DnsRecord[];
  readonly remove: readonly DnsRecord[];
}

export interface DynamicUpdates extends Published {
  /** Zones without a change are left out. */
  readonly updates: readonly DynamicUpdate[];
}

/** Says what each zone's server has to be told. */
export const dynamicUpdates: Publisher<DynamicUpdateOptions, DynamicUpdates> = (plan, options) => {
  const { zones, unplaced } = placeRecords(plan.records, options.zones);
  const before = placeRecords(
    options.previous.map((record) => ({ record, reason: "Published before." })),
    options.zones,
  );
  const updates = zones.flatMap(({ origin, records }, index) => {
    const current = before.zones[index]?.records.map(({ record }) => record) ?? [];
    const { create, remove } = recordChanges(
      current,
      records.map(({ record }) => record),
    );
    return create.length + remove.length === 0 ? [] : [{ zone: origin, create, remove }];
  });
  return { updates, unplaced };
};
