/**
 * The server's proof to itself that it works: every listener greets, and one message goes in by submission, lies in the
 * store, is read by IMAP and deleted again, over the same ports and sessions that clients use. Nothing leaves the machine
 * and the DNS is not asked, so what fails here is the server's own.
 */
import { randomUUID } from "node:crypto";
import type { Protocol } from "../settings/schema.ts";
import { DialogueError, LineDialogue } from "./line-dialogue.ts";
import { PROBE_ADDRESS } from "./probe-account.ts";

export interface ProbedListener {
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
  /** Only proxies may connect: it cannot be probed from here. */
  readonly behindProxy: boolean;
}
export interface ProbeOptions {
  readonly listeners: readonly ProbedListener[];
  readonly secret: string;
  /** Without a certificate nobody can log in, the probe neither. */
  readonly canLogIn: boolean;
  readonly timeoutMs: number;
}
export interface ProbeStep {
  readonly name: string;
  readonly result: "ok" | "failed" | "not-possible";
  readonly ms?: number;
  readonly detail: string;
}

/** What a listener says first; those that are not here begin with TLS, or the client speaks first. */
const greetings: Partial<Record<Protocol, RegExp>> = {
  smtp: /220 /,
  submission: /220 /,
  submissions: /220 /,
  imap: /\* (?:OK|PREAUTH) /,
  imaps: /\* (?:OK|PREAUTH) /,
  pop3: /\+OK/,
  pop3s: /\+OK/,
};
const beginsWithTls = new Set<Protocol>(["submissions", "imaps", "pop3s"]);

/** Goes through all steps; never rejects. */
export async function probe(options: ProbeOptions): Promise<readonly ProbeStep[]> {
  const reachable = options.listeners.filter(({ behindProxy }) => !behindProxy);
  const greeted = await Promise.all(
    reachable
      .filter(({ protocol }) => greetings[protocol] !== undefined)
      .filter(({ protocol }) => options.canLogIn || !beginsWithTls.has(protocol))
      .map((listener) => step(`${listener.protocol} ${listener.port}`, () => greet(listener, options))),
  );
  const find = (...wanted: Protocol[]) =>
    wanted.map((one) => reachable.find(({ protocol }) => protocol === one)).find((one) => one !== undefined);
  const submission = find("submissions", "submission");
  const imap = find("imaps", "imap");
  if (!options.canLogIn)
    return [...greeted, not("submission and IMAP", "there is no certificate, so nobody can log in")];
  const id = randomUUID();
  const sent = submission
    ? await step("submission", () => submit(submission, id, options))
    : not("submission", "no listener for it can be reached from here");
  if (!imap) return [...greeted, sent, not("IMAP", "no listener for it can be reached from here")];
  const wanted = sent.result === "ok" ? id : undefined;
  return [...greeted, sent, await step("store and IMAP", () => read(imap, wanted, options))];
}

async function greet(listener: ProbedListener, options: ProbeOptions): Promise<string> {
  const dialogue = await open(listener, options);
  try {
    return firstLine(await dialogue.expect(greetings[listener.protocol]!));
  } finally {
    dialogue.close();
  }
}

const REFUSED = /[45]\d\d[ -]/;

async function submit(listener: ProbedListener, id: string, options: ProbeOptions): Promise<string> {
  const dialogue = await open(listener, options);
  try {
    const ask = (line: string, answer: RegExp) => dialogue.ask(line, answer, REFUSED);
    await dialogue.expect(/220 /);
    await ask("EHLO probe.localhost", /250 /);
    if (!beginsWithTls.has(listener.protocol)) {
      await ask("STARTTLS", /220 /);
      await dialogue.secure();
      await ask("EHLO probe.localhost", /250 /);
    }
    const login = Buffer.from(`\0${PROBE_ADDRESS}\0${options.secret}`).toString("base64");
    await ask(`AUTH PLAIN ${login}`, /235 /);
    await ask(`MAIL FROM:<${PROBE_ADDRESS}>`, /250 /);
    await ask(`RCPT TO:<${PROBE_ADDRESS}>`, /250 /);
    await ask("DATA", /354 /);
    const answer = await ask(message(id), /250 /);
    dialogue.send("QUIT");
    return firstLine(answer);
  } finally {
    dialogue.close();
  }
}

function message(id: string): string {
  return [
    `From: <${PROBE_ADDRESS}>`,
    `To: <${PROBE_ADDRESS}>`,
    "Subject: mailkeep health probe",
    `Date: ${new Date().toUTCString().replace("GMT", "+0000")}`,
    `Message-ID: <${id}@mailkeep.invalid>`,
    "Auto-Submitted: auto-generated",
    "",
    id,
    ".",
  ].join("\r\n");
}

/** Finds the message and deletes everything there is: what an interrupted probe left goes with it. */
async function read(
  listener: ProbedListener,
  id: string | undefined,
  options: ProbeOptions,
): Promise<string> {
  const dialogue = await open(listener, options);
  let last = 0;
  const ask = (command: string) => {
    const tag = `p${++last}`;
    return dialogue.ask(
      `${tag} ${command}`,
      new RegExp(`${tag} OK`),
      new RegExp(`${tag} (?:NO|BAD)|\\* BYE`),
    );
  };
  try {
    await dialogue.expect(/\* OK /);
    if (!beginsWithTls.has(listener.protocol)) {
      await ask("STARTTLS");
      await dialogue.secure();
    }
    await ask(`LOGIN ${PROBE_ADDRESS} ${options.secret}`);
    await ask("SELECT INBOX");
    if (id !== undefined) {
      const found = await ask(`UID SEARCH HEADER Message-ID ${id}`);
      const uid = /^\* SEARCH (\d+)/m.exec(found)?.[1];
      if (uid === undefined) throw new DialogueError("the message that was accepted is not in the mailbox");
      const fetched = await ask(`UID FETCH ${uid} BODY.PEEK[TEXT]`);
      if (!fetched.includes(id)) throw new DialogueError("the message is not the one that was sent");
    }
    await ask("STORE 1:* +FLAGS.SILENT (\\Deleted)").catch((error) => {
      // An empty mailbox has no message 1; there is nothing to delete then.
      if (id !== undefined) throw error;
    });
    await ask("EXPUNGE");
    dialogue.send("bye LOGOUT");
    return id === undefined ? "logged in" : "stored, found, read and deleted";
  } finally {
    dialogue.close();
  }
}

function open(listener: ProbedListener, { timeoutMs }: ProbeOptions): Promise<LineDialogue> {
  const host = ["::", "0.0.0.0", ""].includes(listener.address) ? "127.0.0.1" : listener.address;
  const security = beginsWithTls.has(listener.protocol) ? "tls" : "plain";
  return LineDialogue.open({ host, port: listener.port }, security, AbortSignal.timeout(timeoutMs));
}

async function step(name: string, run: () => Promise<string>): Promise<ProbeStep> {
  const began = performance.now();
  const took = () => Math.round((performance.now() - began) * 10) / 10;
  try {
    return { name, result: "ok", detail: await run(), ms: took() };
  } catch (error) {
    return { name, result: "failed", detail: (error as Error).message, ms: took() };
  }
}

const not = (name: string, detail: string): ProbeStep => ({ name, result: "not-possible", detail });
const firstLine = (text: string): string => text.trimEnd().split(/\r?\n/)[0]!.slice(0, 120);
