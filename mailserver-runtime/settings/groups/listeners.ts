/** Where the server listens (`listeners`). */
import { z } from "zod";
import { portSchema } from "../port.ts";

export const protocols = [
  "smtp",
  "submission",
  "submissions",
  "lmtp",
  "imap",
  "imaps",
  "pop3",
  "pop3s",
  "managesieve",
  "http",
  "https",
] as const;
/** The protocol a listener speaks; `submissions`, `imaps`, `pop3s` and `https` begin with TLS (RFC 8314). */
export type Protocol = (typeof protocols)[number];

export const listenerSchema = z
  .strictObject({
    protocol: z.enum(protocols).meta({ description: "What the listener speaks." }),
    address: z.string().default("::").meta({ description: "Address to bind; `::` takes IPv4 as well." }),
    port: portSchema.optional().meta({ description: "TCP port; 0 lets the system choose (tests)." }),
    path: z.string().startsWith("/", { error: "is no absolute path" }).max(107).optional().meta({
      description: "Instead of address and port, for `lmtp`: the socket file to listen on.",
    }),
    mode: z
      .string()
      .regex(/^0?[0-7]{3}$/, { error: "is no file mode like 660" })
      .optional()
      .meta({
        description: "Who may connect to the socket file, as a file mode; `660` where none is given.",
      }),
    proxyProtocol: z.array(z.string()).default([]).meta({
      description: "Addresses or networks that must send a PROXY header; nobody else may connect then.",
    }),
  })
  .superRefine((listener, context) => {
    const problem = placeProblem(listener);
    if (problem !== undefined) context.addIssue({ code: "custom", ...problem });
  })
  .transform(({ port: given = 0, ...listener }) => ({ ...listener, port: given }));

/** A listener has a port or a socket file, and what belongs to it; undefined where that is so. */
function placeProblem(listener: {
  readonly protocol: Protocol;
  readonly port?: number | undefined;
  readonly path?: string | undefined;
  readonly mode?: string | undefined;
  readonly proxyProtocol: readonly string[];
}): { readonly path: string[]; readonly message: string } | undefined {
  const { protocol, path, mode, proxyProtocol } = listener;
  if (path === undefined) {
    if (listener.port === undefined) return { path: ["port"], message: "must be given, or a path" };
    return mode === undefined ? undefined : { path: ["mode"], message: "belongs to a path" };
  }
  if (protocol !== "lmtp") return { path: ["path"], message: `is for lmtp; ${protocol} needs a port` };
  if (listener.port) return { path: ["port"], message: "cannot stand beside a path" };
  if (proxyProtocol.length > 0) return { path: ["proxyProtocol"], message: "cannot stand beside a path" };
  return undefined;
}
/** One place where the server listens; with a `path` its port is 0 and means nothing. */
export type Listener = z.infer<typeof listenerSchema>;

/** The ports of RFC 5321, 6409, 8314 and 9051, on every address. */
const standardListeners: readonly Listener[] = [
  { protocol: "smtp", address: "::", port: 25, proxyProtocol: [] },
  { protocol: "submission", address: "::", port: 587, proxyProtocol: [] },
  { protocol: "submissions", address: "::", port: 465, proxyProtocol: [] },
  { protocol: "imap", address: "::", port: 143, proxyProtocol: [] },
  { protocol: "imaps", address: "::", port: 993, proxyProtocol: [] },
];

export const listenersSettings = z
  .array(listenerSchema)
  .prefault([...standardListeners])
  .meta({ description: "Where the server listens." });
