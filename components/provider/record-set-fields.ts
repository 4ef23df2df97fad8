/** Records by owner and type, as several resources take them. */
import { z } from "zod";

export const recordSetsSchema = z
  .record(
    z.string().regex(/^\S+ [A-Z]+$/, 'a record set is named by owner and type, as in "example.org MX"'),
    z.array(
      z.string().regex(/^\d+ .+$/, 'a record is its TTL and its data, as in "3600 10 mail.example.org."'),
    ),
  )
  .meta({ description: 'Records by owner and type: {"example.org MX": ["3600 10 mail.example.org."]}.' });
