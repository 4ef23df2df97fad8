/** Why a listener's place could not be taken; the message names the place, its holder where it can be known, and the way out. */
export class ListenError extends Error {
  readonly code: "port-taken" | "forbidden" | "address" | "tls" | "other";
  constructor(code: ListenError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ListenError";
    this.code = code;
  }
}
