// A version: its look-ahead probe is asked for, and the page shows what it came to.

import { post, run } from "../lib/api.js";
import { $ } from "../lib/dom.js";

const panel = $("[data-probe]");
const button = panel && $("[data-act='probe']", panel);

button?.addEventListener("click", () =>
  run(
    button,
    async () => {
      await post(`/versions/${panel.dataset.probe}/probes`);
      location.reload();
    },
    $("[data-error]", panel),
  ),
);

panel?.addEventListener("job:failed", () => location.reload());
