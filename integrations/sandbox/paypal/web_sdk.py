"""The script of the buttons (https://docs.paypal.ai/payments/methods/paypal/sdk/js/v6/), as far as our form uses it.

It opens the approval page in a frame over the shop's page and tells what the payer did. The real one asks PayPal's own
servers; this one asks the sandbox it came from.
"""

SCRIPT = """
(() => {
  const origin = new URL(document.currentScript.src).origin;
  async function press(orderId, values) {
    const answer = await fetch(`${origin}/checkoutnow?token=${encodeURIComponent(orderId)}`, {
      method: "POST", mode: "no-cors",
      headers: {"Content-Type": "application/x-www-form-urlencoded"},
      body: new URLSearchParams(values),
    });
    return answer;
  }
  function dialog(orderId, session) {
    const box = document.createElement("dialog");
    box.setAttribute("aria-label", "PayPal (test mode)");
    const words = document.createElement("p");
    words.textContent = "PayPal, test mode: approve this payment?";
    const outcome = document.createElement("select");
    outcome.setAttribute("aria-label", "What happens when the shop takes the money");
    for (const name of ["completed", "pending", "refused", "declined-5120"]) {
      outcome.add(new Option(name, name));
    }
    const approve = document.createElement("button");
    approve.textContent = "Approve";
    const cancel = document.createElement("button");
    cancel.textContent = "Cancel";
    approve.addEventListener("click", async () => {
      await press(orderId, {press: "approve", outcome: outcome.value});
      box.close(); box.remove();
      await session.onApprove?.({orderId});
    });
    cancel.addEventListener("click", () => {
      box.close(); box.remove();
      session.onCancel?.({orderId});
    });
    box.append(words, outcome, approve, cancel);
    document.body.append(box);
    box.showModal();
  }
  window.paypal = {
    async createInstance({clientId, components}) {
      if (!clientId) throw new Error("clientId is missing");
      if (!(components || []).includes("paypal-payments")) throw new Error("components is missing paypal-payments");
      return {
        async findEligibleMethods() { return {isEligible: (method) => method === "paypal"}; },
        createPayPalOneTimePaymentSession(session) {
          return {
            async start(_options, order) {
              const {orderId} = await order;
              if (!orderId) { session.onError?.(new Error("orderId is missing")); return; }
              dialog(orderId, session);
            },
          };
        },
      };
    },
  };
})();
"""
