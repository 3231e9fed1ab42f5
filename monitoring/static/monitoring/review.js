// The keys of the review pages. Everything they do is also a link or a button.
"use strict";

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input:not([type=radio]), textarea, select");
  if (typing && event.key === "Escape") {
    event.target.blur();
    return;
  }
  if (typing || event.repeat || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  const target = Array.from(document.querySelectorAll("[data-key]")).find(
    (one) => one.dataset.key === event.key
  );
  if (!target) {
    return;
  }
  event.preventDefault();
  if (target.matches("[type=radio]")) {
    target.checked = true;
    document.querySelector("#note").focus();
  } else if (target.matches("input")) {
    target.focus();
  } else {
    target.click();
  }
});

// A second press of a button while the first is on its way changes nothing.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) {
    event.preventDefault();
  }
  event.target.dataset.sent = "yes";
});

window.addEventListener("pageshow", () => {
  document.querySelectorAll("form").forEach((form) => delete form.dataset.sent);
});
