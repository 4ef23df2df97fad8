/** What a milter asks for at the end of a message (SMFIR_ADDHEADER and the others), as changes of ours. */
import type { MessageChange } from "../../changes/message-change.ts";
import { answerText } from "../answer-text.ts";
import { EngineError } from "../engine.ts";
import type { Agreement, actions } from "./negotiation.ts";
import { type Packet, stringsOf } from "./packets.ts";

interface Modification {
  /** What it must have been allowed in the negotiation. */
  readonly action: keyof typeof actions;
  changeOf(data: Buffer, hasLeadingBlank: boolean): MessageChange;
}

const modifications: Readonly<Record<string, Modification>> = {
  h: {
    action: "addHeaders",
    changeOf(data, leading) {
      const [name = "", value = ""] = stringsOf(data);
      return { kind: "add-header", name, value: valueAs(value, leading) };
    },
  },
  i: {
    action: "addHeaders",
    changeOf(data, leading) {
      const [name = "", value = ""] = stringsOf(numbered(data).rest);
      // 0 stands above the receiving host's own trace, which is no part of the message yet; 1 right below it.
      return {
        kind: "insert-header",
        at: Math.max(0, numbered(data).index - 1),
        name,
        value: valueAs(value, leading),
      };
    },
  },
  m: {
    action: "changeHeaders",
    changeOf(data, leading) {
      const { index, rest } = numbered(data);
      const [name = "", value = ""] = stringsOf(rest);
      return {
        kind: "change-header",
        name,
        occurrence: Math.max(1, index),
        value: value === "" ? undefined : valueAs(value, leading),
      };
    },
  },
  "+": { action: "addRecipients", changeOf: (data) => ({ kind: "add-recipient", address: addressOf(data) }) },
  "2": {
    action: "addRecipientsWithParameters",
    changeOf: (data) => ({ kind: "add-recipient", address: addressOf(data) }),
  },
  "-": {
    action: "removeRecipients",
    changeOf: (data) => ({ kind: "remove-recipient", address: addressOf(data) }),
  },
  e: { action: "changeSender", changeOf: (data) => ({ kind: "change-sender", address: addressOf(data) }) },
};

/** undefined for a packet that is no such thing. Throws EngineError for one that was not agreed on. */
export function modificationOf({ command, data }: Packet, agreement: Agreement): MessageChange | undefined {
  const modification = modifications[command];
  if (modification === undefined) return undefined;
  if (!agreement.may(modification.action))
    throw new EngineError("nonsense", `it wants to ${modification.action}, which it did not ask for`);
  return modification.changeOf(data, agreement.has("leadingBlank"));
}

function numbered(data: Buffer): { readonly index: number; readonly rest: Buffer } {
  if (data.length < 5) throw new EngineError("nonsense", "it sent a header without its place");
  return { index: data.readUInt32BE(0), rest: data.subarray(4) };
}
const valueAs = (value: string, hasLeadingBlank: boolean): string => (hasLeadingBlank ? value : ` ${value}`);

function addressOf(data: Buffer): string {
  const text = Buffer.from(stringsOf(data)[0] ?? "", "latin1").toString("utf8");
  const address = /^<(.*)>$/.exec(text)?.[1] ?? text;
  if (address.length > 320 || /[\p{Cc}<>]/u.test(address))
    throw new EngineError("nonsense", `it names the address ${JSON.stringify(answerText(address, 60))}`);
  return address;
}
