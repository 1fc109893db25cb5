// NMI's Collect.js with its three frames. It reads the public key from its own script element, so we load it here.
// https://docs.nmi.com/docs/collectjs
"use strict";

(() => {
  const pay = window.payForm;
  if (!pay) return;
  const ANSWER_WITHIN_MS = 20_000;
  const FIELDS = {
    ccnumber: { id: "card-number", label: "Card number" },
    ccexp: { id: "card-expiry", label: "Expiry date (month and year)" },
    cvv: { id: "card-code", label: "Security code" },
  };

  const sayWhatIsWrong = (field, valid) => {
    if (valid) pay.say("");
    else pay.again(`Please check this: ${FIELDS[field]?.label ?? "your card"}.`);
  };

  const configure = () => {
    const fields = {};
    for (const [name, { id, label }] of Object.entries(FIELDS)) {
      pay.field(id, label);
      fields[name] = { selector: `#${id}`, title: label, placeholder: "" };
    }
    window.CollectJS.configure({
      variant: "inline",
      fields,
      fieldsAvailableCallback: () => pay.ready(() => window.CollectJS.startPaymentRequest()),
      validationCallback: sayWhatIsWrong,
      timeoutDuration: ANSWER_WITHIN_MS,
      timeoutCallback: () => pay.again("The payment service did not answer. Nothing was paid. Please try again."),
      callback: (answer) => pay.pay(answer.token),
    });
    pay.show();
  };

  const script = document.createElement("script");
  script.src = pay.parameters.script;
  script.setAttribute("data-tokenization-key", pay.parameters.tokenizationKey);
  script.addEventListener("load", configure);
  script.addEventListener("error", pay.broken);
  document.head.append(script);
})();
