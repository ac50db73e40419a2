// Draws the figures of a tear sheet that was exported as a file; asks nobody for anything.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const font = { family: "system-ui, sans-serif", size: 12, color: "#1b1b1f" };
  for (const [name, figure] of Object.entries(figures)) {
    const title = figure.layout.title;
    const layout = {
      ...figure.layout,
      title: { ...title, font: { size: 14 }, x: 0, xanchor: "left" },
      font,
      hovermode: figure.layout.hovermode ?? "x unified",
      margin: { l: 60, r: 20, t: 64, b: 44 },
      paper_bgcolor: "#ffffff",
      plot_bgcolor: "#ffffff",
    };
    window.Plotly.newPlot(`chart-${name}`, figure.data, layout, { responsive: true, displaylogo: false });
  }
})();
