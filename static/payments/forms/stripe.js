// Stripe's embedded checkout page. It pays by itself and takes this page to the return address.
// https://docs.stripe.com/js/embedded_checkout
"use strict";

(() => {
  const pay = window.payForm;
  if (!pay) return;

  const mount = async () => {
    const stripe = window.Stripe(pay.parameters.publishableKey);
    const page = await stripe.createEmbeddedCheckoutPage({ clientSecret: pay.parameters.clientSecret });
    const place = document.createElement("div");
    place.id = "stripe-page";
    place.className = "pay-frame";
    pay.fields.append(place);
    page.mount("#stripe-page");
    pay.show();
  };

  mount().catch(pay.broken);
})();
