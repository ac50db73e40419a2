// The Operations page: health moves as it is sampled; alerts are acknowledged.

import { post, run } from "../lib/api.js";
import { $, $$, number, tone } from "../lib/dom.js";
import { subscribe } from "../lib/socket.js";

function show(module) {
  const row = $(`[data-module="${CSS.escape(module.name)}"]`);
  if (!row) return;
  const pill = $("[data-status]", row);
  pill.textContent = module.status;
  pill.dataset.tone = tone(module.status);
  $("[data-summary]", row).textContent = module.summary;
  $("[data-advice]", row).textContent = module.advice || "–";
  $("[data-latency]", row).textContent = number(module.latency_ms, 1);
}

subscribe("health", (data) => data.modules.forEach(show));

for (const button of $$("[data-acknowledge]")) {
  button.addEventListener("click", () =>
    run(button, async () => {
      await post(`/alerts/${button.dataset.acknowledge}/acknowledge`);
      button.replaceWith("seen");
    }),
  );
}
