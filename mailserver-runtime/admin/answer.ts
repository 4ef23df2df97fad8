/** One request line performed, as the socket and the offline command both do it. */
import type { Log } from "../net/log.ts";
import { type AdminContext, OperationError } from "./context.ts";
import { type FailureCode, requestLine } from "./contract.ts";
import { performUnchecked } from "./operations.ts";

/** One request line performed; the answer line with its line end. Never throws. */
export async function answerText(
  text: string,
  context: AdminContext & { readonly log?: Log },
): Promise<string> {
  try {
    const request = parseRequest(text);
    const done = await performUnchecked(request.operation, request.request, context);
    return answerLine({ ok: true, answer: done });
  } catch (error) {
    const failure =
      error instanceof OperationError
        ? error
        : new OperationError("internal", error instanceof Error ? error.message : String(error));
    if (failure.code === "internal") context.log?.error({ reason: failure.message }, "an operation failed");
    return answerLine({ ok: false, code: failure.code, message: failure.message });
  }
}

function parseRequest(text: string): { operation: string; request: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // JSON.parse quotes what it stumbles over, which may be a password.
    throw new OperationError("invalid", "the request is not one line of JSON");
  }
  const parsed = requestLine.safeParse(value);
  if (!parsed.success)
    throw new OperationError("invalid", 'a request is {"operation": "...", "request": {...}}');
  return { operation: parsed.data.operation, request: parsed.data.request ?? {} };
}

/** An answer as it travels, with its line end. */
export function answerLine(
  value:
    | { readonly ok: true; readonly answer: unknown }
    | { readonly ok: false; readonly code: FailureCode; readonly message: string },
): string {
  return `${JSON.stringify(value)}\n`;
}
