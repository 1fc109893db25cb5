// Square's card frame (Web Payments SDK): it gives a single-use token, which our server turns into money.
// https://developer.squareup.com/docs/web-payments/take-card-payment
"use strict";

(() => {
  const pay = window.payForm;
  if (!pay) return;
  const FAILED = "The payment service did not answer. Nothing was paid. Please try again.";
  const WRONG = "Please check your card: ";

  const place = () => {
    const box = document.createElement("div");
    box.id = "square-card";
    box.className = "pay-card";
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "Your card");
    pay.fields.append(box);
    return box;
  };

  // What the bank is told for its check of the shopper (3-D Secure), which Square's frame sees to.
  const purpose = () => ({
    amount: pay.parameters.amount,
    currencyCode: pay.parameters.currency,
    intent: "CHARGE",
    customerInitiated: true,
    sellerKeyedIn: false,
    billingContact: {},
  });

  const begin = async () => {
    const card = await window.Square.payments(pay.parameters.applicationId, pay.parameters.locationId).card();
    const box = place();
    // Hidden, the frame has no size to measure: it is shown first.
    pay.show();
    await card.attach(`#${box.id}`);
    pay.ready(async () => {
      try {
        const answer = await card.tokenize(purpose());
        if (answer.status === "OK") pay.pay(answer.token);
        else pay.again(WRONG + (answer.errors || []).map((each) => each.message).join(" "));
      } catch {
        pay.again(FAILED);
      }
    });
  };

  if (!window.Square) pay.broken();
  else begin().catch(() => pay.broken());
})();
