/**
 * DNS resource records as values: what the stack plans, what the publishers write, what the loopback name server answers
 * and what the resolver returns is one and the same type, `DnsRecord`.
 *
 * Names in a record are canonical: lower case, a-labels, no trailing dot, "." for the root. `dnsRecord` makes a record
 * canonical and refuses what its type does not allow; `sameRecord` compares two; `parseMasterFile` and
 * `renderMasterFile` read and write zone files (RFC 1035 §5).
 *
 * This is the one door through which the stack (components/) comes into this room, and what it gathers imports nothing.
 */
export * from "./addresses.ts";
export * from "./character-strings.ts";
export * from "./master-file.ts";
export * from "./names.ts";
export * from "./record.ts";
