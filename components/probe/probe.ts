/**
 * The proof that mail flows: one message from a mailbox in one declared domain to a mailbox in another,
 * sent and read with mail clients that are not ours (nodemailer, imapflow), over the declared listeners
 * and with the certificate checked. What the clients cannot see (queue, MX look-up, reception) is read
 * from the server's own trace of that message. The message is deleted at the end, also when a step failed.
 */
import { randomUUID } from "node:crypto";
import { ImapFlow } from "imapflow";
import { createTransport } from "nodemailer";

/** A place to connect to; the certificate must be valid for `servername`. */
export interface ProbeEndpoint {
  readonly host: string;
  readonly port: number;
  readonly servername: string;
}
export interface ProbeMailbox {
  readonly address: string;
  readonly password: string;
}
export interface ProbeOptions {
  readonly from: ProbeMailbox;
  readonly to: ProbeMailbox;
  /** Implicit TLS (RFC 8314). */
  readonly submission: ProbeEndpoint;
  readonly imap: ProbeEndpoint;
  /** PEM of the CA to trust besides the system's. */
  readonly ca?: string;
  /** What the server says of the message. */
  readonly trace: (messageId: string) => Promise<readonly ProbeTraceEvent[]>;
  /** Whether mail between hosted domains goes through queue and MX here. */
  readonly throughMx: boolean;
  readonly timeoutMs: number;
  readonly onStep?: (step: ProbeStep) => void;
}
export interface ProbeTraceEvent {
  readonly at: number;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}
export interface ProbeStep {
  readonly name: string;
  readonly ok: boolean;
  /** Duration of the step in milliseconds; undefined where a step is a look at what is there. */
  readonly ms?: number;
  readonly detail: string;
}
export interface ProbeReport {
  readonly ok: boolean;
  readonly messageId: string;
  readonly steps: readonly ProbeStep[];
  /** From the start of the submission to the deletion. */
  readonly ms: number;
}

/** Runs the probe. Never throws: what goes wrong is a failed step that names the place. */
export async function runProbe(options: ProbeOptions): Promise<ProbeReport> {
  const began = performance.now();
  const steps: ProbeStep[] = [];
  const domain = options.from.address.split("@")[1];
  const messageId = `<probe-${randomUUID()}@${domain}>`;
  const done = (step: ProbeStep) => {
    steps.push(step);
    options.onStep?.(step);
    return step.ok;
  };
  let reader: ImapFlow | undefined;
  try {
    reader = await connectReader(options);
    const submitted = await timed(() => submit(options, messageId));
    done({ name: "submission", ok: true, ms: submitted.ms, detail: submitted.value });
    const arrived = await timed(() => arrival(reader!, messageId, options.timeoutMs));
    const events = await options.trace(messageId);
    for (const step of onTheWay(events, options)) done(step);
    for (const step of inspect(arrived.value.source, events, options)) done(step);
    done({
      name: "delivery",
      ok: arrived.value.mailbox === "INBOX",
      ms: arrived.ms,
      detail: `in ${arrived.value.mailbox} of ${options.to.address}, UID ${arrived.value.uid}, seen by IMAP`,
    });
    done({
      name: "fetch",
      ok: true,
      ms: arrived.value.fetchMs,
      detail: `${arrived.value.source.length} bytes, Message-ID and text as sent`,
    });
    const deleted = await timed(() => remove(reader!, arrived.value.mailbox, arrived.value.uid));
    done({
      name: "deletion",
      ok: deleted.value,
      ms: deleted.ms,
      detail: deleted.value ? "expunged" : "still there",
    });
  } catch (error) {
    done({ name: nextStep(steps), ok: false, detail: sentence(error, options) });
  } finally {
    await reader?.logout().catch(() => {});
  }
  return {
    ok: steps.every((step) => step.ok),
    messageId,
    steps,
    ms: Math.round(performance.now() - began),
  };
}

const body = "This message proves that mail flows. It is deleted at once.\r\n";

