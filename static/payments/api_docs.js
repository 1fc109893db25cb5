"use strict";

const place = document.getElementById("api");
// The key that the description shows as its example (payments/idempotency.py); the service refuses it.
const exampleKey = "3f2b8c1e-6a4d-4f0b-9d57-0c8e2a1b7f63";

function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function withOwnKey(request) {
  if (request.headers && request.headers["Idempotency-Key"] === exampleKey) {
    request.headers["Idempotency-Key"] = randomKey();
  }
  return request;
}

SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  requestInterceptor: withOwnKey,
  // No other host is ever asked: its default would send the schema to a validator on the internet.
  validatorUrl: null,
});
