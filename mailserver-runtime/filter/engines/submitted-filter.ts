/** What engines say of mail that users of this host submit. Our own checks are for mail of strangers. */
import { createInboundFilter, type InboundFilterOptions } from "../inbound-filter.ts";
import type { InboundFilter } from "../pipeline.ts";
import type { EngineChecks } from "./engine-checks.ts";

export function createSubmittedFilter(
  { hostname, resolver, policy, log }: Omit<InboundFilterOptions, "checks">,
  engines: Pick<EngineChecks, "submitted">,
): InboundFilter & { readonly isAsked: () => boolean } {
  const filter = createInboundFilter({
    hostname,
    resolver,
    log,
    checks: [],
    engines: engines.submitted,
    ...(policy && { policy }),
  });
  return { ...filter, isAsked: () => engines.submitted().length > 0 };
}
