// Risk at a glance: another book is shown as soon as it is chosen.

import { $ } from "../lib/dom.js";

$("[data-submits]")?.addEventListener("change", (event) => event.target.form.requestSubmit());
