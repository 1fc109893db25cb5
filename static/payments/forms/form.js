// What the script of each provider (static/payments/forms/<provider>.js) works with, as window.payForm. Scripts run in
// this order: this one, the provider's own, ours for the provider. Card data never passes through here.
"use strict";

(() => {
  const form = document.querySelector("[data-pay-form]");
  if (!form) return;
  const button = form.querySelector("button[type=submit]");
  const problem = form.querySelector("[data-problem]");
  const fields = form.querySelector("[data-fields]");

  document.querySelector("[data-without-script]").hidden = true;

  const SCRIPT_MAY_TAKE_SECONDS = 20;

  let ask = null;
  let sent = false;

  const enable = (on) => {
    if (button) button.disabled = !on;
  };

  const field = (id, label) => {
    const words = document.createElement("p");
    words.textContent = label;
    words.id = `${id}-label`;
    words.className = "pay-label";
    const box = document.createElement("div");
    box.id = id;
    box.className = "pay-field";
    box.setAttribute("role", "group");
    box.setAttribute("aria-labelledby", words.id);
    const both = document.createElement("div");
    both.append(words, box);
    fields.append(both);
    return box;
  };

  form.addEventListener("submit", (event) => {
    if (form.elements.token.value && !sent) {
      sent = true;
      return;
    }
    event.preventDefault();
    if (sent || !ask) return;
    enable(false);
    window.payForm.say("");
    ask();
  });

  window.addEventListener("pageshow", (event) => {
    // A token is good for one try: whoever comes back by the browser's own button gets the page anew.
    if (event.persisted) window.location.reload();
  });

  window.payForm = {
    // The form's parameters, as the adapter named them (in camel case), and where its fields belong.
    parameters: form.dataset,
    fields,
    // Makes a labelled box for a frame of the provider's, and returns it.
    field,
    // Tells the shopper what to do, in words; "" takes it back.
    say: (words) => {
      problem.textContent = words;
    },
    // The fields are there: from now on *Pay* calls `askForToken`, which ends in pay() or again().
    ready: (askForToken) => {
      ask = askForToken;
      form.hidden = false;
      enable(true);
    },
    // Posts the single-use token.
    pay: (token, proof = "") => {
      form.elements.token.value = token;
      form.elements.proof.value = proof;
      form.requestSubmit ? form.requestSubmit() : form.submit();
    },
    // It did not work: says why and lets the shopper try again.
    again: (words) => {
      enable(true);
      window.payForm.say(words);
    },
    // The frame itself has paid or approved: the page of the return looks.
    done: () => {
      window.location.assign(form.dataset.returnUrl);
    },
    // The provider's script did not load, or refuses to work here.
    broken: () => {
      form.hidden = false;
      enable(false);
      window.payForm.say("The card form could not be loaded. Nothing was paid. Load the page again, or use another method.");
    },
    // A form without *Pay*: the frame has buttons of its own.
    show: () => {
      form.hidden = false;
    },
  };

  window.setTimeout(() => {
    if (form.hidden) window.payForm.broken();
  }, SCRIPT_MAY_TAKE_SECONDS * 1000);
})();
