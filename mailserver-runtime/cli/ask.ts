/** Asks for one operation (admin/contract.ts): the running server, or where none runs the files. */
import { connectAdmin } from "../admin/client.ts";
import {
  answerLine,
  type OperationAnswer,
  type OperationName,
  type OperationRequest,
} from "../admin/contract.ts";
import { type CommandContext, CommandError } from "./command.ts";

/** @throws {CommandError} with what the operation says of its failure */
export async function ask<N extends OperationName>(
  { directories, version }: CommandContext,
  operation: N,
  request: OperationRequest<N>,
): Promise<OperationAnswer<N>> {
  const line = JSON.stringify({ operation, request });
  const client = await connectAdmin(directories.run);
  const text =
    client === undefined
      ? await (await import("../admin/answer.ts")).answerText(line, { directories, version })
      : await client.ask(line);
  client?.close();
  const answer = answerLine.parse(JSON.parse(text));
  if (!answer.ok) throw new CommandError(answer.message);
  return answer.answer as OperationAnswer<N>;
}
