/** What the filter's policy keeps from its recipients. */
import { z } from "zod";

const quarantineId = z.string().min(1).max(100);
const quarantined = z.strictObject({
  id: z.string(),
  receivedAt: z.string(),
  expires: z.string(),
  from: z.string(),
  recipients: z.array(
    z.strictObject({ kind: z.enum(["account", "forward"]), address: z.string(), original: z.string() }),
  ),
  smtpUtf8: z.boolean().optional(),
  body: z.enum(["7BIT", "8BITMIME"]).optional(),
  client: z.string(),
  helo: z.string(),
  subject: z.string(),
  reason: z.string(),
  score: z.number(),
  findings: z.array(
    z.strictObject({ check: z.string(), symbol: z.string(), score: z.number(), reason: z.string() }),
  ),
  size: z.number(),
});
const quarantineSelection = z.strictObject({ ids: z.array(quarantineId).min(1).max(100_000) });

export const quarantineOperations = {
  /** Messages that the filter's policy keeps from their recipients, oldest first. */
  "quarantine.list": {
    request: z.strictObject({}),
    answer: z.strictObject({ entries: z.array(quarantined) }),
  },
  /** One of them with its header section; without `entry` there is none of that id. */
  "quarantine.show": {
    request: z.strictObject({ id: quarantineId }),
    answer: z.strictObject({ entry: quarantined.optional(), headers: z.string() }),
  },
  /** Delivers messages by routing as it is now, unfiltered. `refused` says of each that stays why. */
  "quarantine.release": {
    request: quarantineSelection,
    answer: z.strictObject({ count: z.int(), refused: z.array(z.string()) }),
  },
  /** Teaches the classifier that messages are ham; they stay where they are. */
  "quarantine.learn": { request: quarantineSelection, answer: z.strictObject({ count: z.int() }) },
  "quarantine.delete": { request: quarantineSelection, answer: z.strictObject({ count: z.int() }) },
} as const;
