/** Sizes as people write them: 500M, 2G. Units are powers of 1024, as in docker-mailserver's quota files. */
const UNITS: Readonly<Record<string, number>> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

/** Bytes, or undefined for what is no size. */
export function bytesOf(size: number | string): number | undefined {
  if (typeof size === "number") return Number.isSafeInteger(size) && size >= 0 ? size : undefined;
  const [, digits, unit = ""] = /^\s*(\d+)\s*([KMGT]?)(?:i?B)?\s*$/i.exec(size) ?? [];
  if (digits === undefined) return undefined;
  const bytes = Number(digits) * (UNITS[unit.toUpperCase()] ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
