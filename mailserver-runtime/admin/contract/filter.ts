/** The filter: what it learns, and what it finds in a message. */
import { z } from "zod";
import { address } from "./words.ts";

export const filterOperations = {
  /**
   * Teaches the classifier that the messages of a file or folder on the host (absolute), or of an account's mailbox, are
   * spam or ham; for everybody, and for `account` as well. Each message counts once.
   */
  learn: {
    request: z.strictObject({
      as: z.enum(["spam", "ham"]),
      path: z.string().min(1).max(4096).optional(),
      account: address.optional(),
      mailbox: z.string().min(1).max(1000).optional(),
    }),
    answer: z.strictObject({ learnt: z.int(), known: z.int() }),
  },
  /**
   * What the filter finds in a message file on the host (absolute path), a line each: every symbol with its weight and
   * reason. Client, HELO, sender and recipient are those of the file's own trace, unless they are said.
   */
  "message.explain": {
    request: z.strictObject({
      path: z.string().min(1).max(4096),
      client: z.union([z.ipv4(), z.ipv6()]).optional(),
      helo: z.string().max(1000).optional(),
      from: z.string().max(1000).optional(),
      recipient: z.string().max(1000).optional(),
    }),
    answer: z.strictObject({ lines: z.array(z.string()) }),
  },
} as const;
