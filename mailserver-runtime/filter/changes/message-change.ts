/**
 * What an engine may change in a message and its envelope: the modifications of the milter protocol, which AM.PDP and
 * rspamd have as well. A check only proposes them; who receives the message makes them, one after the other.
 */
import type { MessageContent } from "../../message/content.ts";

export type MessageChange = HeaderChange | BodyChange | EnvelopeChange;

/** Values are bytes as latin1, all that stands after the colon, without the last line end. */
export type HeaderChange =
  /** Below all other fields. */
  | { readonly kind: "add-header"; readonly name: string; readonly value: string }
  /** Above the field that stands at `at`, counted from 0. */
  | { readonly kind: "insert-header"; readonly at: number; readonly name: string; readonly value: string }
  /** The `occurrence`th field of that name, from 1; one beyond the last is added. Without a value it is removed. */
  | {
      readonly kind: "change-header";
      readonly name: string;
      readonly occurrence: number;
      readonly value: string | undefined;
    };
export interface BodyChange {
  readonly kind: "replace-body";
  readonly body: MessageContent;
}
export type EnvelopeChange =
  | { readonly kind: "add-recipient"; readonly address: string }
  | { readonly kind: "remove-recipient"; readonly address: string }
  /** "" for the null reverse-path. */
  | { readonly kind: "change-sender"; readonly address: string };

export const isEnvelopeChange = (change: MessageChange): change is EnvelopeChange =>
  change.kind === "add-recipient" || change.kind === "remove-recipient" || change.kind === "change-sender";

/** In words, for people. */
export function changeText(change: MessageChange): string {
  switch (change.kind) {
    case "add-header":
    case "insert-header":
      return `header ${change.name}:${change.value} added`;
    case "change-header":
      return change.value === undefined
        ? `header ${change.name} (${change.occurrence}) removed`
        : `header ${change.name} (${change.occurrence}) becomes${change.value}`;
    case "replace-body":
      return `the body replaced by one of ${change.body.size} bytes`;
    case "add-recipient":
      return `recipient ${change.address} added`;
    case "remove-recipient":
      return `recipient ${change.address} removed`;
    case "change-sender":
      return `sender becomes <${change.address}>`;
  }
}
