/** A real Dovecot over a Maildir of ours, for tests of going there and back. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";

export const IMAP = "/usr/lib/dovecot/imap";
const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;

/** Speaks IMAP to a real Dovecot over ann@example.org's Maildir, logged in already. Every command must be answered OK. */
export async function dovecot(
  root: string,
  commands: readonly string[],
  settings: readonly string[] = [],
): Promise<string> {
  const base = `${root}/dovecot`;
  mkdirSync(`${base}/home`, { recursive: true });
  writeFileSync(
    `${base}/conf`,
    [
      "protocols = imap",
      `base_dir = ${base}`,
      `log_path = ${base}/log`,
      `mail_location = maildir:${root}/mail/example.org/ann`,
      "ssl = no",
      "first_valid_uid = 1",
      "first_valid_gid = 1",
      "namespace inbox {\n  inbox = yes\n}\n",
      ...settings,
    ].join("\n"),
  );
  mkdirSync(`${root}/mail/example.org/ann`, { recursive: true });
  // Dovecot serves no mail as root; root reads what nobody owns all the same.
  if (isRoot) spawnSync("chown", ["-R", String(NOBODY), root]);
  spawnSync("chmod", ["755", root, base]);
  const drop = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  const ids = isRoot
    ? ["-o", `mail_uid=${NOBODY}`, "-o", `mail_gid=${NOBODY}`]
    : ["-o", `mail_uid=${process.getuid?.()}`, "-o", `mail_gid=${process.getgid?.()}`];
  const child = spawn(IMAP, ["-c", `${base}/conf`, ...ids], {
    ...drop,
    env: { USER: "ann", HOME: `${base}/home` },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const errors = text(child.stderr);
  child.stdin.end([...commands.map((command, i) => `c${i} ${command}\r\n`), "z LOGOUT\r\n"].join(""));
  const answers = await text(child.stdout);
  commands.forEach((command, i) => {
    assert.match(answers, new RegExp(`^c${i} OK`, "m"), `${command}\n${answers}\n`);
  });
  await errors;
  return answers;
}
