/**
 * dovecot-quotas.cf: `user@domain:5G`. Units are IEC (1k is 1024 bytes), 0 is no limit; a number needs its
 * unit (DMS: `^([0-9]+(B|k|M|G|T)|0)$`).
 */
import { mailAddress } from "../address.ts";
import { type LineParser, lineParser } from "./lines.ts";

export const QUOTAS_FILE = "dovecot-quotas.cf";

export interface QuotaLine {
  readonly line: number;
  readonly address: string;
  /** 0: no limit. */
  readonly bytes: number;
}

const units: Readonly<Record<string, number>> = { B: 1, k: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

export const parseQuotas: LineParser<QuotaLine> = lineParser({
  read: ({ line, text: entry }) => {
    const colon = entry.lastIndexOf(":");
    if (colon < 0) throw new Error("a quota is written user@domain:5G; there is no colon in this line");
    return {
      line,
      address: mailAddress(entry.slice(0, colon).trim()),
      bytes: quotaBytes(entry.slice(colon + 1).trim()),
    };
  },
  key: (entry) => entry.address,
});

/**
 * Bytes of a quota as DMS writes it.
 *
 * @throws {RangeError} with DMS's rule
 */
export function quotaBytes(text: string): number {
  if (text === "0") return 0;
  const parts = /^([0-9]+)([BkMGT])$/.exec(text);
  const bytes = parts === null ? Number.NaN : Number(parts[1]) * units[parts[2]!]!;
  if (!Number.isSafeInteger(bytes))
    throw new RangeError(`"${text}" is not a quota: digits and one of B, k, M, G, T (5G), or 0 for no limit`);
  return bytes;
}

/** The shortest exact way to write a number of bytes as a quota. */
export function quotaText(bytes: number): string {
  if (bytes === 0) return "0";
  const exact = Object.entries(units).filter(([, size]) => bytes % size === 0);
  const [unit, size] = exact.at(-1)!;
  return `${bytes / size}${unit}`;
}
