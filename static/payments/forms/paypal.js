// PayPal's button on our page: the payer approves in PayPal's own window, and our server then takes the money.
// https://docs.paypal.ai/payments/methods/paypal/sdk/js/v6/
"use strict";

(() => {
  const pay = window.payForm;
  if (!pay) return;
  const LEFT = "You left PayPal before approving. Nothing was paid. Press the button to try again.";
  const FAILED = "PayPal did not work just now. Nothing was paid. Try again, or use another method.";

  const button = document.createElement("button");
  button.type = "button";
  button.className = "button button-large";
  button.textContent = "Pay with PayPal";

  const end = (words) => {
    button.disabled = false;
    pay.say(words);
  };

  const begin = async () => {
    const sdk = await window.paypal.createInstance({
      clientId: pay.parameters.clientId,
      components: ["paypal-payments"],
      pageType: "checkout",
    });
    const session = sdk.createPayPalOneTimePaymentSession({
      // Whatever the window says: the page of the return looks, and only our server's capture moves money.
      onApprove: async () => pay.done(),
      onCancel: () => end(LEFT),
      onError: () => end(FAILED),
    });
    button.addEventListener("click", async () => {
      button.disabled = true;
      pay.say("");
      try {
        await session.start({ presentationMode: "auto" }, Promise.resolve({ orderId: pay.parameters.orderId }));
      } catch {
        end(FAILED);
      }
    });
    pay.fields.append(button);
    pay.show();
  };

  if (!window.paypal) pay.broken();
  else begin().catch(() => pay.broken());
})();
