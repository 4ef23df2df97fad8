/** A host's answer line as the contract's answer, or as the error it says. */
import {
  answerLine,
  type OperationAnswer,
  type OperationName,
  operations,
} from "../../mailserver-runtime/admin/contract.ts";
import { HostError } from "./host-error.ts";

/** @throws {HostError} with the host's own code and message, or `protocol` */
export function readAnswer<N extends OperationName>(operation: N, text: string): OperationAnswer<N> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const line = answerLine.safeParse(json);
  if (!line.success)
    throw new HostError("protocol", `The mail server's answer to ${operation} is no answer line.`);
  if (!line.data.ok) throw new HostError(line.data.code, line.data.message);
  const answer = operations[operation].answer.safeParse(line.data.answer);
  if (!answer.success) {
    const where = answer.error.issues[0]?.path.join(".") ?? "";
    throw new HostError(
      "protocol",
      `The mail server's answer to ${operation} does not follow the contract (at "${where}"): it runs another version. ` +
        "Stop it and run the deployment again.",
    );
  }
  return answer.data as OperationAnswer<N>;
}
