/** Reports about our domains on the disk: a JSON file each, bounded in number and octets, the oldest going first. */
import { createHash } from "node:crypto";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { readIfPresent, UNFINISHED, writeDurably } from "../config/durable-file.ts";
import { dayOf } from "../reports/day-tally.ts";
import { domainsOf, type KeptReport, keptReportSchema } from "./received-report.ts";

/** A large receiver sends one a day and domain: years of them. */
const MAX_FILES = 10_000;
const MAX_BYTES = 256 * 1024 * 1024;
const FILE = /^(\d{4}-\d\d-\d\d)\.(?:dmarc|tls)\.[0-9a-f]{32}\.json$/;

/** Keeps a report; one that is there already (a message that came twice) is written over. */
export async function keepReport(directory: string, kept: KeptReport): Promise<void> {
  const { kind, organization, reportId, begin } = kept.report;
  const identity = JSON.stringify([organization, reportId, domainsOf(kept.report), begin]);
  const digest = createHash("sha256").update(identity).digest("hex").slice(0, 32);
  // A stranger's clock decides the name, within reason.
  const day = dayOf(Math.min(begin * 1000, Date.parse(kept.receivedAt)));
  await writeDurably(join(directory, `${day}.${kind}.${digest}.json`), `${JSON.stringify(kept)}\n`);
  await makeRoom(directory, MAX_FILES, MAX_BYTES);
}

/** Removes the oldest files until the rest is within both bounds; what others write must not fill the disk. */
export async function makeRoom(directory: string, maxFiles: number, maxBytes: number): Promise<void> {
  const names = (await readdir(directory)).filter((name) => FILE.test(name)).sort();
  let files = 0;
  let bytes = 0;
  for (const name of names.reverse()) {
    const path = join(directory, name);
    files += 1;
    bytes += (await stat(path)).size;
    if (files > maxFiles || bytes > maxBytes) await rm(path, { force: true });
  }
}

/** The reports about days from `since` (`2026-11-26`) on, oldest first. */
export async function keptReports(directory: string, since: string): Promise<readonly KeptReport[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const reports: KeptReport[] = [];
  for (const name of names.filter((each) => !each.startsWith(UNFINISHED)).sort()) {
    const day = FILE.exec(name)?.[1];
    if (day === undefined || day < since) continue;
    const kept = parsed(await readIfPresent(join(directory, name)));
    if (kept !== undefined) reports.push(kept);
  }
  return reports;
}

function parsed(text: string | undefined): KeptReport | undefined {
  try {
    return keptReportSchema.safeParse(JSON.parse(text ?? "")).data;
  } catch {
    return undefined;
  }
}
