/**
 * Tells a user by mail that their mailbox fills up, as DMS's `quota-warning` does: once for each crossing of 80, 95 and
 * 100 per cent of the quota. The warning itself is stored also where the mailbox is full.
 */
import { accountQuota } from "./config/account-quota.ts";
import type { Snapshot } from "./config/snapshot.ts";
import { memoryContent } from "./message/content.ts";
import { formatDate } from "./message/date.ts";
import { newMessageId } from "./message/message-id.ts";
import type { Log } from "./net/log.ts";
import type { MailStore } from "./store/mail-store.ts";
import { warningFor } from "./store/quota.ts";

export interface QuotaWarningOptions {
  readonly snapshot: () => Snapshot;
  readonly store: () => Pick<MailStore, "deliver">;
  readonly log: Log;
}
type Counted = { readonly bytes: number };

/** To be told of every change of what an account uses. */
export function createQuotaWarnings({
  snapshot,
  store,
  log,
}: QuotaWarningOptions): (account: string, before: Counted, after: Counted) => void {
  return (account, before, after) => {
    const limit = accountQuota(snapshot(), account);
    const percent = warningFor(before.bytes, after.bytes, limit);
    if (percent === undefined) return;
    log.info({ event: "quota-warning", account, percent, bytes: after.bytes, limit }, "a mailbox fills up");
    const warning = warningText(account, percent, snapshot().settings.hostname);
    store()
      .deliver({
        content: memoryContent(Buffer.from(warning, "utf8")),
        receivedAt: new Date(),
        recipients: [{ account, prefix: Buffer.from("Return-Path: <>\r\n"), mailbox: "INBOX" }],
      })
      .then(([outcome]) => {
        if (outcome?.stored === false) throw outcome.error;
      })
      .catch((error) => log.warn({ err: error, account }, "a quota warning was not delivered"));
  };
}

function warningText(account: string, percent: number, hostname: string): string {
  const domain = account.slice(account.lastIndexOf("@") + 1);
  const consequence =
    percent < 100
      ? "When it is full, new messages will be refused until you have removed some."
      : "New messages are refused until you have removed some.";
  return [
    `From: postmaster@${domain}`,
    `To: ${account}`,
    "Subject: quota warning",
    `Date: ${formatDate(Date.now())}`,
    `Message-ID: ${newMessageId(hostname)}`,
    "Auto-Submitted: auto-generated",
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8",
    "",
    `Your mailbox is now ${percent}% full.`,
    "",
    consequence,
    "",
  ].join("\r\n");
}
