/** Every refusal that routing gives. */
import type { Refusal, Route, Step } from "./route.ts";

/** By what is wrong; the codes are those of RFC 3463. */
export const refusals = {
  notAnAddress: { code: 553, status: "5.1.3", text: "Bad recipient address syntax" },
  unknown: { code: 550, status: "5.1.1", text: "No such user here" },
  disabled: { code: 550, status: "5.2.1", text: "Mailbox disabled, not accepting messages" },
  mailboxFull: { code: 552, status: "5.2.2", text: "Mailbox is full" },
  denied: { code: 554, status: "5.7.1", text: "Recipient address rejected: access denied" },
  senderDenied: { code: 554, status: "5.7.1", text: "Sender address rejected: access denied" },
  loop: { code: 554, status: "5.4.6", text: "Alias loop: this address leads only back to itself" },
  tooManyHops: { code: 554, status: "5.4.6", text: "Too many redirects, this message is going in circles" },
  tooLarge: {
    code: 451,
    status: "4.3.5",
    text: "This alias opens too many ways; its administrator has to cut it down",
  },
  slowPattern: {
    code: 451,
    status: "4.3.5",
    text: "A pattern of aliases takes too long for this address; its administrator has to make it simpler",
  },
  badTarget: {
    code: 451,
    status: "4.3.5",
    text: "An alias here names something that is no address; its administrator has to repair it",
  },
} as const satisfies Record<string, Refusal>;

/** A refusal at the end of a way. */
export const refused = (refusal: Refusal, via: readonly Step[]): Route => ({ kind: "refused", refusal, via });
