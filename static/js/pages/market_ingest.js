// Ingestions: when one ends, the page shows what it brought.

import { $$ } from "../lib/dom.js";

for (const part of $$("[data-ingest-job]")) {
  for (const end of ["job:done", "job:failed"]) part.addEventListener(end, () => location.reload());
}
