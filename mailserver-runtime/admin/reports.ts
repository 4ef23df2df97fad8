/** What others have reported about our domains; the files answer, whether a server runs or not. */
import { keptReports } from "../received-reports/kept-reports.ts";
import { summaryOf } from "../received-reports/summary.ts";
import { summaryText } from "../received-reports/summary-text.ts";
import { dayOf } from "../reports/day-tally.ts";
import type { Performers } from "./context.ts";

const DAY_MS = 86_400_000;
/** Lines of one kind that are answered: the most telling stand first. */
const MAX_ROWS = 1000;

export const reportOperations: Performers<"reports"> = {
  reports: {
    effect: "reads",
    async perform({ domain, days }, { directories }) {
      const since = dayOf(Date.now() - days * DAY_MS);
      const kept = await keptReports(`${directories.state}/received-reports`, since);
      const wanted = domain?.toLowerCase();
      const whole = summaryOf(kept, (each) => wanted === undefined || each === wanted);
      const summary = { ...whole, dmarc: whole.dmarc.slice(0, MAX_ROWS), tls: whole.tls.slice(0, MAX_ROWS) };
      return {
        reports: summary.reports,
        unverified: summary.unverified,
        dmarc: summary.dmarc.map((row) => ({ ...row, reporters: [...row.reporters] })),
        tls: summary.tls.map((row) => ({ ...row, failures: [...row.failures] })),
        lines: [...summaryText(summary, days)],
      };
    },
  },
};
