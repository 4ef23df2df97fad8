/**
 * Declared zones: the text goes to config/zones/<origin>.zone with a serial that grows by itself.
 *
 * RFC 1912 §2.2 writes a serial as YYYYMMDDnn; a secondary takes a zone only when the serial has grown (RFC
 * 1982), so the number in the declared text does not count: two texts that differ in it alone are the same.
 */
import { join } from "node:path";
import { mailDomain } from "../config/address.ts";
import { readIfPresent, removeDurably, writeDurably } from "../config/durable-file.ts";
import { readStackObject, removeStackObject, writeStackObject } from "../config/stack/files.ts";
import { stackFileName } from "../config/stack/objects.ts";
import { OperationError, type Performers } from "./context.ts";

export const zoneOperations: Performers<"zone.put" | "zone.read" | "zone.remove"> = {
  "zone.put": {
    effect: "changes",
    async perform({ origin: text, text: declared, owner }, { directories: { config } }) {
      const origin = mailDomain(text);
      const declaredSerial = serialOf(declared, origin);
      const before = await readStackObject(config, "zones", origin);
      const present = await readIfPresent(zoneFile(config, origin));
      const presentSerial = present === undefined ? undefined : serialIn(present)?.value;
      const same =
        present !== undefined &&
        presentSerial !== undefined &&
        withSerial(declared, presentSerial) === present;
      const serial = same
        ? presentSerial
        : Math.max(before?.serial ?? 0, presentSerial ?? 0, today() - 1, declaredSerial - 1) + 1;
      if (serial > 0xffff_ffff)
        throw new OperationError(
          "invalid",
          `the serial of ${origin} would be ${serial}, which is more than 32 bits`,
        );
      if (!same) await writeDurably(zoneFile(config, origin), withSerial(declared, serial), 0o644);
      await writeStackObject(config, "zones", { origin, serial, declaredSerial, owner });
      return { serial, changed: !same };
    },
  },
  "zone.read": {
    effect: "reads",
    async perform({ origin: text }, { directories: { config } }) {
      const origin = mailDomain(text);
      const object = await readStackObject(config, "zones", origin);
      const present = await readIfPresent(zoneFile(config, origin));
      if (object === undefined || present === undefined) return { exists: false, owner: object?.owner };
      // With the declared serial in it again, the text equals the declared one unless somebody changed the file.
      const shown =
        serialIn(present)?.value === object.serial ? withSerial(present, object.declaredSerial) : present;
      return { exists: true, text: shown, owner: object.owner };
    },
  },
  "zone.remove": {
    effect: "changes",
    async perform({ origin: text, owner }, { directories: { config } }) {
      const origin = mailDomain(text);
      const object = await readStackObject(config, "zones", origin);
      if (object?.owner !== owner) return { removed: false };
      await removeDurably(zoneFile(config, origin)).catch(() => false);
      return { removed: await removeStackObject(config, "zones", origin) };
    },
  },
};

function zoneFile(config: string, origin: string): string {
  return join(config, "zones", stackFileName(origin).replace(/\.json$/, ".zone"));
}

/** YYYYMMDD00 of today in UTC. */
function today(): number {
  return Number(new Date().toISOString().slice(0, 10).replaceAll("-", "")) * 100;
}

/** Where the SOA's first number stands: behind two names, an opening parenthesis and comments perhaps between. */
function serialIn(
  text: string,
): { readonly at: number; readonly length: number; readonly value: number } | undefined {
  const found = /^[^;\n]*?\sSOA\s+\S+\s+\S+(?:\s|\(|;[^\n]*\n)*?(?<=[\s(])(\d{1,10})(?=[\s;)])/im.exec(text);
  if (found === null) return undefined;
  const digits = found[1]!;
  return { at: found.index + found[0].length - digits.length, length: digits.length, value: Number(digits) };
}

function serialOf(text: string, origin: string): number {
  const serial = serialIn(text);
  if (serial === undefined)
    throw new OperationError("invalid", `the zone ${origin} has no SOA record with a serial (RFC 1035 §5.2)`);
  return serial.value;
}

function withSerial(text: string, serial: number): string {
  const place = serialIn(text);
  if (place === undefined) return text;
  return text.slice(0, place.at) + String(serial) + text.slice(place.at + place.length);
}
