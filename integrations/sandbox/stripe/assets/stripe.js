// A stand-in for Stripe.js, as far as the embedded checkout page goes: https://docs.stripe.com/js/embedded_checkout
"use strict";

(() => {
  const origin = new URL(document.currentScript.src).origin;

  const createEmbeddedCheckoutPage = async ({ clientSecret, fetchClientSecret }) => {
    const secret = clientSecret ?? (await fetchClientSecret());
    const found = /^(cs_test_[A-Za-z0-9]+)_secret_[A-Za-z0-9]+$/.exec(secret);
    if (!found) throw new Error("Stripe.js: this is no client secret of a Checkout Session.");
    const frame = document.createElement("iframe");
    frame.title = "Secure payment form";
    frame.src = `${origin}/c/pay/${found[1]}`;
    window.addEventListener("message", (event) => {
      if (event.origin !== origin || event.source !== frame.contentWindow) return;
      if (event.data?.type === "checkout-complete") window.location.assign(event.data.url);
    });
    return { mount: (place) => document.querySelector(place).replaceChildren(frame), destroy: () => frame.remove() };
  };

  window.Stripe = (key) => {
    if (!/^pk_test_\w+$/.test(key)) throw new Error("Stripe.js: give it a publishable test key.");
    return { createEmbeddedCheckoutPage };
  };
})();
