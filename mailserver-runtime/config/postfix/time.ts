/** Times as Postfix writes them: a number with s, m, h, d or w, and a unit of the parameter's own where none stands. */
const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** @throws {Error} */
export function seconds(text: string, unit: "s" | "h" | "d"): number {
  const parts = /^(\d{1,9})([smhdw]?)$/.exec(text);
  if (parts === null) throw new Error(`"${text}" is no time, as in 5d, 4h or 300s`);
  return Number(parts[1]) * units[parts[2] || unit]!;
}