async function submit(options: ProbeOptions, messageId: string): Promise<string> {
  const transport = createTransport({
    host: options.submission.host,
    port: options.submission.port,
    secure: true,
    name: "probe.localhost",
    connectionTimeout: options.timeoutMs,
    greetingTimeout: options.timeoutMs,
    socketTimeout: options.timeoutMs,
    auth: { user: options.from.address, pass: options.from.password },
    tls: { servername: options.submission.servername, ...(options.ca ? { ca: options.ca } : {}) },
  });
  try {
    const sent = await transport.sendMail({
      from: options.from.address,
      to: options.to.address,
      subject: "mailkeep probe",
      messageId,
      text: body,
      headers: { "Auto-Submitted": "auto-generated" },
    });
    return `${options.from.address} signed in with TLS on port ${options.submission.port}: ${sent.response}`;
  } finally {
    transport.close();
  }
}

async function connectReader(options: ProbeOptions): Promise<ImapFlow> {
  const client = new ImapFlow({
    host: options.imap.host,
    port: options.imap.port,
    secure: true,
    servername: options.imap.servername,
    auth: { user: options.to.address, pass: options.to.password },
    tls: options.ca ? { ca: options.ca } : {},
    logger: false,
    connectionTimeout: options.timeoutMs,
    greetingTimeout: options.timeoutMs,
    socketTimeout: options.timeoutMs * 2,
  });
  // A broken connection is reported by the command under way; the event alone must not end the process.
  client.on("error", () => {});
  await client.connect();
  return client;
}

interface Arrival {
  readonly mailbox: string;
  readonly uid: number;
  readonly source: Buffer;
  readonly fetchMs: number;
}

