/** Questions to a person, or to the lines of a pipe. */
import { createInterface, type Interface } from "node:readline";
import { Writable } from "node:stream";

/** Shows what is written to it only while it is open; what a person types as a secret is never shown. */
class Curtain extends Writable {
  open = true;
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.open) process.stderr.write(chunk);
    done();
  }
}

type Input = NodeJS.ReadableStream & { readonly isTTY?: boolean };

/** One reader for the whole process: a second one would lose the lines that the first has already read. */
let reader:
  | { readonly lines: AsyncIterator<string>; readonly curtain: Curtain; readonly face: Interface }
  | undefined;

/** The next line, or undefined at the end of the input. */
export async function ask(input: Input, question: string): Promise<string | undefined> {
  return next(input, question, true);
}

/** The same, without showing what is typed. */
export async function askSecret(input: Input, question: string): Promise<string | undefined> {
  const answer = await next(input, question, false);
  process.stderr.write("\n");
  return answer;
}

/** Lets the process end while the input is still open. */
export function endPrompts(): void {
  reader?.face.close();
  reader = undefined;
}

async function next(input: Input, question: string, shown: boolean): Promise<string | undefined> {
  reader ??= start(input);
  process.stderr.write(question);
  reader.curtain.open = shown;
  const line = await reader.lines.next();
  reader.curtain.open = true;
  return line.done === true ? undefined : line.value;
}

function start(input: Input) {
  const curtain = new Curtain();
  const face = createInterface({ input, output: curtain, terminal: input.isTTY === true, prompt: "" });
  return { lines: face[Symbol.asyncIterator](), curtain, face };
}
