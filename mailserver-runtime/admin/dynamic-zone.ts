/** Dynamic updates that a stack asks the host for. They change no file of the host. */
import { lookup } from "node:dns/promises";
import { changeZone, clearZone, type DynamicZone, DynamicZoneError, readZone } from "../dns/dynamic-zone.ts";
import { InvalidRecordSet, recordsIn, setsOf } from "../dns/record-sets.ts";
import { domainName } from "../dns/records.ts";
import { OperationError, type Performers } from "./context.ts";
import type { FailureCode, OperationRequest } from "./contract.ts";

/** For all questions and the update of one operation. */
const OPERATION_MS = 60_000;

const codes: Readonly<Partial<Record<DynamicZoneError["code"], FailureCode>>> = {
  conflict: "conflict",
  changed: "conflict",
  refused: "permission",
  key: "permission",
  clock: "permission",
  "not-zone": "invalid",
  "too-large": "invalid",
};

export const dynamicZoneOperations: Performers<
  "dynamic-zone.put" | "dynamic-zone.read" | "dynamic-zone.remove"
> = {
  "dynamic-zone.put": {
    effect: "reads",
    perform: (request) =>
      within(request, async (zone) => ({
        changed: await changeZone(zone, {
          wanted: recordsIn(request.recordSets),
          previous: recordsIn(request.previous),
          adopt: request.adopt,
        }),
      })),
  },
  "dynamic-zone.read": {
    effect: "reads",
    perform: (request) =>
      within(request, async (zone) => ({
        recordSets: setsOf(await readZone(zone, recordsIn(request.recordSets))),
      })),
  },
  "dynamic-zone.remove": {
    effect: "reads",
    perform: (request) =>
      within(request, async (zone) => ({ changed: await clearZone(zone, recordsIn(request.recordSets)) })),
  },
};

async function within<T>(
  { server, port, zone, key }: OperationRequest<"dynamic-zone.read">,
  run: (zone: DynamicZone) => Promise<T>,
): Promise<T> {
  try {
    const { address } = await lookup(server).catch((error: Error) => {
      throw new DynamicZoneError("unreachable", `${server}: ${error.message}`);
    });
    return await run({
      server: { address, port },
      zone: domainName(zone),
      signal: AbortSignal.timeout(OPERATION_MS),
      ...(key && { key }),
    });
  } catch (error) {
    if (error instanceof InvalidRecordSet) throw new OperationError("invalid", error.message);
    if (error instanceof DynamicZoneError)
      throw new OperationError(codes[error.code] ?? "internal", error.message);
    throw error;
  }
}
