/** BODY and BODYSTRUCTURE as bytes (RFC 9051 §7.5.2). */
import type { ValueWithParameters } from "../../message/mime/parameters.ts";
import { isMessage, type MimePart } from "../../message/mime/structure.ts";
import type { Output } from "../output.ts";
import { writeEnvelope } from "./envelope.ts";

/** Writes the parenthesized structure; `extended` for BODYSTRUCTURE. Depth is bounded by the parser's limit. */
export function writeBodyStructure(out: Output, part: MimePart, extended: boolean): void {
  out.text("(");
  if (part.type === "multipart") writeMultipart(out, part, extended);
  else writeSingle(out, part, extended);
  out.text(")");
}

function writeMultipart(out: Output, part: MimePart, extended: boolean): void {
  for (const child of part.children) writeBodyStructure(out, child, extended);
  // The grammar has no multipart without parts; an empty one is shown with one empty text.
  if (part.children.length === 0) out.text('("TEXT" "PLAIN" NIL NIL NIL "7BIT" 0 0)');
  out.text(" ");
  out.nstring(part.subtype.toUpperCase());
  if (!extended) return;
  out.text(" ");
  writeParameters(out, part.parameters);
  writeExtension(out, part);
}

function writeSingle(out: Output, part: MimePart, extended: boolean): void {
  out.nstring(part.type.toUpperCase());
  out.text(" ");
  out.nstring(part.subtype.toUpperCase());
  out.text(" ");
  // RFC 2045 §5.2: text without a charset is US-ASCII.
  if (part.type === "text" && part.parameters.length === 0) out.text('("CHARSET" "US-ASCII")');
  else writeParameters(out, part.parameters);
  out.text(" ");
  out.nstring(part.id);
  out.text(" ");
  out.nstring(part.description);
  out.text(" ");
  out.nstring(part.encoding.toUpperCase());
  out.text(" ");
  out.number(part.end - part.bodyStart);
  if (isMessage(part)) {
    const inside = part.children[0]!;
    out.text(" ");
    writeEnvelope(out, inside.header);
    out.text(" ");
    writeBodyStructure(out, inside, extended);
    out.text(" ");
    out.number(part.lines);
  } else if (part.type === "message" && part.subtype === "rfc822") {
    // The grammar demands what cannot be seen: too deep, or encoded against RFC 2046 §5.2.1.
    out.text(' (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 0 0) ');
    out.number(part.lines);
  } else if (part.type === "text") {
    out.text(" ");
    out.number(part.lines);
  }
  if (!extended) return;
  out.text(" ");
  out.nstring(part.md5);
  writeExtension(out, part);
}

/** Disposition, language and location, which every kind of part has last. */
function writeExtension(out: Output, part: MimePart): void {
  out.text(" ");
  if (part.disposition) {
    out.text("(");
    out.nstring(part.disposition.value.toUpperCase());
    out.text(" ");
    writeParameters(out, part.disposition.parameters);
    out.text(")");
  } else out.text("NIL");
  out.text(" ");
  if (!part.language) out.text("NIL");
  else if (part.language.length === 1) out.nstring(part.language[0]);
  else {
    out.text("(");
    for (const [index, tag] of part.language.entries()) {
      if (index > 0) out.text(" ");
      out.nstring(tag);
    }
    out.text(")");
  }
  out.text(" ");
  out.nstring(part.location);
}

function writeParameters(out: Output, parameters: ValueWithParameters["parameters"]): void {
  if (parameters.length === 0) {
    out.text("NIL");
    return;
  }
  out.text("(");
  for (const [index, [name, value]] of parameters.entries()) {
    if (index > 0) out.text(" ");
    out.nstring(name.toUpperCase());
    out.text(" ");
    out.nstring(value);
  }
  out.text(")");
}
