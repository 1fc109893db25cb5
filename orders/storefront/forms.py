"""The shop's forms: they give types and shape; what may be bought is decided in orders/lines.py."""

from __future__ import annotations

from django import forms


class AddForm(forms.Form):
    """Put so many pieces of a product into the basket."""

    sku = forms.CharField(max_length=64)
    quantity = forms.IntegerField(min_value=1, error_messages={"invalid": "Enter a whole number."})


class ChangeForm(forms.Form):
    """Set how many pieces of a product are in the basket; 0 takes it out."""

    sku = forms.CharField(max_length=64)
    quantity = forms.IntegerField(min_value=0, error_messages={"invalid": "Enter a whole number."})


class RemoveForm(forms.Form):
    """Take a product out of the basket."""

    sku = forms.CharField(max_length=64)


class CurrencyForm(forms.Form):
    """Choose the currency prices are shown in."""

    currency = forms.RegexField(r"^[A-Z]{3}$")
    next = forms.CharField(max_length=500, required=False)


class CheckoutForm(forms.Form):
    """Where the receipt goes, and which basket at which prices the shopper was shown."""

    email = forms.EmailField(
        max_length=254,
        label="E-mail address",
        widget=forms.EmailInput(
            attrs={
                "autocomplete": "email",
                "aria-describedby": "email-help",
                "inputmode": "email",
                "spellcheck": "false",
            }
        ),
        error_messages={
            "required": "Enter your e-mail address.",
            "invalid": "Enter an address such as name@example.com.",
        },
    )
    basket = forms.CharField(max_length=64, widget=forms.HiddenInput)
    seen = forms.CharField(max_length=64, widget=forms.HiddenInput)
