/** What users may send (`submission`, RFC 6409). */
import { z } from "zod";

/** How much one account may send; `submission.accountLimits` has the same without defaults. */
const submissionLimits = {
  messagesPerHour: z.int().min(0).meta({ description: "Messages an hour; 0: no limit." }),
  messagesPerDay: z.int().min(0).meta({ description: "Messages a day; 0: no limit." }),
  recipientsPerHour: z.int().min(0).meta({ description: "Recipients an hour; 0: no limit." }),
  recipientsPerDay: z.int().min(0).meta({ description: "Recipients a day; 0: no limit." }),
  newRecipientsPerDay: z
    .int()
    .min(0)
    .meta({ description: "Recipients a day whom the account has never written to; 0: no limit." }),
  messageBytes: z
    .int()
    .min(0)
    .meta({ description: "Largest message, in bytes; 0: `message.sizeLimit` alone counts." }),
};

export const submissionSettings = z
  .strictObject({
    spoofProtection: z.boolean().default(true).meta({
      description: "A sender may use only addresses that are theirs: account, alias, master user.",
      dms: "SPOOF_PROTECTION",
    }),
    hostedDomains: z.enum(["direct", "mx"]).default("direct").meta({
      description:
        "Where submitted mail for another hosted domain goes: into the store, or through queue and MX as on the internet.",
    }),
    limits: z
      .strictObject({
        messagesPerHour: submissionLimits.messagesPerHour.default(2000),
        messagesPerDay: submissionLimits.messagesPerDay.default(5000),
        recipientsPerHour: submissionLimits.recipientsPerHour.default(3000),
        recipientsPerDay: submissionLimits.recipientsPerDay.default(10_000),
        newRecipientsPerDay: submissionLimits.newRecipientsPerDay.default(1000),
        messageBytes: submissionLimits.messageBytes.default(0),
      })
      .prefault({})
      .meta({ description: "What one account may send; what goes beyond is held and postmaster is told." }),
    accountLimits: z.record(z.string(), z.strictObject(submissionLimits).partial()).default({}).meta({
      description: "Other limits for single accounts: by address, with the names of `submission.limits`.",
    }),
    futureReleaseSeconds: z.int().min(0).max(999_999_999).default(2_592_000).meta({
      description:
        "Longest time a message may be held at its sender's wish (FUTURERELEASE, RFC 4865); 0: not offered.",
    }),
    permitDocker: z
      .enum(["none", "container", "host", "network", "connected-networks"])
      .default("none")
      .meta({
        description:
          "Networks whose clients may relay without a login, as in docker-mailserver; anything but `none` is named as a problem.",
        dms: "PERMIT_DOCKER",
      }),
    requireSignature: z.boolean().default(false).meta({
      description:
        "Refuse outgoing mail of a hosted domain that has no DKIM key instead of sending it unsigned.",
    }),
  })
  .prefault({});
