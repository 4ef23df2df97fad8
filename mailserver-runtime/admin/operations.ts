/**
 * The operations of `contract.ts`, performed on the files of a mail host.
 *
 * The same code runs inside the server (server.ts) and where none runs (`cli/main.ts admin`): the text
 * files are the truth, so an operation is a change of files, made whole or not at all, under a lock that all
 * writers share. In the server it ends by reading the files again, so that the answer means "in force".
 * Requests are checked against the contract before anything happens; answers carry no secret. The rows
 * stand in one file for each kind of object.
 */
import { InvalidAddress } from "../config/address.ts";
import { LockHeld } from "../config/lock.ts";
import { BrokenStackFile } from "../config/stack/files.ts";
import { UnusableDkimKey } from "../dkim-rotation/key-file.ts";
import { BrokenRingFile } from "../dkim-rotation/ring-file.ts";
import { BrokenCertificate } from "../tls/certificate-files.ts";
import { aliasOperations } from "./aliases.ts";
import { banOperations } from "./bans.ts";
import { certificateOperations } from "./certificates.ts";
import { type AdminContext, OperationError, type Performer, type Performers } from "./context.ts";
import {
  type FailureCode,
  type OperationAnswer,
  type OperationName,
  type OperationRequest,
  operations,
} from "./contract.ts";
import { dkimOperations } from "./dkim.ts";
import { dkimRingOperations } from "./dkim-ring.ts";
import { dnsCheckOperations } from "./dns-check.ts";
import { domainOperations } from "./domains.ts";
import { dynamicZoneOperations } from "./dynamic-zone.ts";
import { explainMessageOperations } from "./explain-message.ts";
import { expungedMailOperations } from "./expunged-mail.ts";
import { learnOperations } from "./learn.ts";
import { examinationOperations } from "./mailbox-examination.ts";
import { mailboxOperations } from "./mailboxes.ts";
import { quarantineOperations } from "./quarantine.ts";
import { queueOperations } from "./queue.ts";
import { relayOperations } from "./relays.ts";
import { reportOperations } from "./reports.ts";
import { serverOperations } from "./server-operations.ts";
import { settingsOperations } from "./stack-settings.ts";
import { tlsOperations } from "./tls-status.ts";
import { traceOperations } from "./trace.ts";
import { asOnlyWriter } from "./writers-lock.ts";
import { zoneOperations } from "./zones.ts";

const performers: Performers = {
  ...serverOperations,
  ...settingsOperations,
  ...domainOperations,
  ...mailboxOperations,
  ...examinationOperations,
  ...expungedMailOperations,
  ...aliasOperations,
  ...relayOperations,
  ...dkimOperations,
  ...dkimRingOperations,
  ...certificateOperations,
  ...tlsOperations,
  ...zoneOperations,
  ...dynamicZoneOperations,
  ...dnsCheckOperations,
  ...traceOperations,
  ...banOperations,
  ...reportOperations,
  ...queueOperations,
  ...quarantineOperations,
  ...learnOperations,
  ...explainMessageOperations,
};

/**
 * Performs one operation.
 *
 * @throws {OperationError} and nothing else
 */
export async function perform<N extends OperationName>(
  name: N,
  request: OperationRequest<N>,
  context: AdminContext,
): Promise<OperationAnswer<N>> {
  return (await performUnchecked(name, request, context)) as OperationAnswer<N>;
}

/**
 * The same for a request that came as text and has not been looked at.
 *
 * @throws {OperationError} and nothing else
 */
export async function performUnchecked(
  name: string,
  request: unknown,
  context: AdminContext,
): Promise<unknown> {
  if (!isOperation(name))
    throw new OperationError(
      "invalid",
      `there is no operation "${name.slice(0, 60)}"; there are: ${Object.keys(operations).join(", ")}`,
    );
  const checked = operations[name].request.safeParse(request);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    throw new OperationError(
      "invalid",
      `${name}: ${issue?.path.join(".") || "the request"}: ${issue?.message ?? "is not understood"}`,
    );
  }
  const row = performers[name] as Performer<OperationName>;
  const run = () => row.perform(checked.data as never, context);
  try {
    if (row.effect === "reads") return await run();
    const answer = await asOnlyWriter(context.directories, run);
    await context.live?.configuration.reload();
    await context.live?.reload?.();
    return answer;
  } catch (error) {
    throw failure(name, error);
  }
}

function isOperation(name: string): name is OperationName {
  return Object.hasOwn(operations, name);
}

const systemCodes: Readonly<Record<string, FailureCode>> = {
  ENOSPC: "no-space",
  EDQUOT: "no-space",
  EACCES: "permission",
  EPERM: "permission",
  EROFS: "permission",
};

/** What stands in the way on the host itself, and has to be put right there. */
const conflicts = [LockHeld, BrokenStackFile, BrokenCertificate, UnusableDkimKey, BrokenRingFile];

/** Turns what a room throws into the contract's closed list. */
function failure(name: string, error: unknown): OperationError {
  if (error instanceof OperationError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof InvalidAddress) return new OperationError("invalid", message);
  if (conflicts.some((kind) => error instanceof kind)) return new OperationError("conflict", message);
  const code = systemCodes[(error as NodeJS.ErrnoException).code ?? ""] ?? "internal";
  return new OperationError(code, `${name}: ${message}`);
}
