/** The publishers as they are written in the stack's configuration: dns-args.ts for `mailkeep:mail`. */
import { z } from "zod";
import type { DnsArgs } from "./dns-args.ts";

const common = {
  ttl: z.int().min(1).max(604_800).optional(),
  dnssec: z.enum(["signed", "unsigned"]).optional(),
};
const names = z.array(z.string()).optional();

export const dnsConfig = z.discriminatedUnion("type", [
  z.strictObject({ type: z.enum(["host", "local"]), ...common }),
  z.strictObject({
    type: z.literal("cloudflare"),
    ...common,
    zones: z
      .array(z.union([z.string(), z.strictObject({ name: z.string(), id: z.string().optional() })]))
      .optional(),
    tokenName: z.string().optional(),
    adopt: names,
    baseUrl: z.string().optional(),
  }),
  z.strictObject({
    type: z.literal("rfc2136"),
    ...common,
    server: z.string(),
    port: z.int().min(1).max(65_535).optional(),
    key: z
      .strictObject({
        name: z.string(),
        algorithm: z.enum(["hmac-sha256", "hmac-sha384", "hmac-sha512"]).optional(),
      })
      .optional(),
    zones: names,
    adopt: names,
  }),
  z.strictObject({
    type: z.literal("zone-file"),
    ...common,
    directory: z.string(),
    form: z.enum(["zone", "include"]).optional(),
    nameServers: names,
    zones: names,
  }),
  z.strictObject({
    type: z.literal("manual"),
    ...common,
    zones: names,
    waitSeconds: z.int().min(0).max(86_400).optional(),
  }),
]) satisfies z.ZodType<DnsArgs>;
