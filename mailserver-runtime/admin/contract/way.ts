/** The way of an address, and of a message. */
import { z } from "zod";

export const wayOperations = {
  /** The way of an address: every step with the file and line it comes from, in words; a line each. */
  explain: {
    request: z.strictObject({
      address: z.string().min(1).max(1000),
      /** The reverse-path; "" is the null one. */
      from: z.string().max(1000).optional(),
    }),
    answer: z.strictObject({ lines: z.array(z.string()) }),
  },
  /**
   * The way of the messages that a Message-ID, a queue id, a sender or a recipient names, from the log and its rotated
   * files; empty when they do not know any. `lines` are the same for a person to read.
   */
  trace: {
    request: z.strictObject({ about: z.string().min(1).max(998) }),
    answer: z.strictObject({
      events: z.array(
        z.strictObject({
          /** Milliseconds since the epoch. */
          at: z.number(),
          event: z.string(),
          fields: z.record(z.string(), z.unknown()),
        }),
      ),
      lines: z.array(z.string()),
    }),
  },
} as const;
