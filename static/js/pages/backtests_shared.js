// A shared sheet: what it shows came with the page; nothing is asked of the lab.

import { adopt as adoptFigures } from "../lib/chart.js";
import { $ } from "../lib/dom.js";
import { adopt, fill } from "../lib/told.js";

adopt();
fill(JSON.parse($("#intervals").textContent));
adoptFigures(document);
