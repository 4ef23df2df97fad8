/** Whether an account has room for more, by its own limits and its domain's ceiling (`store/quota.ts`). */
import { StoreError } from "../mail-store.ts";
import { type Growth, type Reservation, TRASH_ALLOWANCE } from "../quota.ts";
import type { DomainUsage } from "./domain-usage.ts";
import type { AccountUsage, Usage } from "./usage.ts";

export interface StorageRoomOptions {
  readonly account: string;
  readonly domains: DomainUsage;
  readonly usage: AccountUsage;
  /** Counts where it is not counted. */
  readonly count: () => Promise<Usage>;
  readonly isTrash: (mailbox: string) => boolean;
}

const UNLIMITED: Reservation = { settle: () => undefined };

export class StorageRoom {
  readonly #options: StorageRoomOptions;

  constructor(options: StorageRoomOptions) {
    this.#options = options;
  }

  /** See MailStore.reserve. Free of cost where nothing limits the account. */
  async reserve(growth: Omit<Growth, "account">): Promise<Reservation> {
    const { account, domains, usage, count } = this.#options;
    const { limits } = growth;
    if (limits.bytes <= 0 && (limits.messages ?? 0) <= 0 && !domains.limits(account)) return UNLIMITED;
    return domains.within({ ...growth, account }, async () => {
      const counted = await count();
      // As it is now: what was counted when the answer began its way here may have grown since.
      this.#refuse(growth, usage.counted ?? counted);
      return usage.reserve(growth.bytes, growth.messages);
    });
  }

  #refuse({ mailbox, bytes, messages, limits }: Omit<Growth, "account">, used: Usage): void {
    const { account, usage, isTrash } = this.#options;
    const taken = used.bytes + usage.reserved.bytes;
    const fits = (limit: number) => limit <= 0 || taken + bytes <= limit;
    const isLast = () => taken < limits.bytes && fits(limits.bytes + (limits.graceBytes ?? 0));
    const mayExceed = () => isLast() || (isTrash(mailbox) && fits(limits.bytes + TRASH_ALLOWANCE));
    if (bytes > 0 && !fits(limits.bytes) && !mayExceed())
      throw full(`The mailbox of ${account} is full: ${taken} of ${limits.bytes} bytes are used.`);
    const { messages: most = 0 } = limits;
    const there = used.messages + usage.reserved.messages;
    if (messages > 0 && most > 0 && there + messages > most)
      throw full(`The mailbox of ${account} is full: it has ${there} of ${most} messages.`);
  }
}

function full(message: string): StoreError {
  return new StoreError("over-quota", message);
}