async function arrival(client: ImapFlow, messageId: string, timeoutMs: number): Promise<Arrival> {
  const deadline = performance.now() + timeoutMs;
  for (let wait = 5; performance.now() < deadline; wait = Math.min(wait * 2, 250)) {
    for (const mailbox of ["INBOX", "Junk"]) {
      const found = await lookInto(client, mailbox, messageId);
      if (found) return found;
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
  throw new Error(`the message did not arrive within ${timeoutMs / 1000} s`);
}

async function lookInto(client: ImapFlow, mailbox: string, messageId: string): Promise<Arrival | undefined> {
  let lock: { release(): void };
  try {
    lock = await client.getMailboxLock(mailbox);
  } catch (error) {
    // Junk may not exist; INBOX always does.
    if (mailbox === "INBOX") throw error;
    return undefined;
  }
  try {
    const uids = await client.search({ header: { "message-id": messageId } }, { uid: true });
    const uid = uids ? uids[0] : undefined;
    if (uid === undefined) return undefined;
    const fetched = await timed(() => client.fetchOne(String(uid), { source: true }, { uid: true }));
    const source = fetched.value ? fetched.value.source : undefined;
    if (!source) throw new Error(`UID ${uid} of ${mailbox} cannot be fetched`);
    return { mailbox, uid, source, fetchMs: fetched.ms };
  } finally {
    lock.release();
  }
}

async function remove(client: ImapFlow, mailbox: string, uid: number): Promise<boolean> {
  const lock = await client.getMailboxLock(mailbox);
  try {
    await client.messageDelete(String(uid), { uid: true });
    const left = await client.search({ uid: String(uid) }, { uid: true });
    return !left || left.length === 0;
  } finally {
    lock.release();
  }
}

/** What the message itself shows: signature, results of the checks, text unharmed. */
function inspect(source: Buffer, events: readonly ProbeTraceEvent[], options: ProbeOptions): ProbeStep[] {
  const signMs = events.find(({ fields }) => typeof fields.signMs === "number")?.fields.signMs;
  const times = events.find(({ fields }) => fields.times)?.fields.times as Record<string, number> | undefined;
  const text = source.toString("latin1");
  const header = text.slice(0, text.indexOf("\r\n\r\n")).replace(/\r\n[ \t]+/g, " ");
  const domain = options.from.address.split("@")[1]!;
  const signatures = [...header.matchAll(/^DKIM-Signature:.*$/gim)].map(([field]) => ({
    domain: /\bd=([^;\s]+)/.exec(field)?.[1],
    selector: /\bs=([^;\s]+)/.exec(field)?.[1],
    algorithm: /\ba=([^;\s]+)/.exec(field)?.[1],
  }));
  const own = signatures.filter((signature) => signature.domain === domain);
  const steps: ProbeStep[] = [
    {
      name: "signature",
      ok: own.length > 0,
      ms: signMs as number | undefined,
      detail:
        own.map(({ selector, algorithm }) => `DKIM d=${domain} s=${selector} ${algorithm}`).join(", ") ||
        `no DKIM-Signature of ${domain}`,
    },
  ];
  if (options.throughMx) {
    const results = /^Authentication-Results:.*$/im.exec(header)?.[0] ?? "";
    for (const method of ["spf", "dkim", "dmarc"]) {
      const result = new RegExp(`\\b${method}=(\\w+)[^;]*`).exec(results);
      steps.push({
        name: method.toUpperCase(),
        ok: result?.[1] === "pass",
        ms: times?.[method],
        detail: result?.[0].trim() ?? "not in Authentication-Results",
      });
    }
  }
  if (!text.includes(body.trim()))
    steps.push({ name: "text", ok: false, detail: "the text is not the one that was sent" });
  return steps;
}

/** What the server's trace shows of the message's way between the two clients. */
function onTheWay(events: readonly ProbeTraceEvent[], options: ProbeOptions): ProbeStep[] {
  if (!options.throughMx) return [];
  return wayTable.map(({ name, event, describe }) => {
    const found = events.find((one) => one.event === event);
    if (!found && event === "mx-lookup" && events.some((one) => one.event === "delivery attempt"))
      return { name, ok: true, detail: "not needed: the connection of an earlier delivery was used again" };
    return {
      name,
      ok: found !== undefined,
      ms: found && stepTime(found, events),
      detail: found ? describe(found.fields) : `no ${event} line in the server's log`,
    };
  });
}

/** A step's own figure, or the time since the look-up that it follows. */
function stepTime(found: ProbeTraceEvent, events: readonly ProbeTraceEvent[]): number | undefined {
  if (typeof found.fields.ms === "number") return found.fields.ms;
  const before = events.find((one) => one.event === "mx-lookup" || one.event === "submitted");
  return before && Math.max(0, found.at - before.at);
}

/** Steps of the way and the log event that proves each. */
const wayTable: readonly {
  readonly name: string;
  readonly event: string;
  readonly describe: (fields: Readonly<Record<string, unknown>>) => string;
}[] = [
  { name: "queue", event: "queued", describe: (f) => `${f.id} is on disk` },
  { name: "MX look-up", event: "mx-lookup", describe: (f) => `${f.domain} → ${f.hosts}` },
  { name: "transfer", event: "delivery attempt", describe: (f) => `${f.outcome} at ${f.remote}: ${f.reply}` },
  {
    name: "reception",
    event: "accepted",
    describe: (f) => `${f.size} bytes from ${f.client} stored before the 250`,
  },
];

/** The name under which a failure before any further step is reported. */
function nextStep(steps: readonly ProbeStep[]): string {
  return steps.length === 0 ? "connection" : "delivery";
}

function sentence(error: unknown, options: ProbeOptions): string {
  const reason = error instanceof Error ? error.message : String(error);
  const response = (error as { responseText?: string }).responseText;
  return `${reason}${response ? `: ${response}` : ""} (submission ${place(options.submission)}, IMAP ${place(options.imap)})`;
}
function place(endpoint: ProbeEndpoint): string {
  return `${endpoint.host}:${endpoint.port}`;
}

async function timed<T>(run: () => Promise<T>): Promise<{ value: T; ms: number }> {
  const begin = performance.now();
  const value = await run();
  return { value, ms: Math.round((performance.now() - begin) * 10) / 10 };
}
