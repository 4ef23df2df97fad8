/** `mailbox.expunged`, `mailbox.undelete`: by the running server, or where none runs on the files themselves. */
import { mailAddress } from "../config/address.ts";
import { silentLog } from "../net/log.ts";
import { StoreError } from "../store/mail-store.ts";
import type { ExpungedSelection } from "../store/retention.ts";
import { type AdminContext, type ExpungedMailOperator, OperationError, type Performers } from "./context.ts";

interface Request {
  readonly address: string;
  readonly mailbox?: string | undefined;
  readonly since?: string | undefined;
  readonly subject?: string | undefined;
}

export const expungedMailOperations: Performers<"mailbox.expunged" | "mailbox.undelete"> = {
  "mailbox.expunged": {
    effect: "reads",
    async perform(request, context) {
      const found = await use(request, context, (mail, address, selection) =>
        mail.expungedMessages(address, selection),
      );
      const messages = found.map((one) => ({ ...one, expungedAt: new Date(one.expungedAt).toISOString() }));
      return { messages };
    },
  },
  "mailbox.undelete": {
    // No file of the configuration changes.
    effect: "reads",
    async perform(request, context) {
      const mailboxes = await use(request, context, (mail, address, selection) =>
        mail.undelete(address, selection),
      );
      return { mailboxes: [...mailboxes] };
    },
  },
};

async function use<T>(
  { address: text, mailbox, since, subject }: Request,
  context: AdminContext,
  work: (mail: ExpungedMailOperator, address: string, selection: ExpungedSelection) => Promise<T>,
): Promise<T> {
  const address = mailAddress(text);
  const selection = { mailbox, subject, since: since === undefined ? undefined : Date.parse(since) };
  try {
    const { live, directories } = context;
    if (live?.expungedMail !== undefined) return await work(live.expungedMail, address, selection);
    const { openMaildirStore } = await import("../store/maildir/store.ts");
    const store = await openMaildirStore({ directories, log: silentLog });
    try {
      return await work(store, address, selection);
    } finally {
      await store.close();
    }
  } catch (error) {
    if (error instanceof StoreError && error.code === "nonexistent")
      throw new OperationError("not-found", `there is no mail of ${address}`);
    throw error;
  }
}
