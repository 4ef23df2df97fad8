/** The lists that the settings name, made anew when they change. */
import { DnsList, type DnsListOptions, type DnsListSettings } from "./dns-list.ts";

export interface DnsListsOptions extends DnsListOptions {
  readonly settings: () => { readonly askDnsLists: boolean; readonly dnsLists: readonly DnsListSettings[] };
}

/** Gives the lists of now; none where they are not to be asked. Their first proof begins at once. */
export function openDnsLists(options: DnsListsOptions): () => readonly DnsList[] {
  let of: readonly DnsListSettings[] = [];
  let lists: readonly DnsList[] = [];
  const current = (): readonly DnsList[] => {
    const { askDnsLists, dnsLists } = options.settings();
    if (!askDnsLists) return [];
    if (dnsLists !== of) {
      of = dnsLists;
      lists = dnsLists.map((one) => new DnsList(one, options));
      for (const list of lists) void list.prove();
    }
    return lists;
  };
  current();
  return current;
}
