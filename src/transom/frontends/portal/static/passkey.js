/* Passkeys and security keys: what the page asks goes to the browser, its answer into the form. */
"use strict";

(() => {
  const bytes = (text) => {
    const plain = text.replaceAll("-", "+").replaceAll("_", "/");
    return Uint8Array.from(atob(plain), (each) => each.charCodeAt(0));
  };
  const text = (buffer) => {
    const plain = btoa(String.fromCharCode(...new Uint8Array(buffer)));
    return plain.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  };
  const ids = (list) => (list ?? []).map((each) => ({ ...each, id: bytes(each.id) }));

  const create = async (options) => {
    const made = await navigator.credentials.create({
      publicKey: {
        ...options,
        challenge: bytes(options.challenge),
        user: { ...options.user, id: bytes(options.user.id) },
        excludeCredentials: ids(options.excludeCredentials),
      },
    });
    const answer = made.response;
    return {
      id: made.id,
      rawId: text(made.rawId),
      type: made.type,
      response: {
        attestationObject: text(answer.attestationObject),
        clientDataJSON: text(answer.clientDataJSON),
        transports: answer.getTransports?.() ?? [],
      },
      clientExtensionResults: made.getClientExtensionResults(),
    };
  };

  const get = async (options) => {
    const given = await navigator.credentials.get({
      publicKey: {
        ...options,
        challenge: bytes(options.challenge),
        allowCredentials: ids(options.allowCredentials),
      },
    });
    const answer = given.response;
    return {
      id: given.id,
      rawId: text(given.rawId),
      type: given.type,
      response: {
        authenticatorData: text(answer.authenticatorData),
        clientDataJSON: text(answer.clientDataJSON),
        signature: text(answer.signature),
        userHandle: answer.userHandle ? text(answer.userHandle) : null,
      },
      clientExtensionResults: given.getClientExtensionResults(),
    };
  };

  const ways = { create, get };
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const told = form.querySelector("[data-told]");
    if (!window.PublicKeyCredential) {
      told.textContent = told.dataset.none;
      continue;
    }
    told.textContent = "";
    form.addEventListener("submit", async (event) => {
      if (form.elements.answer.value) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      told.textContent = told.dataset.waiting;
      try {
        const way = ways[form.dataset.passkey];
        form.elements.answer.value = JSON.stringify(await way(JSON.parse(form.dataset.options)));
        form.requestSubmit(event.submitter);
      } catch (failure) {
        const { known, stopped } = told.dataset;
        told.textContent = failure.name === "InvalidStateError" ? known : stopped;
      }
    }, { capture: true });
  }
})();
