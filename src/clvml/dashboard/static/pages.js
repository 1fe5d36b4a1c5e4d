// What HTMX does not do: a slider and the field above it say the same. The form sends the field.
"use strict";
const written = value => Number(value).toLocaleString(document.documentElement.lang,
  { maximumFractionDigits: 2, useGrouping: false });
document.addEventListener("input", event => {
  const field = document.getElementById(event.target.dataset.field);
  if (field) field.value = written(event.target.value);
});
// A typed number moves the slider when its plan has come; not the one that a hand is on.
document.addEventListener("htmx:afterSettle", () => {
  const said = JSON.parse(document.getElementById("plan")?.dataset.sliders || "{}");
  for (const [name, { value, min, max, step }] of Object.entries(said)) {
    const slider = document.getElementById(`${name}-slider`);
    if (slider && !slider.matches(":active")) Object.assign(slider, { min, max, step, value });
  }
});
// Where nobody answers, the browser says so itself.
document.addEventListener("htmx:sendError", () => location.reload());
