/** Bans on directories of their own, with a clock that a test moves. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Log } from "../net/log.ts";
import { type Settings, type SettingsInput, settingsSchema } from "../settings/schema.ts";
import { type Bans, type BansOptions, openBans } from "./bans.ts";

export const DAY = 86_400_000;

export interface BansFixture {
  readonly directories: { readonly config: string; readonly state: string; readonly log: string };
  readonly clock: { now: number };
  readonly logged: Record<string, unknown>[];
  settings: Settings["ban"];
  /** Opens the bans, again after a close: a restart. Two clients are there, so that a ban does not shut out everybody. */
  open(options?: Partial<BansOptions>): Promise<Bans>;
  /** The same before any client came. */
  openAlone(options?: Partial<BansOptions>): Promise<Bans>;
}

export async function bansFixture(
  t: TestContext,
  settings: SettingsInput["ban"] = {},
  jailFile?: string,
): Promise<BansFixture> {
  const root = await mkdtemp(join(tmpdir(), "mailkeep-ban-"));
  const opened: Bans[] = [];
  t.after(async () => {
    for (const bans of opened) await bans.close();
    await rm(root, { recursive: true, force: true });
  });
  const directories = { config: join(root, "config"), state: join(root, "state"), log: join(root, "log") };
  await mkdir(directories.config);
  if (jailFile !== undefined) await writeFile(join(directories.config, "fail2ban-jail.cf"), jailFile);
  const clock = { now: Date.UTC(2026, 0, 1) };
  const logged: Record<string, unknown>[] = [];
  const say = (fields: object) => void logged.push(fields as Record<string, unknown>);
  const log: Log = {
    trace: say,
    debug: say,
    info: say,
    warn: say,
    error: say,
    child: () => log,
  };
  const fixture: BansFixture = {
    directories,
    clock,
    logged,
    settings: settingsSchema.parse({ hostname: "mail.example.org", ban: settings }).ban,
    async openAlone(options = {}) {
      const bans = await openBans({
        directories,
        hostname: () => "mail.example.org",
        settings: () => fixture.settings,
        log,
        now: () => clock.now,
        isOwn: () => false,
        gateways: () => new Set(),
        ...options,
      });
      opened.push(bans);
      return bans;
    },
    async open(options) {
      const bans = await fixture.openAlone(options);
      bans.refusal("198.51.100.1");
      bans.refusal("198.51.100.2");
      return bans;
    },
  };
  return fixture;
}
