/** `mailbox.stat`, `mailbox.check`, `mailbox.rebuild`: by the running server, or where none runs on the files themselves. */

import { accountQuota } from "../config/account-quota.ts";
import { mailAddress } from "../config/address.ts";
import { silentLog } from "../net/log.ts";
import type { Examination, ExaminedAccount } from "../store/examination.ts";
import { StoreError } from "../store/mail-store.ts";
import { type AdminContext, OperationError, type Performer, type Performers } from "./context.ts";
import { currentSnapshot } from "./current-snapshot.ts";

type Name = "mailbox.stat" | "mailbox.check" | "mailbox.rebuild";

const row = (how: Examination): Performer<Name> => ({
  effect: "reads",
  async perform({ address: text }, context) {
    const address = mailAddress(text);
    try {
      const { bytes, messages, mailboxes, problems } = await examined(address, how, context);
      const quotaBytes = accountQuota(await currentSnapshot(context), address);
      return { address, bytes, messages, quotaBytes, mailboxes: [...mailboxes], problems: [...problems] };
    } catch (error) {
      if (error instanceof StoreError && error.code === "nonexistent")
        throw new OperationError(
          "not-found",
          `there is no mail of ${address}; an account has some from its first use on`,
        );
      throw error;
    }
  },
});

export const examinationOperations: Performers<Name> = {
  "mailbox.stat": row("stat"),
  "mailbox.check": row("check"),
  "mailbox.rebuild": row("rebuild"),
};

async function examined(
  address: string,
  how: Examination,
  { live, directories }: AdminContext,
): Promise<ExaminedAccount> {
  if (live?.examineMail !== undefined) return live.examineMail(address, how);
  const { openMaildirStore } = await import("../store/maildir/store.ts");
  const store = await openMaildirStore({ directories, log: silentLog });
  try {
    return await store.examine(address, how);
  } finally {
    await store.close();
  }
}
