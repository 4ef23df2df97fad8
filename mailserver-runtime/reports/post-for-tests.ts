/** A place where reports are sent from, for tests: a key, its record, and what was sent. */
import { generateKeyPairSync } from "node:crypto";
import { dkimSignatures } from "../filter/dkim/sign.ts";
import { silentLog } from "../net/log.ts";
import type { QueueSubmission } from "../queue/queue.ts";
import type { ReportPost } from "./send-report.ts";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const key = publicKey.export({ type: "spki", format: "der" }).toString("base64");

/** What DNS says of the key that `testPost` signs with. */
export const signingZone: Record<string, string[]> = {
  "TXT mk1._domainkey.here.test": [`v=DKIM1; k=rsa; p=${key}`],
};

/** Reports come from postmaster@here.test, and end in `sent`. */
export function testPost(): { readonly post: ReportPost; readonly sent: readonly QueueSubmission[] } {
  const sent: QueueSubmission[] = [];
  const post: ReportPost = {
    hostname: () => "mail.here.test",
    domain: () => "here.test",
    log: silentLog,
    submit: async (submission) => void sent.push(submission),
    signer: {
      async sign(domain, prefix, content) {
        const keys = [{ domain, selector: "mk1", algorithm: "rsa-sha256", privateKey }] as const;
        return Buffer.from(await dkimSignatures(keys, prefix, content, new Date()), "latin1");
      },
    },
  };
  return { post, sent };
}
