/** Other programs that look at mail: rspamd, spamd, amavisd-new, clamd and milters (`engines`). */
import { z } from "zod";
import { placeOf } from "../place.ts";

const place = (fallback: string | undefined, what: string) => {
  const schema = z
    .string()
    .refine((text) => placeOf(text) !== undefined, {
      error: "is no place like 127.0.0.1:11333 or /run/x.sock",
    })
    .meta({ description: what });
  return fallback === undefined ? schema : schema.default(fallback);
};
const address = (fallback?: string) => place(fallback, "Where it listens: host and port, or a socket file.");

const common = (timeLimitSeconds: number, largestBytes: number) => ({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,30}$/, { error: "is no name of lower-case letters, digits and hyphens" })
    .optional()
    .meta({
      description: "What it is called in findings, metrics and the log; its type where none is given.",
    }),
  looksAt: z
    .enum(["incoming", "submitted", "both"])
    .default("incoming")
    .meta({ description: "Mail from outside, mail that users of this host submit, or both." }),
  timeLimitSeconds: z
    .number()
    .min(0.1)
    .max(600)
    .default(timeLimitSeconds)
    .meta({ description: "How long it may take for one message." }),
  onFailure: z.enum(["accept", "tempfail"]).default("accept").meta({
    description:
      "What happens when it fails: the mail goes on with a finding that says so, or its sender comes again later (451 4.7.1).",
  }),
  largestBytes: z
    .int()
    .min(1024)
    .default(largestBytes)
    .meta({ description: "Larger messages are not given to it, and a finding says so." }),
});
const learns = z
  .boolean()
  .default(true)
  .meta({ description: "Whether it is told what people move to Junk and out of it." });
const MIB = 1_048_576;

export const engineSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("rspamd").meta({ description: "Asked by HTTP, `/checkv2`." }),
    address: address("127.0.0.1:11333"),
    ...common(10, 50 * MIB),
    controller: place("127.0.0.1:11334", "Where its controller listens, which learns."),
    password: z.string().optional().meta({ description: "The controller's password." }),
    learn: learns,
  }),
  z.strictObject({
    type: z.literal("spamd").meta({ description: "SpamAssassin's daemon, asked by SPAMC/1.5." }),
    address: address("127.0.0.1:783"),
    ...common(30, 512_000),
    user: z
      .string()
      .regex(/^[\w.@+-]{1,200}$/, { error: "is no name of a user" })
      .optional()
      .meta({ description: "Whose preferences it reads." }),
    learn: learns,
  }),
  z.strictObject({
    type: z.literal("amavis").meta({ description: "amavisd-new, asked by AM.PDP." }),
    address: address("127.0.0.1:9998"),
    ...common(60, 64 * MIB),
    directory: z
      .string()
      .startsWith("/", { error: "is no absolute path" })
      .default("/var/lib/amavis/tmp")
      .meta({
        description: "Below it each message lies while amavisd reads it; both must be able to write there.",
      }),
  }),
  z.strictObject({
    type: z.literal("clamd").meta({ description: "ClamAV's daemon, asked by INSTREAM." }),
    address: address("/run/clamav/clamd.ctl"),
    ...common(60, 25 * MIB),
    onVirus: z
      .enum(["reject", "quarantine"])
      .default("reject")
      .meta({ description: "Refuse what has a virus (550 5.7.1), or keep it in the quarantine." }),
  }),
  z.strictObject({
    type: z.literal("milter").meta({ description: "Any milter, version 6 of the protocol." }),
    address: address(),
    ...common(30, 64 * MIB),
  }),
]);
/** One program that looks at mail. */
export type EngineSettings = z.infer<typeof engineSchema>;

export const enginesSettings = z
  .strictObject({
    list: z
      .array(engineSchema)
      .default([])
      .superRefine((list, context) => {
        const names = list.map(({ name, type }) => name ?? type);
        names.forEach((name, index) => {
          if (names.indexOf(name) < index)
            context.addIssue({
              code: "custom",
              path: [index, "name"],
              message: `is the second engine called ${name}; give each a name of its own`,
            });
        });
      })
      .meta({
        description:
          "The programs that are asked, by `type`. Milters hear of a message one after the other, in this order.",
      }),
    rspamd: z.boolean().default(false).meta({
      description: "Ask an rspamd at its usual place, 127.0.0.1:11333.",
      dms: "ENABLE_RSPAMD",
    }),
    spamd: z.boolean().default(false).meta({
      description: "Ask a spamd at its usual place, 127.0.0.1:783.",
      dms: "ENABLE_SPAMASSASSIN",
    }),
    clamd: z.boolean().default(false).meta({
      description: "Ask a clamd at its usual place, /run/clamav/clamd.ctl.",
      dms: "ENABLE_CLAMAV",
    }),
    clamdLargestBytes: z
      .int()
      .min(1024)
      .default(25 * MIB)
      .meta({
        description: "Larger messages are not given to the clamd of `engines.clamd`.",
        dms: "CLAMAV_MESSAGE_SIZE_LIMIT",
      }),
    submitted: z.boolean().default(false).meta({
      description: "Those at usual places look at what users of this host submit as well.",
      dms: "RSPAMD_CHECK_AUTHENTICATED",
    }),
  })
  .prefault({})
  .meta({ description: "Other programs that look at mail; the server's own filter needs none of them." });

/** Every engine that is to be asked: those of the list, and those at usual places that the list does not have. */
export function enginesOf(settings: z.infer<typeof enginesSettings>): readonly EngineSettings[] {
  const { list, submitted, clamdLargestBytes } = settings;
  const looksAt = submitted ? "both" : "incoming";
  const usual = (["rspamd", "spamd", "clamd"] as const).filter(
    (type) => settings[type] && !list.some((engine) => (engine.name ?? engine.type) === type),
  );
  return [
    ...usual.map((type) =>
      engineSchema.parse({ type, looksAt, ...(type === "clamd" && { largestBytes: clamdLargestBytes }) }),
    ),
    ...list,
  ];
}
