/**
 * `admin`: request lines on stdin, answer lines on stdout (admin/contract.ts). Through the socket where a
 * server runs, so that an answer means "in force"; on the files themselves where none does. Exit code 0 when
 * every answer was ok, 1 otherwise.
 */
import { createInterface } from "node:readline";
import { connectAdmin } from "../admin/client.ts";
import { MAX_REQUEST_BYTES } from "../admin/limits.ts";
import type { CommandContext } from "./command.ts";

export async function adminCommand(context: CommandContext): Promise<number> {
  const client = await connectAdmin(context.directories.run);
  const ask = client === undefined ? await offline(context) : (line: string) => client.ask(line);
  let exitCode = 0;
  for await (const text of createInterface({ input: context.stdin })) {
    if (text.trim() === "") continue;
    const answer = Buffer.byteLength(text) > MAX_REQUEST_BYTES ? tooLarge : (await ask(text)).trimEnd();
    if (!answer.startsWith('{"ok":true')) exitCode = 1;
    context.out(answer);
  }
  client?.close();
  return exitCode;
}

const tooLarge = JSON.stringify({
  ok: false,
  code: "invalid",
  message: `a request has at most ${MAX_REQUEST_BYTES} bytes`,
});

/** The operations bring much with them that a client of the socket does not need. */
async function offline({ directories, version }: CommandContext): Promise<(line: string) => Promise<string>> {
  const { answerText } = await import("../admin/answer.ts");
  return (line) => answerText(line, { directories, version });
}
