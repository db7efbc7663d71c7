// Makes lists and forms quicker to work with: marks every row of a page at once, sends a filter as soon as it is chosen,
// and puts a chosen text file into its field. Without it, all of that is done by hand.
"use strict";
(() => {
  const rows = (name) => [...document.querySelectorAll(`input[type=checkbox][name="${name}"]`)];

  document.addEventListener("change", async (event) => {
    const changed = event.target;
    if (changed.dataset.marks) {
      for (const row of rows(changed.dataset.marks)) row.checked = changed.checked;
    } else if (changed.matches("form.find select")) {
      changed.form.requestSubmit();
    } else if (changed.dataset.into && changed.files.length > 0) {
      document.getElementById(changed.dataset.into).value = await changed.files[0].text();
    } else if (changed.matches("input[type=checkbox][name=row]")) {
      const all = document.querySelector("input[data-marks=row]");
      const marked = rows("row").filter((row) => row.checked).length;
      all.checked = marked === rows("row").length;
      all.indeterminate = marked > 0 && !all.checked;
    }
  });

  // A refusal is where the eyes go next.
  document.querySelector("main [aria-invalid]")?.focus();
})();
